"""Networks to train: small ones, and those of the papers whose operators the package contains."""

from poolzoo.models.small import Small as Small
from poolzoo.models.toy import ToyCcnn as ToyCcnn
