"""Why a student falls short of its teacher, in words, out of what was measured.

There are four reasons, after the diagnostics of distillation: it cannot see what decides (the privilege gap), it has
not been where it gets to (covariate shift), it has not learned long enough (its loss still falls), or its teacher is
not what is wanted (teacher hacking, https://arxiv.org/abs/2502.02671).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

ALIKE = 0.95
"""Agreement above which a student does nearly all that its teacher does."""
NEAR = 0.01
"""Loss below which a student is nearly a copy of its teacher: of a divergence in nats, it bounds the mean difference of
probabilities by 0.07 (Pinsker)."""
SHIFT = 0.05
"""Agreement that is lost away from the teacher's paths, and matters."""
GAP = 0.3
"""Share of the loss that seeing what the teacher sees would take away, and matters."""
FALL = 0.15
"""Share of the loss that the last third of the run took away, and that tells of more to come."""
TOLD = 2


@dataclass(frozen=True, slots=True)
class Ending:
    """Where runs ended; NaN is what nothing tells.

    Attributes:
        agreement: With the teacher, where the student gets to.
        teacher_agreement: With the teacher, where the teacher gets to.
        loss: The distance to the teacher, where the student gets to.
        gap: Share of the loss that is gone for a student that sees what the teacher sees.
        fall: Share of the loss that went in the last third of the run.
        returns: The return in validation.
        best_return: The highest return in validation.
        alarms: Runs whose alarm was raised.
        runs: All runs.
    """

    agreement: float
    teacher_agreement: float
    loss: float
    gap: float
    fall: float
    returns: float
    best_return: float
    alarms: float
    runs: int

    @property
    def shift(self) -> float:
        """What the student loses of its agreement where it gets to itself."""
        return self.teacher_agreement - self.agreement

    @property
    def near(self) -> bool:
        """Whether there is hardly anything left to take over."""
        return self.agreement >= ALIKE or 0 <= self.loss < NEAR


def sentences(end: Ending) -> list[str]:
    """Returns how close the student came to its teacher, and the main reasons why not closer."""
    usual = () if end.near else (_shift(end), _gap(end), _fall(end))
    reasons = [text for text in (_hacking(end), *usual) if text][:TOLD]
    return [text for text in (_close(end), *(reasons or [_none(end)])) if text]


def _close(end: Ending) -> str:
    if isnan(end.agreement):
        return ""
    there = "" if isnan(end.teacher_agreement) else f", and by {end.teacher_agreement:.0%} where its teacher gets to"
    return f"The student's actions agree with its teacher's by {end.agreement:.0%} where it gets to itself{there}."


def _hacking(end: Ending) -> str:
    if not end.alarms:
        return ""
    where = "The alarm was raised" if end.runs == 1 else f"The alarm was raised in {end.alarms:.0f} of {end.runs} runs"
    return (
        f"{where}: the student came closer to its teacher while its return fell, to {_number(end.returns)} from "
        f"{_number(end.best_return)} at best. What it learns is its teacher's errors: take the best student of "
        "validation, fresh data, or a better teacher."
    )


def _shift(end: Ending) -> str:
    if isnan(end.shift) or end.shift < SHIFT:
        return ""
    return (
        f"It loses {100 * end.shift:.0f} points of agreement off its teacher's paths: it has not learned what to do "
        "where it gets to itself. Let it act and be corrected there (DAgger, OnPolicy), for longer."
    )


def _gap(end: Ending) -> str:
    if isnan(end.gap) or end.gap < GAP:
        return ""
    return (
        f"{min(end.gap, 1.0):.0%} of its loss would be gone if it saw what its teacher sees: what decides is hidden "
        "from it. Give it a memory or a longer one, a view that shows more, or rewards to learn from too (Kickstart)."
    )


def _fall(end: Ending) -> str:
    if isnan(end.fall) or end.fall < FALL:
        return ""
    return f"Its loss still falls, by {end.fall:.0%} in the last third: it has not learned long enough."


def _none(end: Ending) -> str:
    if end.agreement >= ALIKE:
        return "It does nearly all that its teacher does: where it falls short, so does its teacher."
    if end.near:
        return (
            f"Its loss is down to {end.loss:.2g}: it is nearly a copy of its teacher, and disagrees where "
            "that is unsure. Where it falls short, so does its teacher."
        )
    if isnan(end.agreement):
        return ""
    unseen = {"no shift": end.shift, "no gap": end.gap, "no loss that still falls": end.fall}
    known = ["no alarm", *(name for name, value in unseen.items() if not isnan(value))]
    return f"None of the usual reasons shows: {', '.join(known)}. A larger network may be needed."


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
