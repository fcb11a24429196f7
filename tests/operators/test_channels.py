"""Operators that need the number of channels: made without it, and by the argument's former names."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import warnings

import pytest
import torch
from pools import CHANNELS, SIZES, every_operator, scramble, usual_input
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

import poolzoo
from poolzoo.create import create_pool, make_class, make_function
from poolzoo.operators.lazy import LazyPool
from poolzoo.registry import list_pools, parse_spec, pool_info

NEED_CHANNELS = [
    (spec, ndim)
    for spec in (
        "lip",
        "lip:variant=bottleneck,width=4",
        "lift",
        "gaussian",
        "lps",
        "lps:hidden=2",
        "simpool",
        "adaptive_blur",
    )
    for ndim in pool_info(parse_spec(spec)[0]).ndims
]
RENAMED = [(name, former, present) for name in list_pools() for former, present in pool_info(name).renamed.items()]
every_lazy = pytest.mark.parametrize(("spec", "ndim"), NEED_CHANNELS)
every_lazy_2d = pytest.mark.parametrize("spec", [spec for spec, ndim in NEED_CHANNELS if ndim == 2])
every_renamed = pytest.mark.parametrize(("name", "former", "present"), RENAMED)


def lazy(spec: str, ndim: int = 2, **arguments: object) -> LazyPool:
    pool = create_pool(spec, ndim=ndim, **arguments)
    assert isinstance(pool, LazyPool)
    return pool.eval()


def made(spec: str, ndim: int = 2, seed: int = 0, **arguments: object) -> LazyPool:
    """The operator made with its channels."""
    torch.manual_seed(seed)
    return lazy(spec, ndim, channels=CHANNELS, **arguments)


def same_state(a: nn.Module, b: nn.Module) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return list(one) == list(other) and all(
        x.dtype == other[key].dtype and torch.equal(x, other[key]) for key, x in one.items()
    )


# Former names ---------------------------------------------------------------------------------------------------------


def test_the_cases_are_those_of_the_registry():
    assert {parse_spec(spec)[0] for spec, _ in NEED_CHANNELS} == {
        name for name in list_pools() if issubclass(pool_info(name).module or object, LazyPool)
    }
    assert ("lip", "in_channels", "channels") in RENAMED and ("lift", "in_channels", "channels") in RENAMED


@every_operator
def test_channels_have_one_name(name):
    for ndim in pool_info(name).ndims:
        for target in (make_function(pool_info(name), ndim), make_class(pool_info(name), ndim)):
            known = inspect.signature(target).parameters
            assert not {key for key in known if "channel" in key} - {"channels"}
            assert not known.keys() & pool_info(name).renamed.keys()


def ways_to_make(name: str, key: str) -> list[object]:
    return [
        lambda: make_class(pool_info(name), 2)(2, **{key: 5}),
        lambda: create_pool(name, **{key: 5}),
        lambda: create_pool(f"{name}:{key}=5"),
        lambda: poolzoo.replace_pools(nn.Sequential(nn.MaxPool2d(2)), f"{name}:{key}=5", verbose=False)[0],
    ]


@every_renamed
@pytest.mark.parametrize("way", range(4), ids=["class", "create_pool", "spec", "surgery"])
def test_a_former_name_works_and_warns_of_the_new_one(name, former, present, way):
    with pytest.warns(DeprecationWarning, match=f"{former} is now called {present}") as seen:
        old = ways_to_make(name, former)[way]()
    assert {warning.filename for warning in seen} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = ways_to_make(name, present)[way]()
    assert repr(old) == repr(new)
    with pytest.warns(DeprecationWarning, match=f"{former} is now called {present}"):
        assert getattr(old, former) == getattr(new, present) == 5


@every_renamed
def test_a_name_given_twice_is_refused(name, former, present):
    for make in (
        lambda: create_pool(name, **{present: 5}, **{former: 4}),
        lambda: make_class(pool_info(name), 2)(2, **{present: 5}, **{former: 4}),
        lambda: create_pool(f"{name}:{former}=4,{present}=5"),
    ):
        with pytest.raises(ValueError, match=f"{former}=4: {present} is given too"):
            make()


def test_create_pool_took_in_channels_for_every_operator():
    for name in ("max", "gem"):
        with pytest.warns(DeprecationWarning, match="create_pool: in_channels is now called channels"):
            assert repr(create_pool(name, in_channels=5)) == repr(create_pool(name))


@every_renamed
def test_what_was_saved_before_still_loads(name, former, present):
    old, new = create_pool(name, **{present: 5}), create_pool(name, **{present: 5})
    assert not {key for key in old.state_dict() if former in key}
    state = pickle.loads(pickle.dumps(scramble(old).__dict__))
    state[former] = state.pop(present)  # a whole module, pickled under the former name
    new.__setstate__(state)
    assert getattr(new, present) == 5 and same_state(new, old)


# Channels taken from the first input ----------------------------------------------------------------------------------


@every_lazy
@pytest.mark.parametrize("batched", [True, False])
def test_channels_come_from_the_first_input(spec, ndim, batched):
    x = usual_input(ndim) if batched else usual_input(ndim)[0]
    pool = lazy(spec, ndim)
    assert pool.has_uninitialized_params() and pool.channels is None
    torch.manual_seed(0)
    y = pool(x)
    assert not pool.has_uninitialized_params()
    expected = made(spec, ndim)
    assert torch.equal(y, expected(x))
    assert same_state(pool, expected)
    assert repr(pool) == repr(expected)  # sizes of the convolutions among it
    assert not pool._forward_pre_hooks and not pool._load_state_dict_pre_hooks
    with pytest.raises(ValueError, match=rf"input: 1 channels; channels={CHANNELS} are needed"):
        pool(x.narrow(-ndim - 1, 0, 1))


@every_lazy_2d
def test_it_draws_as_the_operator_made_with_its_channels(spec):
    torch.manual_seed(3)
    pool = lazy(spec)
    pool.take_channels(CHANNELS)
    drawn = torch.rand(1)
    expected = made(spec, seed=3)
    assert same_state(pool, expected) and torch.equal(drawn, torch.rand(1))
    pool.take_channels(CHANNELS + 1)
    assert pool.channels == CHANNELS


@every_lazy_2d
def test_what_is_no_input_leaves_it_open(spec):
    pool = lazy(spec)
    for bad in (torch.zeros(1, 0, 4, 4), torch.zeros(1, CHANNELS, 4, 4, dtype=torch.int64), torch.zeros(4, 4)):
        with pytest.raises((TypeError, ValueError), match="input: "):
            pool(bad)
        assert pool.has_uninitialized_params()


def test_repr_shows_no_channels_before_the_first_input():
    assert repr(lazy("lift:kernel_size=3")).splitlines()[0] == "LiftPool2d("
    assert lazy("lift:kernel_size=3").extra_repr() == "kernel_size=3, stride=3"
    assert lazy("lip").extra_repr() == "kernel_size=2, stride=2, variant='simplified'"
    assert made("lip").extra_repr() == "kernel_size=2, stride=2, channels=3, variant='simplified'"


@every_lazy_2d
def test_it_moves_before_the_first_input(spec):
    pool = lazy(spec).double()
    pool(usual_input(2, torch.float64))
    assert same_state(pool, made(spec).double())
    assert all(p.dtype is torch.float64 for p in lazy(spec, dtype=torch.float64).parameters())
    assert all(p.is_meta for p in lazy(spec, device="meta").parameters())
    on_meta = lazy(spec).to("meta")
    on_meta.take_channels(CHANNELS)
    expected = made(spec)
    assert [(p.device.type, p.shape) for p in on_meta.parameters()] == [
        ("meta", p.shape) for p in expected.parameters()
    ]


def reseeded(pool: LazyPool) -> Tensor:
    torch.manual_seed(0)
    return pool(usual_input(2))


@every_lazy_2d
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda pool: pickle.loads(pickle.dumps(pool))], ids=["deep", "pickle"]
)
def test_a_copy_is_independent(spec, copied):
    pool = lazy(spec)
    other = copied(pool)
    y = reseeded(other)
    assert pool.has_uninitialized_params() and not other.has_uninitialized_params()
    assert not {id(p) for p in pool.parameters()} & {id(p) for p in other.parameters()}
    assert torch.equal(reseeded(pool), y)
    assert torch.equal(copied(pool)(usual_input(2)), y)


@every_lazy_2d
def test_state_is_saved_and_loaded_before_and_after(spec):
    x = usual_input(2)
    source = scramble(made(spec))
    state = nn.Sequential(source).state_dict()  # as part of a network, under a prefix
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)

    target = nn.Sequential(lazy(spec))
    parameters = dict(target.named_parameters())
    open_state = target.state_dict()
    assert list(open_state) == list(state)
    assert all(isinstance(value, UninitializedParameter) for value in open_state.values())

    assert not nn.Sequential(lazy(spec)).load_state_dict(open_state).missing_keys  # open into open
    with pytest.raises(RuntimeError, match="uninitialized"):  # open into known
        nn.Sequential(made(spec)).load_state_dict(open_state)

    target.load_state_dict(torch.load(file))
    assert target[0].channels == CHANNELS and repr(target) == repr(nn.Sequential(source))
    assert all(parameter is parameters[name] for name, parameter in target.named_parameters())
    assert torch.equal(target(x), source(x))
    assert not any(value.requires_grad for value in target.state_dict().values())  # as a state dict is, detached

    assigned = nn.Sequential(lazy(spec).double())
    assigned.load_state_dict(state, assign=True)
    assert torch.equal(assigned(x), source(x))


@every_lazy_2d
def test_a_state_that_does_not_fit_leaves_start_values(spec):
    state = scramble(made(spec)).state_dict()
    first, *_, last = state
    pool = lazy(spec)
    last = pool.told_by[0] if pool.told_by else last  # what tells the channels
    first = next(key for key in state if key != last)
    torch.manual_seed(0)
    with pytest.raises(RuntimeError, match=f"Missing key.*{first}"):
        pool.load_state_dict({key: value for key, value in state.items() if key != first})
    assert torch.equal(pool.state_dict()[first], made(spec).state_dict()[first])
    other = lazy(spec)
    with pytest.raises(RuntimeError, match=f"Missing key.*{last}"):
        other.load_state_dict({key: value for key, value in state.items() if key != last})
    assert other.has_uninitialized_params()


@every_lazy_2d
def test_an_optimizer_does_with_it_what_it_does_with_torchs(spec):
    """torch's take it: a parameter that is there before the first input is the one that is trained afterwards."""
    x = usual_input(2)
    for module in (nn.LazyConv2d(2, 3), lazy(spec).train(pool_info(parse_spec(spec)[0]).learns_in_training)):
        optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
        before = {name: p.detach().clone() for name, p in module.named_parameters()} if module(x) is not None else {}
        module(x).square().sum().backward()
        optimizer.step()
        assert any(not torch.equal(p, before[name]) for name, p in module.named_parameters())
    for use in (lambda p: p + 1, lambda p: p.shape, lambda p: p.requires_grad_(False), lambda p: p.share_memory_()):
        for module in (nn.LazyConv2d(2, 3), lazy(spec)):
            with pytest.raises((ValueError, RuntimeError), match="uninitialized"):
                use(next(module.parameters()))


@every_lazy_2d
def test_first_input_in_inference_mode_can_be_trained_on(spec):
    pool = lazy(spec).train()
    with torch.inference_mode():
        pool(usual_input(2))
    pool(usual_input(2)).sum().backward()
    assert all(p.grad is not None for p in pool.parameters())


@pytest.mark.parametrize(("spec", "network"), [("lip", False), ("lip", True), ("lift", True)])
def test_it_compiles_as_one_graph_before_the_first_input(spec, network):
    torch._dynamo.reset()
    pool = nn.Sequential(lazy(spec)) if network else lazy(spec)
    torch.manual_seed(0)
    y = torch.compile(pool, fullgraph=True, backend="eager")(usual_input(2))
    torch.testing.assert_close(y, made(spec)(usual_input(2)))


def test_known_channels_make_no_lazy_module():
    for pool in (made("lip"), made("lift"), create_pool("gem")):
        assert not pool._forward_pre_hooks and not pool._load_state_dict_pre_hooks
    assert type(made("lip")) is type(lazy("lip")) is poolzoo.LipPool2d
    assert made("lip")._replicate_for_data_parallel().channels == CHANNELS
    with pytest.raises(RuntimeError, match="DataParallel"):
        lazy("lip")._replicate_for_data_parallel()


def test_lift_takes_channels_from_whichever_call_is_first():
    bands = made("lift").bands(usual_input(2))
    torch.manual_seed(0)
    assert torch.equal(lazy("lift").bands(usual_input(2)), bands)
    assert torch.equal(lazy("lift").unpool(bands), made("lift").unpool(bands))
    assert lazy("lift").params(torch.zeros(1, 4, *SIZES[2]))["predict"].axes[0][0].groups == 4
