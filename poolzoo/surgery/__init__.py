"""Surgery: replace the pools of existing models, and build the networks that papers published with their operator."""

from poolzoo.surgery.recipes import create_model as create_model, list_models as list_models
from poolzoo.surgery.replace import replace_pools as replace_pools
from poolzoo.surgery.report import LeftAlone as LeftAlone, Replaced as Replaced, Report as Report
