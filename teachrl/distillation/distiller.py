"""A student that learns from labels: what its teacher would have done wherever it gets to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from teachrl.distillation.methods import Distillation
from teachrl.distillation.names import make_method, make_network
from teachrl.errors import InvalidHyperparameter, InvalidStudent
from teachrl.student import Policy, Student

if TYPE_CHECKING:
    from teachrl.classroom import Classroom
    from teachrl.distillation.engine import Engine


class Distiller(Student):
    """Lives rounds of a classroom whose teacher labels every step, and learns from the labels.

    What it keeps is its own view and the teacher's distributions, never the teacher's view, so that the teacher is
    asked once.

    Args:
        network: What it is made of, e.g. `teachrl_agents.Recurrent()`; anything with
            `build(observation_space, action_space, seed=)` that returns a module like `teachrl_agents.net.Net`, or its
            name.
        method: How it learns: `BC()`, `DAgger()`, `OnPolicy()` or a `Distillation(...)` of one's own, or its name.
        device: PyTorch's name of a device; `auto` takes a GPU where there is one.
        diagnose: Where the first teacher that labels sees another view, also train a companion that sees it, to tell
            how much of the loss is the view's. It costs up to a fifth more where gradients are most of the work, and
            changes nothing that is learned.
    """

    accepts = frozenset({"tasks", "starts", "subgoals", "rewards", "observations", "actions", "labels", "learn"})

    def __init__(self, network: Any, method: Any, device: str = "auto", diagnose: bool = True) -> None:
        self.network = network
        self.method = method
        self.device = device
        self.diagnose = diagnose
        self._engine: Engine | None = None

    @classmethod
    def references(cls, init_args: Mapping[str, Any]) -> str:
        """Returns the BibTeX entry of the method."""
        return make_method(init_args["method"]).bibtex if "method" in init_args else ""

    def validate(self, setup: Any) -> None:
        """Checks network and method.

        Raises:
            InvalidHyperparameter: If one of them is none, or has impossible arguments.
        """
        method = make_method(self.method)
        if not isinstance(method, Distillation):
            raise InvalidHyperparameter(
                f"Distiller.method is a Distillation, such as DAgger(), got {method!r}. Kickstart and KDRL make a "
                "student of their own: method.student(network)."
            )
        make_network(self.network)
        method.validate(setup)

    def begin(self, classroom: Classroom, seed: np.random.SeedSequence, total_steps: int) -> None:
        """Makes the network and its optimiser.

        Raises:
            InvalidStudent: If no teacher of the classroom gives labels.
            InvalidHyperparameter: If an argument is impossible.
        """
        from teachrl.distillation.engine import Engine

        self.validate(None)
        network, method = make_network(self.network), cast(Distillation, make_method(self.method))
        if "labels" not in classroom.channels and method.demonstrations is None:
            raise InvalidStudent(
                "A Distiller learns from labels, and no teacher here gives any. Add FromPolicy(policy) to them, or "
                "do not disable its channel labels."
            )
        self._engine = Engine(classroom, network, method, find_device(self.device), seed, total_steps, self.diagnose)

    @property
    def engine(self) -> Engine:
        """The network at work.

        Raises:
            InvalidStudent: Before `begin`.
        """
        if self._engine is None:
            raise InvalidStudent("This student has not begun: call begin(classroom, seed, total_steps) first.")
        return self._engine

    @property
    def granularity(self) -> int:
        """Environment steps of a round."""
        return self.engine.granularity

    def rehearse(self) -> None:
        """Chooses the objective by what teachers say, or reads the demonstrations, as the first `learn` would.

        Raises:
            TeachrlError: If labels or demonstrations do not fit.
        """
        self.engine.rehearse()

    def learn(self, steps: int) -> None:
        """Learns for `steps` more environment steps, rounded up to whole rounds."""
        self.engine.learn(steps)

    def extend(self, total_steps: int) -> None:
        """Makes the run longer; schedules are stretched over the new length, rounds stay as long as they are."""
        self.engine.extend(total_steps)

    @property
    def policy(self) -> Policy:
        """The policy as it is now, its observation normaliser included."""
        return self.engine.policy

    def scalars(self) -> dict[str, float]:
        """Returns the numbers of the last round.

        `proxy_loss`, `agreement`, `entropy` and `calibration_error` are of the states that were visited, before it
        learned from them; `loss` is what it was trained on; `taught` the share of steps that the teacher did.
        `privileged_loss` is that of a companion that sees what the teacher sees, and `privilege_gap` what the student
        loses beyond it.
        """
        return self.engine.scalars()

    def state_dict(self) -> dict[str, Any]:
        """Returns network, optimiser, memory, counters, generators and all that is kept, as data."""
        return self.engine.state_dict()

    def graduate_state(self) -> dict[str, Any]:
        """Returns what is needed to act: a `state_dict` without the labelled steps that it learns from."""
        return self.engine.state_dict(whole=False)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`, after `begin` with the same arguments; a longer run stays longer."""
        self.engine.load_state_dict(state)


def find_device(name: str) -> str:
    """Returns the device that is meant.

    Raises:
        InvalidHyperparameter: If it is not there.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=torch.device(name))
    except (RuntimeError, AssertionError, TypeError) as error:
        raise InvalidHyperparameter(f"The device {name!r} is not there: {error}. Pass device='auto'.") from error
    return name
