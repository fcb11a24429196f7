"""The protocol of each setting: what happens to an image, step by step, and how the numbers are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poolzoo.analysis.results.schema import CENTER, METRICS
from poolzoo.analysis.results.summary_records import Setting, Summary
from poolzoo.reports.page.section import Heading, Section
from poolzoo.reports.page.study import Study, unique
from poolzoo.reports.run_facts import RunFacts
from poolzoo.reports.text.compare_tables import placing_notes
from poolzoo.reports.text.words import (
    listed,
    scale_title,
    upsampler_title,
)

PLACE = 40

#: How an input is read, by the rows' ``input``.
READ = {
    "image": "An image is read as a viewer would show it, as RGB in [0, 1]",
    "video": "A video is read as a viewer would show it, as RGB in [0, 1], and pooled over time, height and width;"
    " pictures show its middle frame",
    "volume": "A volume is read as grey values, the smallest as 0 and the largest as 1, and pooled over three axes;"
    " pictures show its middle slice",
}


@dataclass(frozen=True)
class Steps:
    """A setting's steps; ``title`` names the setting if there are several."""

    title: str
    steps: tuple[str, ...]


def render(study: Study) -> Section | None:
    """Return a list of steps for each setting of each comparison."""
    protocols = [
        Steps(", ".join(placed.titles(setting)), tuple(protocol_steps(setting, placed.run, group)))
        for placed in study.comparisons
        for setting, group in placed.settings.items()
    ]
    return Section((Heading("protocol", "Protocol"),), {"protocols": protocols}, folded=True) if protocols else None


def protocol_steps(setting: Setting, run: RunFacts, group: Sequence[Summary]) -> list[str]:
    """Return the steps that an image goes through, and the definitions of the numbers."""
    kernel = f"It is pooled with {setting.window_words}"
    if setting.normalize == "none":
        scale = ""
        if any(summary.pool.startswith("softpool") for summary in group):
            scale = ": SoftPool depends on the scale of its input"
            scale += "" if setting.of_features else ", and on [0, 1] it is close to average pooling"
        pooled = [f"{kernel}, without normalisation{scale}."]
    else:
        pooled = [
            f"It is normalised by {setting.normalize}'s mean and deviation."
            if setting.normalize == "imagenet"
            else f"It is brought to another scale ({scale_title(setting.normalize)}).",
            f"{kernel}; normalisation is undone.",
        ]
    read = READ.get(setting.input, READ["image"])
    if setting.of_features:
        read = (
            "An image goes through the network, with the network's own preprocessing. The"
            f" {setting.input} are pooled on their own scale. A map's range is its largest value minus its smallest."
            " The pictures show the mean over its channels, scaled like the original's"
        )
    steps = [
        f"{read}. It is cropped to a multiple of the stride ({setting.stride}).",
        *pooled,
        "It is scored at its own size, against the cropped original, downscaled by antialiased bicubic resampling."
        if setting.protocol == "lowres"
        else f"It is upsampled to full size by {upsampler_title(setting.upsample)}"
        f"{'' if setting.upsample in ('nearest', 'optimal') else ' interpolation'} and scored against the cropped"
        " original.",
    ]
    if setting.is_misplaced:
        steps.append(
            "Upsampling takes the pooled values to lie evenly over the image (align interpolate). The windows do not,"
            " so that they score lower. With align center, the optimal decoder and low resolution they lie where they"
            " are."
        )
    elif setting.align == CENTER:
        steps.append(
            "Upsampling puts each pooled value at the centre of its window; operators that resample the whole image"
            " have a grid of their own."
        )
    if setting.protocol != "lowres":
        steps += [f"{note}." for note in placing_notes(run)]
    if setting.upsample == "optimal":
        fitted = unique(row["decoder_fitted_on"] for row in run.result.rows if row["decoder_fitted_on"])
        steps += [f"That decoder is fitted for each operator, on {listed(fitted, 2)}."] * bool(fitted)
        if run.decoder_images:
            names = listed(run.decoder_images, 24, "images")
            steps.append(f"Decoders are fitted by least squares on {names}, never on the image that is scored.")
    steps += [METRICS[key].sentence(features=setting.of_features) for key in run.metrics]
    return [*steps, *_averaging(group)]


def _averaging(group: Sequence[Summary]) -> list[str]:
    """Return how images are averaged, if there are several."""
    if max(summary.images for summary in group) < 2:
        return []
    scores = [score for summary in group for score in summary.scores.values()]
    seeds = any(summary.seeds for summary in group)
    said = [
        f"{'Seeds of one image are averaged first, then images' if seeds else 'Images are averaged'} with equal weight",
        *["intervals are bootstraps over images"] * any(score.interval for score in scores),
        *["differences to the baseline are paired by image"] * any(summary.is_baseline for summary in group),
    ]
    return [f"{'; '.join(said)}."]
