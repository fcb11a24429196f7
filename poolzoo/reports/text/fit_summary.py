"""The summary of a fit, in a few lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolzoo.analysis.results.schema import INTERPOLATE, window_words
from poolzoo.reports.text.words import rebuilt_words, scale_title, visible

if TYPE_CHECKING:
    from poolzoo.analysis.scoring.fitted_parameters import Fitted


def render_fit(fitted: Fitted) -> str:
    """Return the protocol, the training data, and the PSNR on the held-back tiles before and after the fit."""
    count = len(fitted.images)
    about = [
        fitted.spec,
        window_words(vars(fitted)),
        rebuilt_words(fitted.upsample, evenly=fitted.align == INTERPOLATE),
        scale_title(fitted.normalize),
        f"{count} image{'s' * (count != 1)} ({fitted.trained_on})",
        f"{fitted.tiles} training tiles of {fitted.side}x{fitted.side}, {fitted.held_back} held back",
    ]
    kept = (
        f"after {fitted.best_step} of {fitted.steps} steps"
        if fitted.best_step
        else f"nothing in {fitted.steps} steps was significantly better: the initial parameters are kept"
    )
    return (
        f"{visible(' · '.join(about))}\n\n"
        "state      PSNR dB of held-back tiles\n"
        f"untrained  {fitted.before:.3f}\n"
        f"fitted     {fitted.after:.3f}  {kept}\n"
    )
