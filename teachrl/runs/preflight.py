"""Labels before a run: whether what teachers say fits what their student does."""

from __future__ import annotations

from teachrl._labels import named
from teachrl.classroom import Classroom
from teachrl.errors import InvalidTeacher


def check_labels(classroom: Classroom) -> None:
    """Asks every labelling teacher about what a classroom shows, which is reset if it has not begun.

    The next step has the same labels. The classroom looks at actions, masks and what is finite; whether parameters are
    those of distributions over the action space is left to find out.

    Raises:
        InvalidTeacher: If a teacher fails on what it is shown, or its labels do not fit the action space.
        NonFiniteData: If a label that counts is NaN or infinite.
    """
    from teachrl.distillation.collecting import labellers
    from teachrl.distillation.targets import make_targets

    for teacher, labels in zip(labellers(classroom), classroom.ask(), strict=True):
        if labels.parameters:
            try:
                make_targets(classroom.single_action_space, labels.actions, labels.parameters, labels.mask)
            except InvalidTeacher as error:
                raise InvalidTeacher(f"{named(teacher)}: {error}") from error
