"""The results of a page: each is read once, with its place on the page and the data that sections share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from poolzoo.analysis.results.result import Result
from poolzoo.analysis.results.rows import label
from poolzoo.analysis.results.schema import MODEL_KIND
from poolzoo.analysis.results.side_by_side import Versus, side_by_side
from poolzoo.analysis.results.summaries import by_setting, summarise
from poolzoo.analysis.results.summary_records import Setting, Summary
from poolzoo.analysis.results.training_rows import TRAIN_KIND
from poolzoo.analysis.results.verdicts import Verdict, join_times, judge
from poolzoo.reports.page.change_words import changes_of
from poolzoo.reports.page.verdict_words import Entry
from poolzoo.reports.pictures.picture_book import PictureBook
from poolzoo.reports.plots.all_plots import result_letters
from poolzoo.reports.plots.sweep_curves import describe_values
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.words import NOUNS, setting_title

#: The kinds of results, as the page names them.
_TITLES = {"compare": "Comparison", "profile": "Profile", MODEL_KIND: "Model", TRAIN_KIND: "Training"}


@dataclass(frozen=True)
class PageRun:
    """A result on the page.

    Attributes:
        run: the result and its facts.
        anchor: the beginning of its ids.
        letter: its letter among several results of its kind, or "".
        source: its file, if the page shows several results.
    """

    run: RunFacts
    anchor: str
    letter: str
    source: str

    @property
    def is_comparison(self) -> bool:
        """Whether it is a comparison, not a profile of operators or of a model."""
        return self.run.result.kind == "compare"

    @property
    def is_training(self) -> bool:
        """Whether it is a training."""
        return self.run.result.kind == TRAIN_KIND

    @property
    def title(self) -> str:
        """``Comparison``, or ``Comparison A`` among several."""
        return f"{_TITLES[self.run.result.kind]} {self.letter}".strip()

    def heading(self, text: str) -> str:
        """Return a section's heading, with the result's title among several."""
        return f"{text} ({self.title})" if self.letter else text

    def prefixed(self, text: str) -> str:
        """Return a sentence, with the result's title before it among several."""
        return f"{self.title}: {text}" if self.letter else text

    @property
    def is_sample(self) -> bool:
        """Whether the rows are of fewer images than were scored."""
        return False

    @cached_property
    def operators(self) -> list[str]:
        """Labels of the operators in its rows."""
        return unique(label(row) for row in self.run.result.rows if row["pool"])

    @property
    def subject(self) -> str:
        """Its operators in words."""
        return describe_values(self.run.sweep) if self.run.sweep else counted_operators(self.operators)


@dataclass(frozen=True)
class PageProfile(PageRun):
    """A profile on the page."""


@dataclass(frozen=True)
class PageModel(PageRun):
    """A model's profile on the page."""


@dataclass(frozen=True)
class PageTraining(PageRun):
    """A training on the page."""

    @property
    def recipe(self) -> list[tuple[str, str]]:
        """The settings of the training, name and value, and the digest of its data."""
        recipe = self.run.result.metadata.get("recipe")
        named = [*recipe.items()] if isinstance(recipe, dict) else []
        named += [("data sha256", self.run.result.metadata.get("data_sha256"))]
        return [(str(key).replace("_", " "), str(value)) for key, value in named if value is not None]


#: The classes of results other than comparisons.
_KINDS = {"profile": PageProfile, MODEL_KIND: PageModel, TRAIN_KIND: PageTraining}


@dataclass(frozen=True)
class PageComparison(PageRun):
    """A comparison on the page, with the times of the page's profiles."""

    profiles: tuple[Result, ...]

    @cached_property
    def summaries(self) -> list[Summary]:
        """Its summaries, with a profile's times in place of its own if a profile measured their window."""
        return join_times(summarise(self.run.result), self.profiles)

    @cached_property
    def settings(self) -> dict[Setting, list[Summary]]:
        """The summaries of each setting."""
        return by_setting(self.summaries)

    def titles(self, setting: Setting) -> list[str]:
        """Return its title and that of one of its settings, each only if there are several."""
        return [self.title] * bool(self.letter) + [setting_title(setting)] * (len(self.settings) > 1)

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Its verdicts."""
        return judge(self.run.result, self.summaries)

    @cached_property
    def image_names(self) -> list[str]:
        """The images in its rows, without images that could not be read: their rows have no operator."""
        return unique(row["image"] for row in self.run.result.rows if row["pool"])

    @property
    def image_count(self) -> int:
        """The number of images that were scored; for a dataset, the rows are a sample."""
        return self.run.dataset.images if self.run.dataset else len(self.image_names)

    @property
    def is_sample(self) -> bool:
        """Whether the rows are of fewer images than were scored: a dataset run holds some of them."""
        return self.image_count > len(self.image_names)

    @property
    def noun(self) -> str:
        """The kind of input: image, video, volume, feature map, or input if there are several kinds."""
        nouns = {"feature map" if s.of_features else NOUNS.get(s.input, "image") for s in self.settings}
        return nouns.pop() if len(nouns) == 1 else "input"

    @property
    def counted(self) -> str:
        """``8 images``."""
        return f"{self.image_count} {self.noun}{'s' * (self.image_count != 1)}"


@dataclass(frozen=True)
class SideBySide:
    """Several results of one kind, matched."""

    runs: tuple[PageRun, ...]
    versus: Versus

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters of the runs."""
        return tuple(placed.letter for placed in self.runs)

    @cached_property
    def changes(self) -> tuple[Entry, ...]:
        """The differences between the runs, in words; empty if they have nothing in common."""
        return changes_of(self.versus, self.letters)

    @property
    def heading(self) -> str:
        """Their heading on the page."""
        return f"{'Comparisons' if self.versus.kind == 'compare' else 'Profiles'} side by side"

    @cached_property
    def families(self) -> dict[str, str]:
        """The operators' families by label."""
        return {name: family for placed in self.runs for name, family in placed.run.families.items()}


@dataclass(frozen=True)
class Study:
    """The data of a page.

    Attributes:
        runs: the results, in the order given.
        pictures: of the comparisons' images, or None.
    """

    runs: tuple[PageRun, ...]
    pictures: PictureBook | None

    @classmethod
    def of(cls, results: Sequence[Result], pictures: PictureBook | None, sources: Sequence[str]) -> Study:
        """Read the results.

        Args:
            results: comparisons, and profiles of operators and of models.
            pictures: of the comparisons' images.
            sources: the file of each result; may be empty.
        """
        profiles = tuple(result for result in results if result.kind == "profile")
        runs: list[PageRun] = []
        for number, (result, letter) in enumerate(zip(results, result_letters(results), strict=True), start=1):
            place = (
                RunFacts.of(result),
                f"r{number}",
                letter,
                sources[number - 1] if len(results) > 1 and sources else "",
            )
            if result.kind == "compare":
                runs.append(PageComparison(*place, profiles))
            else:
                runs.append(_KINDS[result.kind](*place))
        return cls(tuple(runs), pictures)

    @property
    def results(self) -> list[Result]:
        """The results in the order given."""
        return [placed.run.result for placed in self.runs]

    @property
    def comparisons(self) -> list[PageComparison]:
        """Its comparisons."""
        return [placed for placed in self.runs if isinstance(placed, PageComparison)]

    @property
    def profiles(self) -> list[PageProfile]:
        """Its profiles."""
        return [placed for placed in self.runs if isinstance(placed, PageProfile)]

    @property
    def models(self) -> list[PageModel]:
        """Its models' profiles."""
        return [placed for placed in self.runs if isinstance(placed, PageModel)]

    @property
    def trainings(self) -> list[PageTraining]:
        """Its trainings."""
        return [placed for placed in self.runs if isinstance(placed, PageTraining)]

    @property
    def leading(self) -> str:
        """The kind of results whose table and plot come first: a training before a comparison before a cost."""
        kinds = [(TRAIN_KIND, self.trainings), ("compare", self.comparisons), ("profile", self.profiles)]
        return next((kind for kind, runs in kinds if runs), MODEL_KIND)

    @cached_property
    def side_by_side(self) -> list[SideBySide]:
        """The comparisons and the profiles of operators, matched where there are several."""
        apart = (self.comparisons, self.profiles)
        return [SideBySide(tuple(runs), side_by_side([p.run.result for p in runs])) for runs in apart if len(runs) > 1]

    @property
    def takes_times_from_profiles(self) -> bool:
        """Whether a comparison shows a profile's times; it then names the fastest operator."""
        verdicts = (verdict for comparison in self.comparisons for verdict in comparison.verdicts)
        return any(verdict.cost and verdict.cost.profiled for verdict in verdicts)


def counted_operators(labels: Sequence[str], noun: str = "operator") -> str:
    """Return how many operators there are, and in how many variants if some have several sets of parameters:
    ``52 operators in 56 variants``.
    """
    count = len({name.partition(":")[0] for name in labels})
    variants = f" in {len(labels)} variants" if len(labels) > count else ""
    return f"{count} {noun}{'s' * (count != 1)}{variants}"


def unique(names: Iterable[str]) -> list[str]:
    """Return each name once, in their order."""
    return list(dict.fromkeys(names))
