"""The registry: names, spec strings, registration, plugins, and that none of it needs torch until an operator does."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import json
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import poolzoo
from poolzoo import registry
from poolzoo.analysis.studies.sweep import plan_sweep
from poolzoo.create import create_pool
from poolzoo.plugins import load_plugin, load_plugins
from poolzoo.registry import (
    expand_specs,
    format_params,
    list_pools,
    parse_spec,
    pool_facts,
    pool_info,
    register_pool,
)

ROOT = Path(__file__).parent.parent
FACTS = {"summary": "middle of the extremes", "formula": "y = (max a + min a) / 2", "source": "this test"}
PLUGIN = '''
from poolzoo import register_pool

@register_pool("midrange", summary="middle of the extremes", formula="y = (max a + min a) / 2", source="this test")
def midrange(a, mask):
    """Halved before they are added, so that nothing overflows."""
    low = a if mask is None else a.masked_fill(~mask, float("inf"))
    high = a if mask is None else a.masked_fill(~mask, float("-inf"))
    return low.amin(-1) / 2 + high.amax(-1) / 2
'''


@pytest.fixture(autouse=True)
def registry_as_it_was():
    """Takes away what a test registers."""
    registry.load_operators()
    pools, builtin, modules = dict(registry._pools), set(registry._builtin), set(sys.modules)
    yield
    registry._pools.clear()
    registry._pools.update(pools)
    registry._builtin.clear()
    registry._builtin.update(builtin)
    for name in set(sys.modules) - modules:
        if "plugin" in name:
            del sys.modules[name]


def python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "POOLZOO_PLUGINS": "", **environment},
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


# Lists and names ------------------------------------------------------------------------------------------------------


def test_list_gives_the_names_that_match_in_registration_order():
    names = list_pools()
    assert len(names) == len(set(names)) >= 23
    assert names.index("max") < names.index("avg") < names.index("softpool") < names.index("lanczos")
    assert list_pools("*blur*") == ["blur", "max_blur", "avg_blur", "adaptive_blur"]
    assert list_pools("soft*") == ["softpool", "softpool_detached", "softpool_channelsum"]
    assert list_pools("[lm]?") == ["lp"]
    assert list_pools("nothing*") == []
    assert list_pools("MAX") == []


@pytest.mark.parametrize(
    ("name", "near"),
    [("sofpool", "softpool"), ("lanczo", "lanczos"), ("Max", "max"), ("bilinar", "bilinear"), ("blurr", "blur")],
)
def test_unknown_name_is_answered_with_the_near_misses(name, near):
    with pytest.raises(ValueError, match=rf"^pool='{name}': no such operator; did you mean .*\b{near}\b.*\?$"):
        pool_info(name)
    with pytest.raises(ValueError, match=near):
        create_pool(name)


def test_a_name_like_nothing_points_to_the_list():
    for name in ("zzzzzz", "", "qqq:p=1"):
        with pytest.raises(ValueError, match="`poolzoo list` names them all"):
            pool_info(name)


def test_operators_are_defined_for_the_axes_that_they_say():
    with pytest.raises(ValueError, match=r"ndim=3: checkered is defined for 2 spatial axes"):
        create_pool("checkered", ndim=3)
    with pytest.raises(ValueError, match=r"ndim=4: max is defined for 1, 2, 3 spatial axes"):
        create_pool("max", ndim=4)
    assert not hasattr(poolzoo, "CheckeredPool3d")
    assert not hasattr(poolzoo, "MaxPool4d")
    assert not hasattr(poolzoo.functional, "checkered_pool1d")


# Spec strings ---------------------------------------------------------------------------------------------------------

SPECS = {
    "softpool": ("softpool", {}),
    "softpool:": ("softpool", {}),
    "lp:p=3": ("lp", {"p": 3}),
    "lp:p=2.5,norm=sum": ("lp", {"p": 2.5, "norm": "sum"}),
    "lp: p = 3 , norm = sum": ("lp", {"p": 3, "norm": "sum"}),
    "lp:p=inf": ("lp", {"p": math.inf}),
    "lse:r=-1e-3": ("lse", {"r": -1e-3}),
    "avg:count_include_pad=true": ("avg", {"count_include_pad": True}),
    "avg:count_include_pad=False": ("avg", {"count_include_pad": False}),
    "lip:channels=none": ("lip", {"channels": None}),
    "max:kernel_size=3x2": ("max", {"kernel_size": (3, 2)}),
    "max:kernel_size=3x2x1,padding=1": ("max", {"kernel_size": (3, 2, 1), "padding": 1}),
    "checkered:pool=max": ("checkered", {"pool": "max"}),
    "max:what=3x": ("max", {"what": "3x"}),
}


@pytest.mark.parametrize("spec", SPECS)
def test_spec_is_read(spec):
    name, params = parse_spec(spec)
    assert (name, params) == SPECS[spec]
    assert [type(value) for value in params.values()] == [type(value) for value in SPECS[spec][1].values()]


@pytest.mark.parametrize("spec", SPECS)
def test_format_is_the_inverse_of_parse(spec):
    name, params = parse_spec(spec)
    text = format_params(params)
    assert parse_spec(f"{name}:{text}") == (name, params)
    assert format_params(parse_spec(f"{name}:{text}")[1]) == text


def test_format_sorts_keys():
    assert (
        format_params({"p": 3, "norm": "sum", "b": True, "a": None, "k": (3, 2)}) == "a=none,b=true,k=3x2,norm=sum,p=3"
    )


@pytest.mark.parametrize("spec", ["lp:p", "lp:=3", "lp:p=", "lp:p=3;norm=sum,q", "lp:3=p", "lp:p 2=3"])
def test_malformed_spec_is_named(spec):
    with pytest.raises(ValueError, match=r"^pool=.* is not key=value$"):
        parse_spec(spec)


def test_doubled_key_is_refused():
    with pytest.raises(ValueError, match="'p' is given twice"):
        parse_spec("lp:p=2,p=3")


def test_expansion_of_nothing_is_every_operator_and_variant():
    specs = expand_specs([])
    assert {parse_spec(spec)[0] for spec in specs} == set(list_pools())
    for name in list_pools():
        for variant in pool_info(name).variants:
            assert specs.index(f"{name}:{variant}") > specs.index(name)
    for spec in specs:
        name, params = parse_spec(spec)
        assert f"{name}:{format_params(params)}" in (spec, f"{spec}:")


def test_expansion_of_patterns_and_specs():
    assert expand_specs(["max", "lp:p=3", "max"]) == ["max", "lp:p=3"]
    assert expand_specs(["*blur"]) == ["blur", "max_blur", "avg_blur", "adaptive_blur"]
    assert expand_specs(["soft*:beta=4"]) == [f"{name}:beta=4" for name in list_pools("soft*")]
    assert expand_specs(["mixed"]) == ["mixed"]
    assert expand_specs(["mixe?"]) == ["mixed", "mixed:mode=random"]


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        (["nothing*"], "pool='nothing\\*': no operator matches"),
        (["max", "sofpool"], "did you mean softpool"),
        (["sofpool:beta=2"], "did you mean softpool"),
        (["lp:p"], "is not key=value"),
        (["l*:p"], "is not key=value"),
    ],
)
def test_bad_expansion_is_named(specs, message):
    with pytest.raises(ValueError, match=message):
        expand_specs(specs)


# Creation -------------------------------------------------------------------------------------------------------------


def test_create_makes_the_module_that_the_spec_says():
    pool = create_pool("softpool:beta=4", ndim=2, kernel_size=3, stride=2, padding=1)
    assert type(pool) is poolzoo.SoftPool2d
    assert repr(pool) == "SoftPool2d(kernel_size=3, stride=2, padding=1, beta=4)"
    assert repr(create_pool("softpool", ndim=1)) == "SoftPool1d(kernel_size=2, stride=2)"
    assert repr(create_pool("lp:kernel_size=3x2,stride=1", ndim=2)) == "LpPool2d(kernel_size=(3, 2), stride=1)"


def test_arguments_win_over_the_spec():
    assert create_pool("lp:p=3", p=4).params(torch.zeros(1, 1, 2, 2))["p"] == 4


def test_unknown_parameter_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"^softpool: unknown parameter 'bta'; allowed: kernel_.*, beta, backend$"):
        create_pool("softpool:bta=4")
    with pytest.raises(ValueError, match=r"^power: unknown parameter 'q'; allowed: .*p, channels, backend$"):
        create_pool("power:q=4")
    with pytest.raises(ValueError, match=r"^lp: p=-1: "):
        create_pool("lp:p=-1")


def test_operators_are_imported_without_torchs_compiler():
    code = "import poolzoo.operators, sys; assert 'torch._dynamo' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# Registration ---------------------------------------------------------------------------------------------------------


def register_midrange(name="midrange", **facts):
    @register_pool(name, **FACTS | facts)
    def midrange(a, mask, *, share=0.5):
        """``share`` of the maximum."""
        low = a if mask is None else a.masked_fill(~mask, math.inf)
        high = a if mask is None else a.masked_fill(~mask, -math.inf)
        return (1 - share) * low.amin(-1) + share * high.amax(-1)

    return midrange


def test_a_parameter_of_any_operator_can_be_renamed():
    register_midrange(renamed={"fraction": "share"})
    x = torch.randn(1, 2, 6, 6)
    expected = poolzoo.functional.max_pool2d(x, 2)
    for pool in (
        lambda: functools.partial(poolzoo.functional.midrange_pool2d, kernel_size=2, fraction=1),
        lambda: poolzoo.MidrangePool2d(2, fraction=1),
        lambda: create_pool("midrange", fraction=1),
        lambda: create_pool("midrange:fraction=1"),
    ):
        with pytest.warns(DeprecationWarning, match="midrange: fraction is now called share") as seen:
            y = pool()(x)
        assert torch.equal(y, expected)
        assert {warning.filename for warning in seen} == {__file__}
    with pytest.warns(DeprecationWarning, match="midrange: fraction is now called share"):
        assert plan_sweep("midrange", "fraction=0,1").specs == ("midrange:share=0", "midrange:share=1")
    assert "fraction" not in inspect.signature(poolzoo.MidrangePool2d).parameters
    with pytest.raises(ValueError, match="unknown parameter 'part'; allowed: kernel_.*, share$"):
        create_pool("midrange", part=1)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_an_operator_over_windows_works_everywhere_at_once(ndim):
    reducer = register_midrange()
    assert callable(reducer)
    assert pool_info("midrange").reducer is reducer
    assert list_pools()[-1] == expand_specs([])[-1] == "midrange"
    assert pool_facts("midrange")[0]["source"] == "this test"
    cls = getattr(poolzoo, f"MidrangePool{ndim}d")
    function = getattr(poolzoo.functional, f"midrange_pool{ndim}d")
    assert f"MidrangePool{ndim}d" in dir(poolzoo)
    assert f"midrange_pool{ndim}d" in dir(poolzoo.functional)
    x = torch.randn(2, 3, *(7,) * ndim, requires_grad=True)
    for geometry in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}):
        largest = getattr(poolzoo.functional, f"max_pool{ndim}d")
        expected = (largest(x, **geometry) - largest(-x, **geometry)) / 2
        torch.testing.assert_close(function(x, **geometry), expected)
        pool = create_pool("midrange", ndim=ndim, **geometry)
        assert type(pool) is cls
        torch.testing.assert_close(pool(x), expected)
        torch.testing.assert_close(cls(**geometry, share=1)(x), largest(x, **geometry))
    function(x, 2).sum().backward()
    assert x.grad is not None
    assert repr(cls(2, share=1)) == f"MidrangePool{ndim}d(kernel_size=2, stride=2, share=1)"
    assert repr(pickle.loads(pickle.dumps(cls(2)))) == repr(cls(2))
    assert "this test" in cls.__doc__


def test_an_operator_over_the_input_works_everywhere_at_once():
    @register_pool("shrink", over="input", ndims=(2,), variants=("by=0.5",), class_name="Shrink", **FACTS)
    def shrink(x, geometry, *, by=1.0):
        """Every stride-th, times ``by``."""
        return by * x[..., :: geometry.stride[0], :: geometry.stride[1]]

    x = torch.randn(1, 1, 4, 4)
    assert torch.equal(poolzoo.Shrink2d(2)(x), x[..., ::2, ::2])
    assert torch.equal(poolzoo.functional.shrink_pool2d(x, 2, by=3.0), 3 * x[..., ::2, ::2])
    assert expand_specs(["s?rink"]) == ["shrink", "shrink:by=0.5"]
    assert not hasattr(poolzoo, "Shrink1d")
    assert pool_info("shrink").reducer is None


def test_a_taken_name_is_refused_unless_overwritten():
    first = register_midrange()
    with pytest.raises(
        ValueError, match="name='midrange': an operator of that name is already registered; overwrite=True"
    ):
        register_midrange()
    with pytest.raises(ValueError, match="name='max'"):
        register_midrange("max")
    assert pool_info("midrange").reducer is first
    second = register_midrange(overwrite=True)
    assert pool_info("midrange").reducer is second
    assert list_pools().count("midrange") == 1


def test_a_taken_function_or_class_name_is_refused():
    with pytest.raises(ValueError, match="function_name='soft_pool' is already used by 'softpool'; give another"):
        register_midrange("soft")
    with pytest.raises(ValueError, match="class_name='SoftPool' is already used by 'softpool'"):
        register_midrange("soft", function_name="my_soft_pool")
    assert "soft" not in list_pools()
    register_midrange("soft", function_name="my_soft_pool", class_name="MySoftPool")
    assert poolzoo.SoftPool2d.info.name == "softpool"
    assert poolzoo.MySoftPool2d.info.name == "soft"


@pytest.mark.parametrize("name", ["", "Max", "my pool", "my-pool", "a:b", "a,b", "a*", "2d", "_x", "é", "a\n"])
def test_a_name_that_a_spec_could_not_hold_is_refused(name):
    with pytest.raises(ValueError, match="lower-case letters, digits and underscores are allowed, a letter first"):
        register_midrange(name)


def test_an_unknown_kind_of_function_is_refused():
    with pytest.raises(ValueError, match="over='rows': 'windows' or 'input' is allowed"):
        register_pool("midrange", over="rows", **FACTS)


def test_a_parameter_without_default_is_asked_for():
    @register_pool("scaled", **FACTS)
    def scaled(a, mask, *, by):
        return by * a.sum(-1)

    with pytest.raises(TypeError, match="parameter 'by' is needed"):
        poolzoo.ScaledPool2d(2)
    with pytest.raises(TypeError, match="parameter 'by' is needed"):
        poolzoo.functional.scaled_pool2d(torch.zeros(1, 1, 2, 2), 2)
    assert poolzoo.ScaledPool2d(2, by=2.0)(torch.ones(1, 1, 2, 2)).item() == 8


# Plugins --------------------------------------------------------------------------------------------------------------


def test_a_script_is_a_plugin(tmp_path):
    script = tmp_path / "my_plugin.py"
    script.write_text(PLUGIN)
    load_plugin(str(script))
    assert poolzoo.MidrangePool1d(2)(torch.tensor([[1.0, 2.0]])).item() == 1.5
    load_plugin(str(script))  # the second time nothing is registered again
    assert list_pools().count("midrange") == 1


def test_a_module_is_a_plugin(tmp_path, monkeypatch):
    (tmp_path / "module_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    load_plugins(["module_plugin"])
    assert "midrange" in list_pools()


def test_the_environment_names_plugins(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / f"{name}_plugin.py").write_text(PLUGIN.replace('"midrange"', f'"midrange_{name}"'))
    monkeypatch.setenv("POOLZOO_PLUGINS", os.pathsep.join(str(tmp_path / f"{n}_plugin.py") for n in ("one", "two")))
    load_plugins()
    assert list_pools()[-2:] == ["midrange_one", "midrange_two"]
    monkeypatch.setenv("POOLZOO_PLUGINS", "")
    load_plugins()
    assert len(list_pools("midrange*")) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import torch\n1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def f(:\n", "SyntaxError"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('one\\ntwo')\n", "RuntimeError: one two"),
        (PLUGIN.replace("midrange", "max"), "ValueError: name='max': an operator of that name is already registered"),
    ],
    ids=["fails", "syntax", "import", "two lines", "taken name"],
)
def test_a_broken_plugin_gives_one_line(tmp_path, text, message):
    script = tmp_path / "broken_plugin.py"
    script.write_text(text)
    with pytest.raises(ValueError) as caught:
        load_plugin(str(script))
    assert str(caught.value).startswith(f"plugin {str(script)!r}: {message}")
    assert "\n" not in str(caught.value)
    script.write_text(PLUGIN)
    load_plugin(str(script))  # mended, it loads
    assert "midrange" in list_pools()


def test_a_missing_plugin_gives_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"^plugin '.*absent\.py': no such file$"):
        load_plugin(str(tmp_path / "absent.py"))
    with pytest.raises(ValueError, match=r"^plugin 'absent_module': ModuleNotFoundError: No module named"):
        load_plugin("absent_module")


class FakeEntry:
    def __init__(self, value, load):
        self.value, self.load = value, load


def test_another_packages_fault_leaves_the_others(monkeypatch):
    def fail():
        raise ImportError("no libfoo")

    entries = [FakeEntry("broken:pools", fail), FakeEntry("good:pools", register_midrange)]

    def entry_points(*, group):
        assert group == "poolzoo.operators"
        return entries

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    with pytest.warns(UserWarning, match="operators of 'broken:pools' left out: ImportError: no libfoo"):
        registry._load_entry_points()
    assert "midrange" in list_pools()


def test_an_installed_package_adds_its_operators(tmp_path):
    (tmp_path / "demo_pools.py").write_text(PLUGIN)
    info = tmp_path / "demo_pools-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: demo-pools\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[poolzoo.operators]\ndemo = demo_pools\n")
    code = (
        "from poolzoo import registry, list_pools; facts = registry.pool_facts('m*');"
        "print([f['name'] for f in facts], list_pools()[-1])"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    assert (
        python(code, PYTHONPATH=path) == "['max', 'median', 'mixed', 'max_blur', 'multisampling', 'midrange'] midrange"
    )


@pytest.mark.slow
def test_a_plugins_operator_is_held_to_the_contract(tmp_path):
    """Nothing but POOLZOO_PLUGINS is needed for the registry-parametrised tests to cover it."""
    script = tmp_path / "my_plugin.py"
    script.write_text(PLUGIN)
    quick = "midrange and not compile and not export and not onnx and not parameters_gradient"
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/operators", "-k", quick],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "POOLZOO_PLUGINS": str(script)},
        timeout=300,
    )
    assert result.returncode == 0, result.stdout[-3000:]
    passed = int(result.stdout.rsplit(" passed", 1)[0].rsplit(None, 1)[-1])
    assert passed > 100, result.stdout[-500:]
    assert "for which no loop is written" in result.stdout


# Threads --------------------------------------------------------------------------------------------------------------


def test_the_first_use_may_be_in_several_threads(tmp_path):
    (tmp_path / "my_plugin.py").write_text(
        "import time; from poolzoo import pool_info; pool_info('max'); time.sleep(0.2)" + PLUGIN
    )
    code = """
import sys, threading
import poolzoo
from poolzoo import registry
from poolzoo.plugins import load_plugins
start, results = threading.Barrier(8), []

def use():
    start.wait()
    load_plugins()
    results.append((poolzoo.list_pools(), poolzoo.SoftPool2d, poolzoo.functional.soft_pool2d, poolzoo.MidrangePool1d))

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=use) for _ in range(8)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
print(len(results), all(result == results[0] for result in results), results[0][0][-1])
"""
    assert python(code, POOLZOO_PLUGINS=str(tmp_path / "my_plugin.py")) == "8 True midrange"


# What is known without torch ------------------------------------------------------------------------------------------


def test_catalog_is_current():
    assert registry.CATALOG.read_text() == registry.catalog_text(), "run make catalog"


def test_catalog_holds_what_the_registry_does():
    catalog = json.loads(registry.CATALOG.read_text())
    assert catalog == [pool_info(name).facts for name in list_pools() if name in registry._builtin]
    assert set(catalog[0]) == set(registry.FACTS)


def test_catalog_leaves_out_what_others_registered():
    register_midrange()
    assert "midrange" not in registry.catalog_text()


def test_listing_imports_neither_torch_nor_pandas_nor_matplotlib():
    code = """
import sys
import poolzoo
facts = poolzoo.registry.pool_facts()
blurs = poolzoo.registry.pool_facts("*blur*")
heavy = {"torch", "numpy", "pandas", "matplotlib", "PIL", "skimage"} & set(sys.modules)
print(len(facts), [f["name"] for f in blurs], sorted(heavy))
"""
    assert python(code) == f"{len(registry._builtin)} ['blur', 'max_blur', 'avg_blur', 'adaptive_blur'] []"


def test_a_package_inside_is_an_attribute():
    code = """
import sys
import poolzoo
names = [poolzoo.analysis.__name__, poolzoo.reports.__name__]
heavy = {"torch", "numpy", "matplotlib"} & set(sys.modules)
print(*names, poolzoo.native.__name__, poolzoo.operators.__name__, sorted(heavy))
"""
    assert python(code) == "poolzoo.analysis poolzoo.reports poolzoo.native poolzoo.operators []"


def test_facts_read_from_the_catalog_are_those_of_the_operators():
    code = """
import json
from poolzoo import registry
before = registry.pool_facts()
registry.load_operators()
print(json.dumps(before) == json.dumps(registry.pool_facts()))
"""
    assert python(code) == "True"


def test_unknown_attributes_are_attribute_errors():
    for name in ("NoSuchPool2d", "no_such", "Nothing", "_private"):
        with pytest.raises(AttributeError, match=f"module 'poolzoo' has no attribute '{name}'"):
            getattr(poolzoo, name)
    for name in ("no_pool2d", "adaptive_nothing", "_pool2d"):
        with pytest.raises(AttributeError, match=f"module 'poolzoo.functional' has no attribute '{name}'"):
            getattr(poolzoo.functional, name)


def test_everything_that_dir_names_is_there():
    for name in dir(poolzoo):
        assert getattr(poolzoo, name) is not None or name.startswith("__")
    for name in dir(poolzoo.functional):
        assert callable(getattr(poolzoo.functional, name))
    assert {"SoftPool2d", "AdaptiveSoftPool2d", "GlobalSoftPool1d", "Pool"} <= set(dir(poolzoo))
    assert {"soft_pool2d", "adaptive_soft_pool3d"} <= set(dir(poolzoo.functional))
