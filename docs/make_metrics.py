"""Make the page of metrics: ``python docs/make_metrics.py`` (or ``make catalog``)."""

from __future__ import annotations

from pathlib import Path

from poolzoo.analysis.results.schema import METRICS, Metric

PAGE = Path(__file__).parent / "metrics.md"
_OPENING = """\
# Metrics

Written by `make catalog`: edit the metrics instead, or [add one](extending.md#a-metric-in-ten-lines).
`--metric` takes each of them. [retention.md](retention.md) says how images become one number.
"""
_HEADINGS = {
    "image": "How similar an upsampled image is to the original",
    "operator": "What an operator does, without an upsampler",
}


def text() -> str:
    """What the page must hold."""
    lines = [_OPENING]
    for of, heading in _HEADINGS.items():
        lines += [f"## {heading}", "", "| metric | name | best | definition | source |", "|---|---|---|---|---|"]
        lines += [_line(metric) for metric in METRICS.values() if metric.of == of]
        lines += [""]
    return "\n".join(lines[:-1]) + "\n"


def _line(metric: Metric) -> str:
    best = metric.better if metric.target is None else f"{metric.target:g}"
    title = f"{metric.title}, {metric.unit}" if metric.unit else metric.title
    return f"| `{metric.key}` | {title} | {best} | {metric.note} | {metric.source} |"


def main() -> None:
    PAGE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
