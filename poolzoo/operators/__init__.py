"""The operators, one file per family: each operator's formula, source and registration."""

# In the order in which lists show them.
from poolzoo.operators import (  # noqa: I001, F401
    basic,
    norms,
    hann,
    stochastic,
    fractional,
    gaussian,
    mixed,
    tree,
    ordinal,
    lip,
    soft,
    adapool,
    dpp,
    antialias,
    adaptive_filter,
    wavelets,
    spectral,
    lifting,
    multisampling,
    polyphase,
    heads,
    resample,
)
from poolzoo.operators.adapool import (
    AdaUnpool1d as AdaUnpool1d,
    AdaUnpool2d as AdaUnpool2d,
    AdaUnpool3d as AdaUnpool3d,
    ada_unpool1d as ada_unpool1d,
    ada_unpool2d as ada_unpool2d,
    ada_unpool3d as ada_unpool3d,
)
from poolzoo.operators.base import Pool as Pool
