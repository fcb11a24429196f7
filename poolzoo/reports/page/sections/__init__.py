"""The sections of the page: one module and one template each, found here and ordered by their ``PLACE``.

A section is a module with a ``PLACE`` and a function ``render(study) -> Section | None``, and a template of its name.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from markupsafe import Markup

from poolzoo.reports.page.section import Section
from poolzoo.reports.page.study import Study
from poolzoo.reports.page.templates import environment


def render_sections(study: Study) -> list[tuple[Section, Markup]]:
    """Return the sections that have something to show, in their order, each with its HTML."""
    names = [module.name for module in iter_modules(__path__)]
    modules = {name: import_module(f"{__name__}.{name}") for name in names}
    drawn = []
    for name in sorted(names, key=lambda name: modules[name].PLACE):
        section: Section | None = modules[name].render(study)
        if section is not None:
            template = environment().get_template(f"sections/{name}.html.j2")
            html = template.render(headings=section.headings, folded=section.folded, **section.shown)
            drawn.append((section, Markup(html)))
    return drawn
