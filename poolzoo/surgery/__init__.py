"""Surgery: other pooling operators in models that exist, and the networks that papers published with them."""

from poolzoo.surgery.recipes import create_model as create_model, list_models as list_models
from poolzoo.surgery.replace import replace_pools as replace_pools
from poolzoo.surgery.report import LeftAlone as LeftAlone, Replaced as Replaced, Report as Report
