"""Modules of poolzoo.compat compile as one graph, export, deep-copy and pickle, and pool on the meta device."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from poolzoo.compat import adapool, antialiased, checkered, dpp, gem, lip, softpool

MODULES = {
    "SoftPool2d": lambda: softpool.SoftPool2d(2),
    "AdaPool2d": lambda: adapool.AdaPool2d(2, beta=(4, 4)),
    "AdaPool2d with masks": lambda: adapool.AdaPool2d(3, beta=(3, 3), stride=2, return_mask=True),
    "EDSCWPool2d": lambda: adapool.EDSCWPool2d(2),
    "SimplifiedLIP": lambda: lip.SimplifiedLIP(2),
    "BlurPool": lambda: antialiased.BlurPool(2, "replicate"),
    "GeM": gem.GeM,
    "DPP_asym_full": lambda: dpp.DPP_asym_full(2),
    "CheckeredConv2d": lambda: checkered.CheckeredConv2d(2, 3, 3, stride=2, padding=1),
    "TransposeCheckeredConv2d": lambda: checkered.TransposeCheckeredConv2d(2, 3, depth=2),
}
EACH = pytest.mark.parametrize("name", MODULES)


def example(name):
    shape = {"CheckeredConv2d": (1, 2, 1, 8, 8), "TransposeCheckeredConv2d": (1, 2, 2, 8, 8)}.get(name, (1, 2, 8, 8))
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@EACH
def test_a_module_compiles_as_one_graph_and_exports(name):
    module, x = MODULES[name]().eval(), example(name)
    want = module(x)
    torch.testing.assert_close(torch.compile(module, backend="eager", fullgraph=True)(x), want)
    torch.testing.assert_close(torch.export.export(module, (x,)).module()(x), want)


@EACH
def test_a_module_is_copied_pickled_and_runs_on_the_meta_device(name):
    module, x = MODULES[name](), example(name)
    want = module(x)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        torch.testing.assert_close(other(x), want)
    shape = [part.shape for part in want[1]] if isinstance(want, tuple) else want.shape
    on_meta = module.to("meta")(x.to("meta"))
    assert shape == ([part.shape for part in on_meta[1]] if isinstance(on_meta, tuple) else on_meta.shape)
    assert repr(module)
