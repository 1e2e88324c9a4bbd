"""Every error a user can cause, each saying what was expected, what came and what to do.

TeachrlError
├── InvalidTask             a task outside its task space
├── InvalidTeacher          a teacher that breaks its contract, or two that cannot share a classroom
├── InvalidStudent          a student that cannot use what its teachers do
├── InvalidEnvironment      an environment that cannot be taught as asked
├── InvalidHyperparameter   a misspelt or ill-typed argument
├── UnknownName             no such teacher, student, env, suite, view or channel
├── NonFiniteData           NaN or infinity where numbers were expected
├── EnvironmentFailed       an environment raised, died or hung
├── InvalidRun              a run directory that cannot be used
├── InvalidStudy            a study that does not say what to compare, or a directory that is not a study's
├── TrialsFailed            a study of which some trials failed
├── LLMError                a language model that did not answer (`teachrl.llm.errors`)
│   ├── NotConfigured       no model, no key or a wrong one, no openai package, an address that may not be used
│   ├── Unavailable         an endpoint that is down, slow or overloaded, or does not know the model
│   ├── InvalidAnswer       not what was asked for, also after a repair
│   ├── BudgetSpent         a limit on calls, tokens or money
│   ├── CacheMiss           never answered before, and `mode="replay"`
│   └── SwitchedOff         `mode="off"`, or closed
└── ContractBroken          a class that a check of teachrl.testing refuses
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TeachrlError(Exception):
    """Base class of all errors of teachrl."""


class InvalidTask(TeachrlError, ValueError):
    """A task that is not in the task space of its environment."""


class InvalidTeacher(TeachrlError, ValueError):
    """A teacher that breaks its contract, or teachers that cannot share a classroom."""


class InvalidStudent(TeachrlError, ValueError):
    """A student that cannot use what its teachers do, or breaks its contract."""


class InvalidEnvironment(TeachrlError, ValueError):
    """An environment that cannot be taught as asked, or breaks its contract."""


class InvalidHyperparameter(TeachrlError, ValueError):
    """A hyperparameter that does not exist or has an impossible value."""


class NonFiniteData(TeachrlError, ValueError):
    """NaN or infinity among observations, rewards, lessons or labels."""


class EnvironmentFailed(TeachrlError, RuntimeError):
    """An environment raised, its worker died, or it did not answer in time."""


class InvalidRun(TeachrlError, ValueError):
    """A run directory that cannot be created, read or resumed."""


class InvalidStudy(TeachrlError, ValueError):
    """A study that does not say what to compare, or a directory that is not a study's."""


class TrialsFailed(TeachrlError, RuntimeError):
    """Some trials of a study failed; the others stand."""


class ContractBroken(TeachrlError, AssertionError):
    """A teacher, student or environment that does not keep its contract, found by `teachrl.testing`."""


class UnknownName(TeachrlError, ValueError):
    """A name that stands for nothing; the message offers the nearest ones.

    Args:
        kind: What the name should have named, e.g. `"teacher"`.
        name: The name that was given.
        known: The names that exist.
        hint: One more sentence on what to do.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        known = sorted(known)
        near = nearest(name, known)
        guess = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        listing = f" Known: {', '.join(known)}." if known else " None are known."
        super().__init__(f"There is no {kind} {name!r}.{guess}{listing}{' ' + hint if hint else ''}")


def nearest(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Returns the known names that look most like `name`, whatever their case, best first."""
    by_lower = {k.lower(): k for k in known}
    matches = difflib.get_close_matches(name.lower(), list(by_lower), n=most, cutoff=0.5)
    return [by_lower[m] for m in matches]
