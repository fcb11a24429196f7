"""replace_pools where an A/B goes wrong unseen: global pools, unpooling, shared pools, wrapped and compiled models."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from operators.test_model_pools import CALLS, windows_of
from pools import every_operator
from surgery.test_replace import Lambda, Net, picture, reasons, small, surgery
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import poolzoo
import poolzoo.functional as PF
from poolzoo.geometry import output_size
from poolzoo.registry import pool_info

ASK = "global_pools=True replaces it"


# Adaptive and global pools --------------------------------------------------------------------------------------------


class Classifier(nn.Module):
    """A stem with a pool, and a head with a global one in each way of writing it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.MaxPool2d(3, 2, 1))
        self.head = nn.AdaptiveAvgPool2d((1, 1))
        self.grid = nn.AdaptiveMaxPool2d((2, None))

    def forward(self, x: Tensor) -> Tensor:
        x = self.grid(self.stem(x))
        return self.head(x).flatten(1) + F.adaptive_avg_pool2d(x, 1).flatten(1)


def test_only_the_stem_differs_unless_heads_are_asked_for() -> None:
    model, x = Classifier(), picture()
    new = surgery(model, "softpool")
    assert [row.where for row in new.pool_report.replaced] == ["stem.1"]
    assert reasons(new) == {
        "adaptive_avg_pool2d": f"a global pool; {ASK}",
        "head": f"a global pool; {ASK}",
        "grid": f"an adaptive pool; {ASK}",
    }
    y = model.grid(PF.soft_pool2d(model.stem[0](x), 3, 2, 1))
    assert torch.equal(new(x), model.head(y).flatten(1) + F.adaptive_avg_pool2d(y, 1).flatten(1))
    assert type(new) is Classifier, "a forward that keeps its calls is not rewritten"


def test_heads_are_replaced_by_the_adaptive_form() -> None:
    model, x = Classifier(), picture()
    new = surgery(model, "lp:p=3", global_pools=True)
    assert not new.pool_report.left_alone
    assert repr(new.head) == "AdaptiveLpPool2d(output_size=(1, 1), p=3)"
    assert repr(new.grid) == "AdaptiveLpPool2d(output_size=(2, None), p=3)"
    y = PF.adaptive_lp_pool2d(PF.lp_pool2d(model.stem[0](x), 3, 2, 1, p=3), (2, None), p=3)
    torch.testing.assert_close(new(x), 2 * PF.global_lp_pool2d(y, p=3, flatten=True))


@pytest.mark.parametrize(
    ("pool", "spec", "ndim"),
    [
        (nn.AdaptiveAvgPool1d(3), "avg", 1),
        (nn.AdaptiveAvgPool2d((None, 4)), "avg", 2),
        (nn.AdaptiveAvgPool3d(1), "avg", 3),
        (nn.AdaptiveMaxPool1d(1), "max", 1),
        (nn.AdaptiveMaxPool2d((3, None)), "max", 2),
        (nn.AdaptiveMaxPool3d((2, 3, 4)), "max", 3),
        (poolzoo.AdaptiveMaxPool2d(4), "max", 2),
        (poolzoo.GlobalMaxPool2d(flatten=True), "max", 2),
        (poolzoo.GlobalAvgPool1d(), "avg", 1),
    ],
)
def test_an_adaptive_pool_replaced_by_what_it_is_changes_nothing(pool: nn.Module, spec: str, ndim: int) -> None:
    model = small(pool, ndim).double()
    new, x = surgery(model, spec, global_pools=True), picture(ndim, dtype=torch.float64)
    assert isinstance(new[1], poolzoo.Pool)
    torch.testing.assert_close(new(x), model(x), rtol=1e-12, atol=1e-12)
    back = surgery(surgery(new, "gem", global_pools=True), spec, global_pools=True)
    torch.testing.assert_close(back(x), model(x), rtol=1e-12, atol=1e-12)


@every_operator
def test_every_operator_takes_a_head_or_says_why_not(name: str) -> None:
    info = pool_info(name)
    if info.phases is not None:
        pytest.skip("keeps several submaps")
    ndim = info.ndims[-1]
    model = small(getattr(nn, f"AdaptiveAvgPool{ndim}d")(1), ndim)
    new = surgery(model, name, example=picture(ndim), global_pools=True, allow_none=True)
    if info.adaptive:
        assert type(new[1]) is getattr(poolzoo, f"Adaptive{info.class_name}{ndim}d")
        assert new(picture(ndim)).shape == model(picture(ndim)).shape
    else:
        assert reasons(new) == {"1": f"{name} has no adaptive or global form: {info.not_adaptive}"}


@pytest.mark.parametrize(
    ("mean", "axes"),
    [
        (lambda x: x.mean([2, 3]), "[2, 3]"),
        (lambda x: torch.mean(x, dim=(-2, -1), keepdim=True), "(-2, -1)"),
        (lambda x: x.mean(dim=(2, 3)) + x.mean(1, keepdim=True).sum() + x.mean(), "(2, 3)"),
    ],
)
def test_a_head_that_is_a_mean_is_named_where_heads_are_asked_for(mean: Any, axes: str) -> None:
    model = nn.Sequential(Lambda(lambda x: mean(F.max_pool2d(x, 2))))
    new = surgery(model, "lp", global_pools=True)
    (left,) = new.pool_report.left_alone
    assert (left.what, left.why) == (f"mean over {axes}", "a mean, not a call of a pooling function")
    assert left.where in ("0.mean", "0.mean_1") and not reasons(surgery(model, "lp"))


def test_a_head_is_refused_by_name() -> None:
    refused = surgery(small(nn.AdaptiveAvgPool2d(1)), "dpp:variant=full", global_pools=True, allow_none=True)
    assert reasons(refused) == {"1": "AdaptiveDppPool2d takes no variant"}
    with pytest.raises(ValueError, match=rf"nothing was replaced; 1 \(AdaptiveAvgPool2d.*\): a global pool; {ASK}"):
        surgery(small(nn.AdaptiveAvgPool2d(1)))
    with pytest.raises(ValueError, match="output_size is taken from the replaced pool"):
        surgery(small(nn.AdaptiveAvgPool2d(1)), "lp:output_size=2", global_pools=True)
    chosen = surgery(Classifier(), "gem", lambda path, module: path == "head", global_pools=True)
    assert [row.where for row in chosen.pool_report.replaced] == ["head"]
    assert set(reasons(chosen).values()) == {"excluded by filter_fn"}


# Unpooling, shared pools, ceil_mode -----------------------------------------------------------------------------------


class Segmenter(nn.Module):
    """SegNet's pattern: indices of a max pool place the values again."""

    def __init__(self, calls: bool) -> None:
        super().__init__()
        self.calls = calls
        self.first = nn.MaxPool2d(2)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.adaptive = nn.AdaptiveMaxPool2d(2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        y, index = F.max_pool2d(x, 2, return_indices=True) if self.calls else self.pool(x)
        small, _ = self.adaptive(y)
        return self.unpool(y, index, output_size=x.shape) + small.sum()


@pytest.mark.parametrize("calls", [False, True], ids=["module", "call"])
@pytest.mark.parametrize("example", [None, torch.zeros(1, 2, 16, 16)], ids=["", "example"])
def test_pools_that_feed_an_unpooling_stay(calls: bool, example: Any) -> None:
    model, x = Segmenter(calls), torch.randn(2, 2, 16, 16)
    new = surgery(model, "avg", example=example, global_pools=True)
    assert [row.where for row in new.pool_report.replaced] == ["first"]
    left = reasons(new)
    assert set(left) == {"pool", "adaptive", *(["max_pool2d_with_indices"] if calls else [])}
    assert set(left.values()) == {"returns indices for unpooling"}
    assert isinstance(new.unpool, nn.MaxUnpool2d)
    model.first = nn.AvgPool2d(2)
    torch.testing.assert_close(new(x), model(x))


class Twice(nn.Module):
    """One pool at two sizes and two numbers of channels."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.wide, self.pool = nn.Conv2d(2, 4, 1), pool

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.wide(self.pool(x)))


def test_a_shared_pool_used_twice_stays_one() -> None:
    x = picture()
    model = Twice(nn.MaxPool2d(3, 2, 1, ceil_mode=True))
    assert torch.equal(surgery(model, "max")(x), model(x))
    new = surgery(model, "gem", example=x)
    assert [row.where for row in new.pool_report.replaced] == ["pool"]
    new(x).sum().backward()
    assert new.pool.raw.grad is not None
    refused = surgery(model, "lip", example=x, allow_none=True)
    assert reasons(refused) == {"pool": "shared by inputs of 2 and 4 channels"}
    with pytest.raises(ValueError, match="input: 4 channels; channels=2 are needed"):
        surgery(model, "lip")(x)


def test_a_pool_kept_in_a_list_is_named() -> None:
    model: Any = Twice(nn.MaxPool2d(2))
    model.others = [model.pool, nn.AvgPool2d(2)]
    model.by_name = {"a": nn.AdaptiveAvgPool2d(1)}
    new = surgery(model)
    assert reasons(new) == dict.fromkeys(("others[0]", "others[1]", "by_name['a']"), "is not registered as a submodule")
    assert isinstance(new.pool, poolzoo.SoftPool2d)


@pytest.mark.parametrize("sizes", [(9, 10), (10, 11), (12, 7)], ids=str)
@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.MaxPool2d(2, 3, ceil_mode=True),
        nn.MaxPool2d(3, 2, dilation=2, ceil_mode=True),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True),
        nn.LPPool2d(2, 3, 2, ceil_mode=True),
    ],
    ids=repr,
)
def test_ceil_mode_keeps_its_size_and_values(pool: nn.Module, sizes: tuple[int, int]) -> None:
    x = torch.rand(2, 2, *sizes, dtype=torch.float64)
    model = nn.Sequential(nn.Identity(), pool)
    assert surgery(model, "softpool")(x).shape == model(x).shape
    own = {nn.MaxPool2d: "max", nn.AvgPool2d: "avg"}.get(type(pool))
    if own:  # torch's LPPool divides by the elements of a window that is cut off, and then multiplies by the kernel's
        torch.testing.assert_close(surgery(model, own)(x), model(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call['op']}-{call['shape']}-{windows_of(call)}")
def test_every_networks_pool_is_accepted(call: dict[str, Any]) -> None:
    windows, function = windows_of(call), getattr(F, call["op"])
    cls = {F.max_pool2d: nn.MaxPool2d, F.avg_pool2d: nn.AvgPool2d, F.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d}[
        function
    ]
    expected = function(torch.empty(1, *call["shape"], device="meta"), **windows).shape
    for model in (nn.Sequential(cls(**windows)), Lambda(lambda x: function(x, **windows))):
        new = surgery(model, "softpool", global_pools=True)
        assert not new.pool_report.left_alone
        (pool,) = (module for module in new.modules() if isinstance(module, poolzoo.Pool))
        assert output_size(call["shape"][1:], pool.geometry) == expected[2:]


# Wrapped models -------------------------------------------------------------------------------------------------------


class Wrapper(nn.Module):
    """As loggers, averagers and mixed-precision helpers wrap a model."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


class Stem(nn.Sequential):
    """A subclass that pools in a forward of its own."""

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(super().forward(x), 2)


class Plain(nn.Sequential):
    """A subclass with another name only."""


@pytest.mark.parametrize("wrap", [Wrapper, nn.DataParallel, torch.optim.swa_utils.AveragedModel])
@pytest.mark.parametrize("spec", ["softpool", "gem", "lip"])
def test_pools_inside_a_wrapper_are_replaced(wrap: Any, spec: str) -> None:
    x, model = picture(), wrap(nn.Sequential(Net().eval(), nn.Unflatten(1, (2, 2, 1)), nn.MaxPool2d(1)))
    new = surgery(model, spec, example=x)
    assert type(new) is type(model)
    assert [row.where for row in new.pool_report.replaced] == ["module.0.max_pool2d", "module.2"]
    assert isinstance(new.module[2], poolzoo.Pool)
    assert torch.equal(new.eval()(x), new.module.eval()(x))
    assert torch.equal(surgery(model, "max")(x), model(x))


def test_subclasses_of_sequential_are_rewritten() -> None:
    x, conv = picture(), nn.Conv2d(2, 3, 3)
    model = Plain(OrderedDict(stem=Stem(conv, nn.AvgPool2d(2)), pool=nn.MaxPool2d(2)))
    new = surgery(model)
    assert [row.where for row in new.pool_report.replaced] == ["stem.max_pool2d", "stem.1", "pool"]
    assert type(new) is Plain and isinstance(new.stem, Stem)
    expected = PF.soft_pool2d(PF.soft_pool2d(PF.soft_pool2d(conv(x), 2), 2), 2)
    assert torch.equal(new(x), expected)
    assert torch.equal(copy.deepcopy(new)(x), expected)


@pytest.fixture
def one_process() -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("one_process")
def test_a_model_for_several_processes_is_refused_by_name() -> None:
    """It would not synchronise the gradients of new parameters, and fail on those that are gone."""
    words = "is a DistributedDataParallel, which keeps the parameters .* replace the pools first, then wrap"
    wrapped = DistributedDataParallel(small(nn.MaxPool2d(2)))
    for inplace in (False, True):
        with pytest.raises(ValueError, match=f"model: it {words}"):
            surgery(wrapped, "gem", inplace=inplace)
    with pytest.raises(ValueError, match=f"model: module {words}"):
        surgery(Wrapper(wrapped), "gem")
    assert isinstance(wrapped.module[1], nn.MaxPool2d)
    first = DistributedDataParallel(surgery(small(nn.MaxPool2d(2)), "gem"))
    first(picture()).sum().backward()
    assert first.module[1].raw.grad is not None


# Compiled models ------------------------------------------------------------------------------------------------------


def compiled(model: nn.Module, how: str) -> Any:
    torch._dynamo.reset()
    if how == "wrapped":
        return torch.compile(model, backend="eager")
    model.compile(backend="eager")
    return model


@pytest.mark.slow
@pytest.mark.parametrize("how", ["wrapped", "in place"])
@pytest.mark.parametrize("inplace", [False, True], ids=["copy", "inplace"])
def test_a_compiled_model_that_ran_runs_what_was_put_in(how: str, inplace: bool) -> None:
    plain, x = nn.Sequential(Lambda(lambda x: F.max_pool2d(x, 2)), nn.MaxPool2d(2)), picture()
    expected = PF.soft_pool2d(PF.soft_pool2d(plain[0].conv(x), 2), 2)
    model = compiled(plain, how)
    before = model(x)
    new = surgery(model, inplace=inplace)
    assert torch.equal(new(x), expected) and not torch.equal(before, expected)
    assert [row.where.removeprefix("_orig_mod.") for row in new.pool_report.replaced] == ["0.max_pool2d", "1"]
    if not inplace:
        assert torch.equal(model(x), before)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["wrapped", "in place"])
@pytest.mark.parametrize("inplace", [False, True], ids=["copy", "inplace"])
def test_a_compiled_pool_inside_a_model_is_replaced(how: str, inplace: bool) -> None:
    model, x = small(nn.Identity()), picture()
    model[1] = compiled(nn.MaxPool2d(2), how)
    model(x)
    new = surgery(model, inplace=inplace)
    assert torch.equal(new(x), PF.soft_pool2d(model[0](x), 2))


@pytest.mark.slow
def test_an_exported_graph_keeps_its_operators_by_name() -> None:
    exported = torch.export.export(small(nn.MaxPool2d(2)), (picture(),)).module()
    new = surgery(nn.Sequential(exported, nn.MaxPool2d(2)))
    assert list(reasons(new).values()) == ["is an operator of an exported graph"]
    assert new.pool_report.left_alone[0].what == "aten.max_pool2d"
