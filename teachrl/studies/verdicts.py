"""Contrasts in words."""

from __future__ import annotations

from teachrl.studies.comparison import EXPLORATORY, Contrast, Estimate
from teachrl.studies.intervals import LEVEL

SHARES = ("success_rate", "mastered")
"""Metrics that are shares, told in percentage points."""
UNDECIDED = "no difference was shown"


def verdict(first: str, second: str, difference: Estimate, decided: bool) -> str:
    """Returns what a contrast says, without numbers.

    Args:
        first: Label of the first variant.
        second: Label of the second.
        difference: First minus second.
        decided: Whether there are seeds enough and the difference was shown.
    """
    if difference.n == 0:
        return "no seed at which both ended"
    if difference.n < EXPLORATORY:
        return f"exploratory: {_seeds(difference.n)}, no winner is named"
    if not decided:
        return UNDECIDED
    return f"{first} is better than {second}" if difference.value > 0 else f"{second} is better than {first}"


def sentence(contrast: Contrast, metric: str, contrasts: int) -> str:
    """Returns a contrast as a sentence with its numbers.

    Args:
        contrast: The contrast.
        metric: Name of the metric.
        contrasts: How many were declared, in all cells.
    """
    first, second, gap = contrast.variant, contrast.other, contrast.difference
    if gap.n == 0:
        return f"Nothing can be said of {first} and {second} yet: {contrast.verdict}."
    if gap.n < EXPLORATORY:
        return (
            f"Exploratory, {_seeds(gap.n)}: {_signed(first, second, gap, metric)}. Fewer than {EXPLORATORY} seeds name "
            "no winner."
        )
    p = _p(contrast, contrasts)
    if contrast.verdict == UNDECIDED:
        return f"No difference was shown between {first} and {second}: {_signed(first, second, gap, metric)}, {p}."
    if gap.value < 0:
        first, second, gap = second, first, Estimate(-gap.value, -gap.high, -gap.low, gap.n)
    size = f"{_number(gap.value, metric)}{' points' if metric in SHARES else ''}"
    ends = f"[{_number(gap.low, metric)}, {_number(gap.high, metric)}]"
    said = {
        "mastered": f"{first} masters {size} more than {second}",
        "success_rate": f"{first} succeeds {size} more often than {second}",
    }.get(metric, f"{metric} of {first} is {size} higher than of {second}")
    return f"{said} {ends}, {p}: {first} is better."


def _signed(first: str, second: str, gap: Estimate, metric: str) -> str:
    unit = " points" if metric in SHARES else ""
    size = f"{first} minus {second} is {_number(gap.value, metric)}{unit}"
    if gap.n < 2:
        return f"{size}, without an interval"
    return f"{size} [{_number(gap.low, metric)}, {_number(gap.high, metric)}]"


def _number(x: float, metric: str) -> str:
    scaled = 100 * x if metric in SHARES else x
    text = f"{scaled:.1f}" if metric in SHARES or abs(scaled) >= 10 else f"{scaled:.3g}"
    return "0.0" if text == "-0.0" else text


def _p(contrast: Contrast, contrasts: int) -> str:
    """Returns the p that decides; also the one before correction where the correction is what decides."""
    if contrasts == 1:
        return f"p {_p_text(contrast.p)}"
    if contrast.p <= LEVEL < contrast.p_holm:
        return f"p {_p_text(contrast.p)}, {_p_text(contrast.p_holm).removeprefix('= ')} after Holm's correction"
    return f"p {_p_text(contrast.p_holm)} (Holm)"


def _p_text(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


def _seeds(n: int) -> str:
    return "1 seed" if n == 1 else f"{n} seeds"
