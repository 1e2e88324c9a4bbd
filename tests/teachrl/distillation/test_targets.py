"""Labels as tensors: what is refused, and what masked rows hold."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from gymnasium import spaces

from teachrl.distillation import make_loss, make_targets
from teachrl.errors import InvalidTeacher, NonFiniteData

BOX = spaces.Box(-1.0, 1.0, (2,))


def labels() -> dict[str, np.ndarray]:
    return {"mean": np.zeros((3, 4, 2)), "std": np.ones((3, 4, 2))}


def test_nan_in_a_label_that_counts_is_refused() -> None:
    parameters = labels()
    parameters["mean"][1, 2, 0] = np.nan
    with pytest.raises(NonFiniteData, match=r"'mean': 1 of 12 labels, the first at \(1, 2\).*normaliser"):
        make_targets(BOX, np.zeros((3, 4, 2)), parameters)
    actions = np.zeros((3, 4, 2))
    actions[0, 1] = np.inf
    with pytest.raises(NonFiniteData, match="'actions'"):
        make_targets(BOX, actions)
    with pytest.raises(NonFiniteData, match="'logits'"):
        make_targets(spaces.Discrete(2), np.zeros(2, dtype=int), {"logits": np.array([[0.0, 1.0], [np.nan, 0.0]])})


@pytest.mark.parametrize("name", ["nll", "mse", "huber", "forward_kl", "reverse_kl", "balanced"])
def test_rows_without_a_label_may_hold_anything_and_give_no_gradient(name: str) -> None:
    parameters = labels()
    mask = np.ones((3, 4), dtype=bool)
    mask[1, 2] = mask[0, 0] = False
    actions = np.zeros((3, 4, 2))
    for array in (*parameters.values(), actions):
        array[~mask] = np.nan
    targets = make_targets(BOX, actions, parameters, mask)
    mean = torch.full((3, 4, 2), 0.5, requires_grad=True)
    loss = make_loss(name)(targets.family, {"mean": mean, "std": torch.ones(3, 4, 2)}, targets)
    gradient = torch.autograd.grad(loss, mean)[0]
    assert torch.isfinite(gradient).all()
    assert (gradient[~torch.as_tensor(mask)] == 0).all()
    assert (gradient[torch.as_tensor(mask)] > 0).all()


def test_labels_that_do_not_fit_the_space_are_refused() -> None:
    with pytest.raises(InvalidTeacher, match=r"'mean'.*\(\.\.\., 2\), got \(3, 4, 5\)"):
        make_targets(BOX, np.zeros((3, 4, 2)), {"mean": np.zeros((3, 4, 5)), "std": np.ones((3, 4, 5))})
    with pytest.raises(InvalidTeacher, match=r"actions of shape"):
        make_targets(BOX, np.zeros((3, 4)))
    with pytest.raises(InvalidTeacher, match="mask"):
        make_targets(BOX, np.zeros((3, 4, 2)), None, np.ones((3, 1), dtype=bool))
    with pytest.raises(InvalidTeacher, match="above 0"):
        make_targets(BOX, np.zeros((3, 4, 2)), {**labels(), "std": np.zeros((3, 4, 2))})
    with pytest.raises(InvalidTeacher, match="1 of 2 are not"):
        make_targets(spaces.Discrete(3), np.array([0, 3]))
    with pytest.raises(InvalidTeacher, match="all logits of a row are -inf"):
        make_targets(spaces.Discrete(2), np.array([0]), {"logits": np.full((1, 2), -np.inf)})
    with pytest.raises(InvalidTeacher, match="1 of 2 are between two"):
        make_targets(spaces.Discrete(3), np.array([0.7, 1.0]))
    with pytest.raises(InvalidTeacher, match="actions in numbers"):
        make_targets(spaces.Discrete(3), np.array(["left"]))
    with pytest.raises(InvalidTeacher, match="a diagonal Gaussian"):
        make_targets(BOX, np.zeros((1, 2)), {"logits": np.zeros((1, 2))})


def test_each_choice_of_several_needs_an_option() -> None:
    logits, several = np.array([[0.0, 0.0, -np.inf, -np.inf, -np.inf]]), spaces.MultiDiscrete([2, 3])
    with pytest.raises(InvalidTeacher, match="all of one of its choices"):
        make_targets(several, np.zeros((1, 2), int), {"logits": logits})
    logits[0, 4] = 0.0
    assert make_targets(several, np.zeros((1, 2), int), {"logits": logits}).parameters is not None
    off = {"logits": np.full((1, 2), -np.inf)}
    assert make_targets(spaces.MultiBinary(2), np.zeros((1, 2), int), off).parameters is not None


def test_choices_keep_their_offset_where_masked_out() -> None:
    targets = make_targets(spaces.Discrete(3, start=5), np.array([6, 99]), None, np.array([True, False]))
    assert targets.actions.tolist() == [6, 5]
    assert targets[:1].mask.tolist() == [True]


def test_the_package_leaves_torch_out_until_it_is_used() -> None:
    command = "import sys, teachrl.distillation as d, teachrl.schedules; print('torch' in sys.modules, len(dir(d)))"
    output = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert output.stdout.split()[0] == "False"
