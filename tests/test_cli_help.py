"""Help under headings, and what a shell completes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete
from test_api import all_commands

from poolzoo import cli, registry
from poolzoo.analysis.results.schema import METRICS
from poolzoo.commands.completing import WordFish, WordZsh
from poolzoo.commands.completion import SHELLS
from poolzoo.commands.help_groups import COMMANDS as GROUPS_OF_COMMANDS, FEW, OPTIONS, REFINEMENTS

COMMANDS = dict(all_commands())
GROUPS = {"": cli.cli, "visualize": cli.cli.commands["visualize"]}


def help_of(name, width, asked="--help"):
    """Return what is printed, in a terminal of this width."""
    # Not --help itself: click would print it, and measure this process's terminal.
    context = click.Context(cli.cli, info_name="poolzoo", terminal_width=width, **cli.cli.context_settings)
    command = cli.cli
    for word in name.split():
        command = command.commands[word]
        context = click.Context(command, parent=context, info_name=word, terminal_width=width)
    context.meta["poolzoo.help_all"] = asked == "--help-all"
    return command.get_help(context)


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_help_fits_a_screen_and_names_every_option(name, width):
    text = help_of(name, width)
    assert len(text.splitlines()) < 60
    examples = text.partition("Example")[2].partition("\n\n")[0]
    assert all(len(line) <= width for line in text.replace(examples, "").splitlines())
    for option in (COMMANDS.get(name) or GROUPS[name]).params:
        if isinstance(option, click.Option):
            assert re.search(rf"(?<!\S){option.opts[0]}(?!\S*-)", text.partition("Example")[2].partition("\n\n")[2])


@pytest.mark.parametrize("name", COMMANDS)
def test_help_all_has_every_option_with_its_whole_text(name):
    text = "".join(help_of(name, 100, "--help-all").split())  # lines break at hyphens too
    for option in COMMANDS[name].params:
        if isinstance(option, click.Option):
            assert option.opts[0] in text and "".join(option.help.split()) in text


def test_help_all_is_printed(run):
    said = run("compare", "--help-all").out
    assert run.code == 0 and "optimal is a linear decoder" in " ".join(said.split())
    assert "optimal is a linear decoder" not in " ".join(run("compare", "--help").out.split())
    run("--pool", "--help-all").fails("--pool")


def test_a_command_of_many_options_has_them_under_the_headings_of_the_issue():
    lines = help_of("compare", 80).splitlines()
    headings = [line for line in lines if re.fullmatch(r"\w.*:", line)]
    assert headings == ["Input:", "Operators:", "Window:", "Protocol:", "Computation:", "Output:"]
    under = {heading: lines.index(heading) for heading in headings}
    place = {
        option: next(n for n, line in enumerate(lines) if f"  {option} " in line) for option in ("--image", "--metric")
    }
    assert under["Input:"] < place["--image"] < under["Operators:"]
    assert under["Protocol:"] < place["--metric"] < under["Computation:"]


def test_every_option_and_command_has_one_heading():
    known = [name for names in OPTIONS.values() for name in names]
    named = {option.name for command in COMMANDS.values() if len(command.params) >= FEW for option in command.params}
    assert len(set(known)) == len(known) and set(known) == named and set(known) > REFINEMENTS
    listed = [name for names in GROUPS_OF_COMMANDS.values() for name in names]
    assert sorted(listed) == sorted(cli.cli.commands)


# Completion: click's own, asked as the scripts ask it.


def offered(words, incomplete):
    completing = ShellComplete(cli.cli, {}, "poolzoo", "_POOLZOO_COMPLETE")
    return [item.value for item in completing.get_completions(words.split(), incomplete)]


def specs_of():
    """Every place where an operator is written."""
    for name, command in COMMANDS.items():
        for param in command.params:
            if param.name in ("pool", "baseline", "spec"):
                yield f"{name} {param.opts[0]}" if isinstance(param, click.Option) else name


@pytest.mark.parametrize("words", list(specs_of()))
def test_operators_are_completed(words):
    expected = [name for name in registry.list_pools("l*") if registry.pool_info(name).learnable or "fit" not in words]
    assert offered(words, "l") == expected != []


def test_families_metrics_commands_and_options_are_completed():
    assert offered("list --family", "gen") == ["generalised-mean"]
    assert offered("compare --metric", "spec") == [name for name in METRICS if name.startswith("spec")]
    assert offered("", "vis") == ["visualize"] and offered("visualize", "") == ["checkered", "weights"]
    assert offered("compare --pool avg", "--see") == ["--seed", "--seeds"]
    assert offered("compare --seed 1 --seed 2 --upsample", "n") == ["nearest"]  # refused only when it runs
    assert offered("completion", "") == list(SHELLS)


@pytest.mark.parametrize(
    "words",
    [
        *("compare --image", "compare --decoder-images", "compare --fit-images"),
        *("fit --images", "sweep --image", "visualize weights --image"),
    ],
)
def test_images_are_completed(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert offered(words, "skimage:cof") == ["skimage:coffee"]
    names = [name.partition(":")[2] for name in offered(words, "sk")]
    assert {"astronaut", "camera", "coffee", "rocket"} < set(names)
    assert offered(words, "poolzoo:z") == ["poolzoo:zoneplate"]
    # A file of the folder comes first: what remains is the shell's.
    (tmp_path / "sketch.png").touch()
    assert offered(words, "sk") == ["sk"] and offered(words, "skimage:cof") == ["skimage:coffee"]


def test_files_are_left_to_the_shell():
    completing = ShellComplete(cli.cli, {}, "poolzoo", "_POOLZOO_COMPLETE")
    for name, command in COMMANDS.items():
        for param in command.params:
            if param.metavar in ("FILE", "DIR", "DATA", "RESULT...") or isinstance(param.type, click.Path):
                words = [*name.split(), *([param.opts[0]] if isinstance(param, click.Option) else [])]
                kinds = {item.type for item in completing.get_completions(words, "some")}
                assert kinds == {"file"}, words


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_prints_the_script(run, shell):
    said = run("completion", shell).out
    assert run.code == 0 and "_POOLZOO_COMPLETE" in said and shell in said
    run("completion", "tcsh").fails("tcsh", "bash")


@pytest.mark.parametrize(
    ("made", "word", "value"),
    [
        (WordZsh, "--metric=spectrum_l", "--metric=spectrum_low"),
        (WordFish, "--metric=spectrum_l", "--metric=spectrum_low"),
        (WordFish, "--image=skimage:cof", "--image=skimage:coffee"),
    ],
)
def test_other_shells_complete_a_value_that_is_joined_to_its_option(made, word, value, monkeypatch):
    joined = f"poolzoo compare {word}" if made is WordZsh else "poolzoo compare"
    monkeypatch.setenv("COMP_WORDS", joined)
    monkeypatch.setenv("COMP_CWORD", "2" if made is WordZsh else word)
    assert value in re.split(r"[\t\n,]", made(cli.cli, {}, "poolzoo", "_POOLZOO_COMPLETE").complete())


def test_bash_completes_words_with_colons_and_imports_no_torch(run, tmp_path):
    (tmp_path / "poolzoo").write_text(
        f"#!{sys.executable}\nimport sys\nfrom poolzoo import cli\n"
        "try: cli.main()\nfinally: assert not {'torch', 'pandas', 'matplotlib'} & set(sys.modules)\n"
    )
    (tmp_path / "poolzoo").chmod(0o755)
    script = tmp_path / "script.sh"
    script.write_text(run("completion", "bash").out)
    asked = (
        "compare --image skimage : cof",
        "compare --image = skimage : cof",
        "compare --image skimage:cof",
        "show softpool_",
    )
    lines = [
        f"COMPREPLY=(); COMP_WORDS=(poolzoo {words}); COMP_CWORD={len(words.split())}; _poolzoo_completion poolzoo"
        for words in asked
    ]
    lines = [f'{line} 2>&1; echo "${{COMPREPLY[@]}}"' for line in lines]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    code = "\n".join([f"source {script}", *lines])
    done = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["coffee", "coffee", "skimage:coffee", "softpool_detached softpool_channelsum"]
