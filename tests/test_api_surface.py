"""The public API: every name with its parameters, as ``make catalog`` last wrote it."""

from __future__ import annotations

from reports.conftest import docs_script


def test_the_public_api_is_the_one_in_the_list():
    maker = docs_script("make_api")
    held, now = maker.LIST.read_text().splitlines(), maker.text().splitlines()
    changed = [f"- {line}" for line in held if line not in now] + [f"+ {line}" for line in now if line not in held]
    assert held == now, "\n".join(["the public API changed; if it should, run make catalog:", *changed])
