"""replace_pools on small models: what is carried, what is left alone and why, and that nothing else changes.

The truth is torch's own: a pool replaced by the operator that it already is must change nothing.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pools import every_operator
from torch import Tensor, fx, nn

import poolzoo
import poolzoo.functional as PF
from poolzoo import replace_pools
from poolzoo.registry import pool_info
from poolzoo.surgery import LeftAlone, Report

CONV: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def small(pool: nn.Module, ndim: int = 2) -> nn.Sequential:
    return nn.Sequential(CONV[ndim](2, 3, 3, padding=1), pool)


def picture(ndim: int = 2, **kind: Any) -> Tensor:
    return torch.randn(2, 2, *(11, 10, 9)[:ndim], **kind)


def surgery(model: nn.Module, pool: str = "softpool", *args: Any, **kwargs: Any) -> Any:
    return replace_pools(model, pool, *args, verbose=False, **kwargs)


def reasons(model: Any) -> dict[str, str]:
    return {row.where: row.why for row in model.pool_report.left_alone}


class Lambda(nn.Module):
    """A convolution, and then whatever function in the forward."""

    def __init__(self, function: Callable[[Tensor], Any], ndim: int = 2) -> None:
        super().__init__()
        self.conv = CONV[ndim](2, 3, 3, padding=1)
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self.conv(x))


# What is carried ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pool", "spec"),
    [
        (nn.MaxPool1d(3, stride=2, padding=1), "max"),
        (nn.MaxPool2d((3, 2), stride=(2, 1), padding=(1, 0)), "max"),
        (nn.MaxPool2d(2, stride=2, dilation=2, ceil_mode=True), "max"),
        (nn.MaxPool3d(2, ceil_mode=True), "max"),
        (nn.AvgPool1d(3, padding=1), "avg"),
        (nn.AvgPool2d(3, stride=2, padding=1), "avg"),
        (nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False, ceil_mode=True), "avg"),
        (nn.AvgPool3d(2, stride=1), "avg"),
        (nn.LPPool1d(3, 4), "lp:p=3,norm=sum"),
        (nn.LPPool2d(1.5, (2, 3), stride=2), "lp:p=1.5,norm=sum"),
        (nn.LPPool3d(2, 2), "lp:p=2,norm=sum"),
        (poolzoo.MaxPool2d(3, stride=2, padding=1, dilation=2), "max"),
    ],
)
def test_a_pool_replaced_by_what_it_is_changes_nothing(pool: nn.Module, spec: str) -> None:
    ndim = int(type(pool).__name__[-2])
    model = nn.Sequential(CONV[ndim](2, 3, 3, padding=1), nn.Sigmoid(), pool).double()
    new = surgery(model, spec)
    assert isinstance(new[2], poolzoo.Pool)
    x = picture(ndim, dtype=torch.float64)
    torch.testing.assert_close(new(x), model(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("function", "spec", "ndim"),
    [
        (lambda x: F.max_pool1d(x, 3, 2), "max", 1),
        (lambda x: F.max_pool2d(x, (3, 2), padding=(1, 0)), "max", 2),
        (lambda x: F.max_pool2d(input=x, kernel_size=2, stride=1, dilation=2, ceil_mode=True), "max", 2),
        (lambda x: F.max_pool3d(x, 2), "max", 3),
        (lambda x: torch.max_pool1d(x, 2), "max", 1),
        (lambda x: torch.max_pool2d(x, 3, [], 1), "max", 2),
        (lambda x: torch.max_pool3d(x, 2, (1, 2, 2)), "max", 3),
        (lambda x: F.avg_pool1d(x, 3, 2, 1), "avg", 1),
        (lambda x: torch.avg_pool1d(x, 2), "avg", 1),
        (lambda x: F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False), "avg", 2),
        (lambda x: F.avg_pool3d(x, 2, ceil_mode=True), "avg", 3),
        (lambda x: F.lp_pool1d(x.abs(), 3, 2), "lp:p=3,norm=sum", 1),
        (lambda x: F.lp_pool2d(x.abs(), 2.0, (2, 3), stride=1), "lp:p=2,norm=sum", 2),
        (lambda x: F.lp_pool3d(x.abs(), norm_type=2, kernel_size=2), "lp:p=2,norm=sum", 3),
        (lambda x: F.max_pool2d(x, 2) + F.max_pool2d(x, 2, padding=0), "max", 2),
    ],
)
def test_a_call_replaced_by_what_it_is_changes_nothing(function: Any, spec: str, ndim: int) -> None:
    model = Lambda(function, ndim).double()
    new = surgery(model, spec)
    assert not new.pool_report.left_alone
    assert any(isinstance(module, poolzoo.Pool) for module in new.modules())
    x = picture(ndim, dtype=torch.float64)
    torch.testing.assert_close(new(x), model(x), rtol=1e-12, atol=1e-12)


def test_the_new_operator_has_the_old_windows() -> None:
    model = small(nn.MaxPool2d((3, 5), stride=(2, 1), padding=(1, 2), dilation=(2, 1), ceil_mode=True))
    x = picture()
    expected = PF.lp_pool2d(model[0](x), (3, 5), (2, 1), (1, 2), (2, 1), True, p=3)
    assert torch.equal(surgery(model, "lp:p=3")(x), expected)


@every_operator
def test_every_operator_can_be_put_in(name: str) -> None:
    info = pool_info(name)
    if info.phases is not None:
        with pytest.raises(ValueError, match="keeps several submaps"):
            surgery(small(nn.MaxPool2d(2)), name)
        return
    for ndim in info.ndims:
        old = small(getattr(nn, f"MaxPool{ndim}d")(2), ndim)
        new = surgery(old, name, example=picture(ndim))
        x = picture(ndim).requires_grad_()
        y = new(x)
        assert y.shape == old(x).shape
        y.square().sum().backward()
        assert x.grad is not None and x.grad.isfinite().all()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_dtype_device_and_mode_carry_over(dtype: torch.dtype, training: bool) -> None:
    model = nn.Sequential(small(nn.MaxPool2d(2)), nn.Sequential(nn.AvgPool2d(2))).to("cpu", dtype).train(training)
    new = surgery(model, "lip", example=picture(dtype=dtype))
    for lip in (new[0][1], new[1][0]):
        assert {p.dtype for p in lip.parameters()} == {dtype}
        assert lip.training is training and lip.logit[1].training is training
    with torch.device("meta"):
        anywhere = surgery(small(nn.MaxPool2d(2)), "gem")
    assert all(p.device.type == "meta" for p in anywhere.parameters())


def test_surgery_can_be_done_again() -> None:
    model, x = Lambda(lambda x: F.max_pool2d(x, 3, 2)), picture()
    again = surgery(surgery(surgery(model, "softpool"), "lp"), "max")
    assert [row.before for row in again.pool_report.replaced] == ["LpPool2d(kernel_size=3, stride=2)"]
    assert torch.equal(again(x), model(x))


# Where pools are ------------------------------------------------------------------------------------------------------


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.list = nn.ModuleList([small(self.pool), small(nn.AvgPool2d(2))])
        self.dict = nn.ModuleDict({"a": nn.Sequential(nn.Identity(), self.pool)})

    def forward(self, x: Tensor) -> Tensor:
        return self.dict["a"](self.list[0](x)).sum() + self.list[1](x).sum()


def test_a_shared_pool_stays_one_module() -> None:
    new = surgery(Nested(), "gem")
    assert new.pool is new.list[0][1] is new.dict["a"][1]
    assert [row.where for row in new.pool_report.replaced] == ["pool, list.0.1, dict.a.1", "list.1.1"]


def test_filter_fn_chooses_by_path_and_module() -> None:
    new = surgery(Nested(), "softpool", lambda path, module: path.startswith("list") and module.kernel_size == 2)
    assert isinstance(new.pool, nn.MaxPool2d) and new.pool is new.dict["a"][1]
    assert isinstance(new.list[0][1], poolzoo.SoftPool2d) and isinstance(new.list[1][1], poolzoo.SoftPool2d)
    assert reasons(new) == {"pool, dict.a.1": "excluded by filter_fn"}


def test_filter_fn_sees_a_call_as_the_module_that_does_the_same() -> None:
    seen = {}

    def only_small(path: str, module: nn.Module) -> bool:
        seen[path] = repr(module)
        return module.kernel_size == 2

    model = nn.Sequential(Lambda(lambda x: F.avg_pool2d(F.avg_pool2d(x, 2), 3)))
    new = surgery(model, "softpool", only_small)
    assert seen["0.avg_pool2d_1"] == "AvgPool2d(kernel_size=3, stride=3, padding=0)"
    assert reasons(new) == {"0.avg_pool2d_1": "excluded by filter_fn"}
    x = picture()
    assert torch.equal(new(x), F.avg_pool2d(PF.soft_pool2d(model[0].conv(x), 2), 3))


class Named(nn.MaxPool2d):
    """A subclass that only has another name."""


class Doubled(nn.MaxPool2d):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def hooked() -> nn.Module:
    pool = nn.MaxPool2d(2)
    pool.register_forward_hook(lambda module, args, output: None)
    return pool


def test_a_subclass_is_replaced() -> None:
    assert isinstance(surgery(small(Named(2)))[1], poolzoo.SoftPool2d)


@pytest.mark.parametrize(
    ("pool", "why"),
    [
        (Doubled(2), "subclass of MaxPool2d with a forward of its own"),
        (nn.MaxPool2d(2, return_indices=True), "returns indices for unpooling"),
        (nn.AdaptiveMaxPool2d(2, return_indices=True), "returns indices for unpooling"),
        (nn.FractionalMaxPool2d(2, output_size=3), "has random windows, not a kernel and a stride"),
        (nn.AvgPool2d(2, divisor_override=3), "has a divisor_override, so it is not an average"),
        (hooked(), "has hooks, which would be lost"),
        (nn.AdaptiveAvgPool2d(1), "a global pool; global_pools=True replaces it"),
        (nn.AdaptiveMaxPool2d((1, 3)), "an adaptive pool; global_pools=True replaces it"),
        (poolzoo.GlobalSoftPool2d(flatten=True), "a global pool; global_pools=True replaces it"),
        (poolzoo.CheckeredPool2d(2), "keeps several submaps, which the following layers need"),
    ],
)
def test_what_no_operator_can_do_is_left_alone(pool: nn.Module, why: str) -> None:
    model = nn.Sequential(nn.MaxPool2d(2), pool)
    new = surgery(model)
    assert reasons(new) == {"1": why}
    assert type(new[1]) is type(pool)


def test_an_operator_is_not_put_where_it_is_not_defined(monkeypatch: pytest.MonkeyPatch) -> None:
    from poolzoo import registry

    monkeypatch.setattr(registry, "_pools", dict(registry._pools))
    flat = poolzoo.register_pool("flat", summary="s", formula="f", source="s", ndims=(2,))
    flat(lambda a, mask: a.amax(-1))
    new = surgery(nn.ModuleList([nn.MaxPool1d(2), nn.MaxPool2d(2)]), "flat")
    assert reasons(new) == {"0": "flat is not defined for 1 spatial axes"}


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: F.max_pool2d(x, 2, return_indices=True)[0], "returns indices for unpooling"),
        (lambda x: F.max_pool2d_with_indices(x, 2)[0], "returns indices for unpooling"),
        (lambda x: F.max_pool2d(x, x.shape[-2:]), "its kernel_size is computed in forward"),
        (lambda x: F.avg_pool2d(x, (2, x.size(3))), "its kernel_size is computed in forward"),
        (lambda x: F.fractional_max_pool2d(x, 2, output_size=2), "has random windows, not a kernel and a stride"),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=3), "has a divisor_override, so it is not an average"),
    ],
)
def test_calls_that_no_operator_can_replace_are_left_alone(function: Any, why: str) -> None:
    model = Lambda(lambda x: F.max_pool2d(function(x), 1))
    new = surgery(model)
    assert list(reasons(new).values()) == [why]
    assert len(new.pool_report.replaced) == 1
    assert new(picture()).shape == model(picture()).shape


# Nothing else changes -------------------------------------------------------------------------------------------------


class Net(nn.Module):
    """A network as people write them: calls in forward, dropout, a parameter of its own, methods."""

    classes = 4

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.norm = nn.BatchNorm2d(3)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("shift", torch.tensor(0.5))
        self.head = nn.Linear(3, self.classes)

    def features(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(self.norm(self.conv(x))), 2) * self.scale + self.shift

    def forward(self, x: Tensor, weight: Tensor | None = None, drop: bool = True) -> Tensor:
        x = self.features(x)
        if weight is not None:
            x = x * weight
        if drop:
            x = F.dropout(x, 0.5, training=self.training)
        return self.head(x.mean((2, 3)))


def test_a_rewritten_module_is_still_itself() -> None:
    model = Net()
    new = surgery(model)
    assert type(new).__name__ == "Net" and isinstance(new, Net) and new.classes == 4
    assert list(new.state_dict()) == list(model.state_dict())
    new.load_state_dict(model.state_dict(), strict=True)
    assert new.features(picture()).shape == model.features(picture()).shape
    assert repr(new).count("SoftPool2d") == 1


def test_train_and_eval_are_asked_when_it_runs() -> None:
    new, x = surgery(Net().eval()), picture()
    assert torch.equal(new(x), new(x))
    new.train()
    assert not torch.equal(new(x), new(x))


def test_arguments_that_default_to_a_choice_keep_it_or_say_so() -> None:
    new, x = surgery(Net().eval()), picture()
    assert torch.equal(new(x, weight=None, drop=True), new(x, None))
    with pytest.raises(AssertionError, match="weight has been specialized"):
        new(x, weight=torch.ones(1))
    with pytest.raises(AssertionError, match="drop"):
        new(x, drop=False)


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_rewritten_model_can_be_copied_and_pickled(copier: Callable[[nn.Module], Any]) -> None:
    new, x = surgery(nn.Sequential(Net(), nn.ReLU()).eval()), picture()
    twin = copier(new)
    assert torch.equal(twin(x), new(x)) and twin[0].conv is not new[0].conv
    assert twin.pool_report == new.pool_report
    again = surgery(twin, "max")
    assert [row.before for row in again.pool_report.replaced] == ["SoftPool2d(kernel_size=2, stride=2)"]


def test_the_original_is_untouched_unless_asked() -> None:
    model, x = nn.Sequential(Net(), nn.Unflatten(1, (1, 2, 2)), nn.MaxPool2d(2)).eval(), picture()
    before = model(x)
    surgery(model)
    assert type(model[0]) is Net and isinstance(model[2], nn.MaxPool2d) and torch.equal(model(x), before)
    assert surgery(model, inplace=True) is model
    assert isinstance(model[2], poolzoo.SoftPool2d) and not torch.equal(model(x), before)


def test_what_raises_changes_nothing() -> None:
    def up_to_the_last(path: str, module: nn.Module) -> bool:
        if path == "2":
            raise KeyError(path)
        return True

    model = nn.Sequential(nn.AdaptiveAvgPool2d(4), Net(), nn.MaxPool2d(2))
    with pytest.raises(KeyError):
        surgery(model, "softpool", up_to_the_last, inplace=True)
    assert type(model[1]) is Net and isinstance(model[2], nn.MaxPool2d) and not hasattr(model, "pool_report")


def test_the_example_leaves_no_trace() -> None:
    model = Net().train()
    model.norm.eval()
    state = copy.deepcopy(model.state_dict())
    surgery(model, "gem", example=picture(), inplace=True)
    assert model.training and not model.norm.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(model.state_dict()[key], value) for key, value in state.items())


# What cannot be traced ------------------------------------------------------------------------------------------------


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(self.pool(x), 2) if x.sum() > 0 else self.pool(x)


class Remembering(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        self.last = F.max_pool2d(x, 2)
        return self.last


class Quiet(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_modules_are_replaced_where_the_calls_cannot_be() -> None:
    new = surgery(nn.Sequential(Branching(), Remembering(), Quiet()))
    assert isinstance(new[0].pool, poolzoo.SoftPool2d)
    why = reasons(new)
    assert "cannot trace its forward: symbolically traced variables" in why["0"]
    assert why["1"] == "its forward sets self.last, or makes a tensor, which a graph cannot express"
    assert new.pool_report.untraced == ("Quiet",)
    assert not hasattr(new[1], "last")


class Frozen(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return F.max_pool2d(x, 2)


class Decorated(nn.Module):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2)


def patched() -> nn.Module:
    module = Lambda(lambda x: F.max_pool2d(x, 2))
    module.forward = lambda x: x  # type: ignore[method-assign]
    return module


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (Frozen(), "uses no_grad, which a graph would lose"),
        (Decorated(), "has a decorated forward, and a graph would lose what the decorator does"),
        (patched(), "has a forward set on the instance, not on the class"),
    ],
)
def test_what_a_graph_would_lose_is_not_lost(module: nn.Module, why: str) -> None:
    new = surgery(nn.Sequential(module, nn.MaxPool2d(2)))
    assert reasons(new) == {"0": why}
    assert type(new[0]) is type(module)


class Asking(nn.Module):
    """Tracing takes the wrong branch: a proxy is no Tensor."""

    def forward(self, x: Tensor | list[Tensor]) -> Tensor:
        x = x if isinstance(x, Tensor) else x + 1
        return F.max_pool2d(x, 2)


def test_the_example_shows_a_wrong_trace() -> None:
    model, x = nn.Sequential(Asking(), nn.MaxPool2d(2)), picture()
    new = surgery(model, example=x)
    assert reasons(new) == {"0.max_pool2d": "its trace gives a different output on the example"}
    assert type(new[0]) is Asking and isinstance(new[1], poolzoo.SoftPool2d)


def test_a_graph_module_is_edited() -> None:
    traced, x = fx.symbolic_trace(Lambda(lambda x: F.max_pool2d(x, 2))), picture()
    new = surgery(traced, "lp")
    assert torch.equal(new(x), PF.lp_pool2d(traced.conv(x), 2))
    assert torch.equal(copy.deepcopy(new)(x), new(x))


# Channels -------------------------------------------------------------------------------------------------------------


class TwoWidths(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(2, 5, 1)
        self.shared, self.unused, self.own = nn.MaxPool2d(2), nn.MaxPool2d(2), nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        y = F.avg_pool2d(self.shared(self.wide(x)), 2)
        return y.sum() + self.shared(x).sum() + self.own(input=x).sum()


def test_channels_come_from_the_example() -> None:
    new = surgery(TwoWidths(), "lip", example=(picture(),))
    assert (new.own.channels, new.avg_pool2d.channels) == (2, 5)
    assert reasons(new) == {
        "shared": "shared by inputs of 2 and 5 channels",
        "unused": "the example does not reach it, so its channels are unknown",
    }
    assert surgery(small(nn.MaxPool2d(2)), "lip:channels=3")[1].channels == 3


def test_channels_come_from_the_first_input_without_an_example() -> None:
    new = surgery(TwoWidths(), "lip")
    assert (new.own.channels, new.avg_pool2d.channels, reasons(new)) == (None, None, {})
    assert isinstance(surgery(small(new.own))[1], poolzoo.SoftPool2d)  # its own hook is none of the user's
    new = surgery(small(nn.MaxPool2d(2)), "lift")
    new(picture())
    assert new[1].channels == 3


# Wrong use ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "pool", "arguments", "error", "words"),
    [
        (nn.Linear(2, 2), "softpool", {}, ValueError, "model: nothing was replaced, there is no pool; allow_none=True"),
        (small(Doubled(2)), "softpool", {}, ValueError, "nothing was replaced; 1 (Doubled(kernel_size=2"),
        (small(nn.MaxPool2d(2)), "softpol", {}, ValueError, "no such operator; did you mean softpool"),
        (small(nn.MaxPool2d(2)), "lp:q=3", {}, ValueError, "unknown parameter 'q'; allowed: p, norm"),
        (small(nn.MaxPool2d(2)), "lp:p=-3", {}, ValueError, "p=-3: a number > 0 is allowed"),
        (small(nn.MaxPool2d(2)), "lp:kernel_size=3", {}, ValueError, "kernel_size is taken from the replaced pool"),
        (small(nn.MaxPool2d(2)), "lip", {"example": torch.zeros(3)}, ValueError, "example: the model does not run"),
        (nn.MaxPool2d(2), "softpool", {}, ValueError, "model: this is itself a pool, MaxPool2d(kernel_size=2"),
        ("resnet18", "softpool", {}, TypeError, "model: str; a torch.nn.Module"),
    ],
)
def test_wrong_use_is_answered_in_one_line(model: Any, pool: str, arguments: Any, error: Any, words: str) -> None:
    with pytest.raises(error) as refused:
        surgery(model, pool, **arguments)
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
def test_torchscript_is_refused_and_left_alone_inside_a_model() -> None:
    scripted = torch.jit.script(small(nn.MaxPool2d(2)))
    with pytest.raises(TypeError, match="not TorchScript"):
        surgery(scripted)
    new = surgery(nn.Sequential(scripted, nn.MaxPool2d(2)))
    assert reasons(new) == {"0": "TorchScript cannot be changed"}
    assert new(picture()).shape == (2, 3, 2, 2)


def test_a_compiled_model_runs_what_was_put_in() -> None:
    model, x = torch.compile(small(nn.MaxPool2d(2)), backend="eager"), picture()
    before = model(x)
    new = surgery(model)
    assert torch.equal(new(x), PF.soft_pool2d(model._orig_mod[0](x), 2))
    assert torch.equal(model(x), before)


class Unpacking(nn.Module):
    def forward(self, *xs: Tensor, scale: float = 1.0, **named: Any) -> Tensor:
        n, c, h, w = xs[0].shape
        return scale * F.max_pool2d(xs[0], 2).reshape(n, c, h // 2 * (w // 2))


def test_shapes_and_arguments_of_every_kind_survive() -> None:
    x = picture()
    for example in (None, x):
        new = surgery(Unpacking(), example=example)
        assert torch.equal(new(x, scale=3.0), 3 * PF.soft_pool2d(x, 2).flatten(2))


#: Signatures of a forward: the module first, whatever it is called, then the picture.
SIGNATURES = {
    "this, x": ("this", "x"),
    "this, /, x": ("this", "x"),
    "this, x, /, size=2, *, flag=False": ("this", "x"),
    "conv, x": ("conv", "x"),  # as the graph would call the result of self.conv
    "torch, x": ("torch", "x"),  # as the module that the graph's code calls
    "this, self": ("this", "self"),
    "x, self, self_=None": ("x", "self"),
    "self, this": ("self", "this"),
    "self, *xs": ("self", "xs[0]"),
}


def with_forward(source: str) -> nn.Module:
    body: dict[str, Any] = {}
    exec(source, {"max_pool2d": F.max_pool2d, "__name__": __name__}, body)
    model: Any = type("Signed", (nn.Module,), body)()
    model.conv, model.fc = nn.Conv2d(2, 3, 3), nn.Conv2d(3, 2, 1)
    return model  # type: ignore[no-any-return]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_forward_may_call_the_module_and_its_arguments_anything(signature: str) -> None:
    own, taken = SIGNATURES[signature]
    model = with_forward(f"def forward({signature}): return {own}.fc(max_pool2d({own}.conv({taken}), 2))")
    x = picture()
    new = surgery(model, "max")
    assert [row.where for row in new.pool_report.replaced] == ["max_pool2d"]
    assert torch.equal(new(x), model(x))
    assert torch.equal(surgery(new, "max")(x), model(x)), "and once more"


def test_an_argument_that_hides_torch_is_left_alone() -> None:
    model = surgery(with_forward("def forward(self, torch): return max_pool2d(torch, 2)"), "max", allow_none=True)
    why = "an argument of its forward is named torch, which hides torch from a graph's code"
    assert reasons(model) == {"model": why}
    assert model(picture()).shape == (2, 2, 5, 5)


def test_nothing_to_replace_can_be_allowed() -> None:
    new = surgery(nn.Linear(2, 2), allow_none=True)
    assert new.pool_report == Report("softpool")


# The report -----------------------------------------------------------------------------------------------------------


def test_the_report_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    new: Any = replace_pools(nn.Sequential(nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), Quiet()), "lp:p=3")
    assert capsys.readouterr().out == (
        "lp:p=3: 1 replaced, 1 left alone\n"
        "  replaced  before                                         after\n"
        "  0         AvgPool2d(kernel_size=2, stride=2, padding=0)  LpPool2d(kernel_size=2, stride=2, p=3)\n"
        "  left alone  what                              why\n"
        "  1           AdaptiveAvgPool2d(output_size=1)  a global pool; global_pools=True replaces it\n"
        "not searched for functional pools (torch.fx cannot trace them): Quiet\n"
    )
    assert new.pool_report.left_alone == (
        LeftAlone("1", "AdaptiveAvgPool2d(output_size=1)", "a global pool; global_pools=True replaces it"),
    )
