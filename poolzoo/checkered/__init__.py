"""Checkered networks: strided layers that keep several phases of their output, and the conversion of whole models."""

from poolzoo.checkered.layers import (
    SAMPLERS as SAMPLERS,
    CheckeredAvgPool2d as CheckeredAvgPool2d,
    CheckeredConv1d as CheckeredConv1d,
    CheckeredConv2d as CheckeredConv2d,
    CheckeredMaxPool2d as CheckeredMaxPool2d,
    Sampler as Sampler,
    set_sampler as set_sampler,
)
from poolzoo.checkered.models import convert_to_checkered as convert_to_checkered
from poolzoo.checkered.rules import Conversion as Conversion
