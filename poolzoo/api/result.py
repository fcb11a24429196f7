"""The result of a study: its rows, as frames, tables, plots, files and pages."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from poolzoo._files import PAGE, SUFFIXES, suffix_among, write_whole
from poolzoo.analysis.results.result import Result as StudyResult
from poolzoo.analysis.results.rows import Row, label
from poolzoo.analysis.results.store_reader import StoreReader
from poolzoo.analysis.results.summary_lines import summary_lines
from poolzoo.analysis.results.training_rows import TRAIN_KIND
from poolzoo.reports.plots.all_plots import all_drawings, save_drawings
from poolzoo.reports.text.columns import Table
from poolzoo.reports.text.formats import render, stream
from poolzoo.reports.text.tables import tables

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from poolzoo.reports.pictures.picture_book import PictureBook


@dataclass(frozen=True, repr=False)
class Result(StudyResult):
    """The rows of a study, with methods that show and save them.

    Attributes:
        kind: ``compare``, ``profile``, ``profile_model`` or ``train``.
        metadata: settings, versions and machine of the measurement.
        rows: one dict per row; :meth:`to_frame` shows them. For a dataset run they are the rows of a few images.
        pictures: cut-outs for the page, or None.
        store: for a dataset run, the file with the rows of all images, which :meth:`save` writes; else None.
    """

    pictures: PictureBook | None = field(default=None, compare=False)
    store: Path | None = field(default=None, compare=False)

    @classmethod
    def of(cls, found: StudyResult, pictures: PictureBook | None = None, store: Path | None = None) -> Result:
        """Return ``found`` as an object of this class."""
        return cls(**{f.name: getattr(found, f.name) for f in fields(StudyResult)}, pictures=pictures, store=store)

    def to_frame(self) -> pd.DataFrame:
        """Return one line per row, with the columns of the CSV file."""
        import pandas as pd

        frame: pd.DataFrame = pd.DataFrame(self.rows, columns=self.columns)
        return frame

    def summary(self) -> pd.DataFrame:
        """Return one line per operator, state and setting, best first.

        A metric ``ssim`` has the columns ``ssim`` (mean over images), ``ssim_median``, ``ssim_low`` and ``ssim_high``
        (bootstrap 95% interval of the mean), ``ssim_difference`` (to the baseline), ``ssim_difference_low`` and
        ``ssim_difference_high``. For a profile, of operators or of a model, the summary is its rows. For a training it
        has a line per operator: ``top1``, ``top1_low``, ``top1_high`` (t interval over seeds) and ``top1_difference``
        (paired by seed) with its interval.
        """
        import pandas as pd

        if self.kind not in ("compare", TRAIN_KIND):
            return self.to_frame()
        frame: pd.DataFrame = pd.DataFrame(summary_lines(self))
        return frame

    @property
    def plots(self) -> list[str]:
        """Return the names of the plots that :meth:`plot` can draw."""
        return [drawing.name for drawing in all_drawings([self])]

    def plot(self, kind: str | None = None) -> Figure:
        """Draw one plot.

        Args:
            kind: one of :attr:`plots`; None for the first.

        Raises:
            ValueError: another name, or there is nothing to draw.
        """
        drawings = {drawing.name: drawing for drawing in all_drawings([self])}
        if not drawings:
            why = "no row has numbers" if self.kind in ("compare", "profile") else f"a {self.kind} is shown as tables"
            raise ValueError(f"this result has no plots: {why}")
        if kind is not None and kind not in drawings:
            raise ValueError(f"kind={kind!r}: {', '.join(drawings)} are allowed")
        return drawings[kind or next(iter(drawings))].draw()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the rows to a .json, .csv, .md or .txt file. JSON can be read back with :func:`load`.

        Raises:
            ValueError: another suffix.
            OSError: the file cannot be written.
        """
        return write_whole(path, self.written(SUFFIXES[suffix_among(path, SUFFIXES, "path")]))

    def written(self, fmt: str) -> str | Iterator[str]:
        """Return the text of a file; the rows of a dataset run come piece by piece.

        Args:
            fmt: ``json``, ``csv``, ``markdown`` or ``table``.
        """
        if self.store is None or fmt not in ("csv", "json"):
            return render(self, fmt)
        return stream(self, self.all_rows(), fmt)

    def all_rows(self) -> Iterator[Row]:
        """Yield every row; those of a dataset run are read from its store as they are asked for."""
        if self.store is None:
            yield from self.rows
            return
        with StoreReader.open(self.store) as store:
            yield from store.rows()

    def save_plots(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write every plot as PNG, SVG and PDF, as wide as two columns of a paper; return the files.

        Raises:
            OSError: the folder cannot be made or written.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        return save_drawings(Path(folder), [self])

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the HTML page; it has pictures if the study was run with ``pictures=True``, or on a dataset.

        Raises:
            ValueError: the name does not end in .html.
            OSError: the file cannot be written.
        """
        suffix_among(path, PAGE, "path")
        return write_whole(path, self.page())

    def page(self) -> str:
        """Return the HTML page."""
        from poolzoo.api.pictures import pictures_of_store
        from poolzoo.reports.page.page import render_page

        pictures = pictures_of_store(self.store, self) if self.store else self.pictures
        return render_page([self], pictures)

    def to_markdown(self) -> str:
        """Return the summary as Markdown tables."""
        return render(self, "markdown")

    def to_latex(self) -> str:
        """Return the summary as LaTeX tables; they need the package booktabs."""
        return "\n".join(latex(_table_frame(table)) for table in tables(self))

    def _repr_html_(self) -> str:
        parts = []
        for table in tables(self):
            parts += [f"<p><b>{html.escape(table.title)}</b></p>", _table_frame(table).to_html(index=False)]
        return "\n".join(parts)

    def __repr__(self) -> str:
        parts = [f"{len({label(row) for row in self.rows if row['pool']})} operators"]
        if self.kind == "compare":
            parts.append(f"{len({row['image'] for row in self.rows})} images")
        failed = sum(row["error"] is not None for row in self.rows)
        parts += [f"{len(self.rows)} rows"] + ([f"{failed} failed"] if failed else [])
        return f"<poolzoo.Result of {self.kind}: {', '.join(parts)}>"


def latex(frame: pd.DataFrame) -> str:
    """Return a frame of texts as a LaTeX table, escaped."""
    # After the line break of the line before, a bracket would begin its argument.
    return re.sub(r"^\[", "{[}", frame.to_latex(index=False, escape=True), flags=re.MULTILINE)


def _table_frame(table: Table) -> pd.DataFrame:
    import pandas as pd

    lines = [[f"{cell.text} {cell.plus}".strip() for cell in line.cells] for line in table.lines]
    frame: pd.DataFrame = pd.DataFrame(lines, columns=[column.heading for column in table.columns])
    return frame
