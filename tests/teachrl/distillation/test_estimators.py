"""Estimates of the reverse KL: as values, and the gradients that they have in expectation."""

import pytest
import torch
from gymnasium import spaces

from teachrl.distillation import choose_family, make_loss, make_targets
from teachrl.distillation.estimators import ESTIMATORS, distilled_episodes, distilled_steps
from teachrl.errors import InvalidHyperparameter

TEACHER = torch.tensor([0.5, -0.3, 0.1, 0.8], dtype=torch.float64)
STUDENT = torch.tensor([0.0, 0.4, -0.2, 0.3], dtype=torch.float64)
FAMILY = choose_family(spaces.Discrete(4), ["logits"])


def exact(estimator: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns expectation and expected gradient of an estimator, by summing over all actions."""
    z = STUDENT.clone().requires_grad_()
    probabilities = STUDENT.softmax(0)
    values = ESTIMATORS[estimator](z.log_softmax(0), TEACHER.log_softmax(0))
    loss = (probabilities * values).sum()
    return loss.detach(), torch.autograd.grad(loss, z)[0]


def divergence(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns a KL and its gradient."""
    z = STUDENT.clone().requires_grad_()
    p, q = {"logits": z}, {"logits": TEACHER}
    loss = FAMILY.kl(p, q) if name == "reverse" else FAMILY.kl(q, p)
    return loss.detach(), torch.autograd.grad(loss, z)[0]


def test_expected_gradients() -> None:
    torch.testing.assert_close(exact("k1")[1], torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(exact("k2")[1], divergence("reverse")[1])
    torch.testing.assert_close(exact("k3")[1], divergence("forward")[1])


def test_expected_values() -> None:
    reverse = divergence("reverse")[0]
    torch.testing.assert_close(exact("k1")[0], reverse)
    torch.testing.assert_close(exact("k3")[0], reverse)
    assert abs(exact("k2")[0] - reverse) > 1e-3


@pytest.mark.parametrize(("estimator", "name"), [("k2", "reverse"), ("k3", "forward")])
def test_gradients_from_samples_of_gaussians(estimator: str, name: str) -> None:
    box = spaces.Box(-3.0, 3.0, (1,))
    family = choose_family(box, ["mean", "std"])
    n = 400_000
    noise = torch.randn(n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, std = (torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (0.2, 0.8))
    teacher = {k: torch.full((1, 1), v, dtype=torch.float64) for k, v in (("mean", 0.5), ("std", 0.7))}
    targets = make_targets(box, torch.zeros(n, 1), {k: v.expand(n, 1) for k, v in teacher.items()}, dtype=torch.float64)
    executed = (mean + std * noise).detach()
    loss = make_loss({"name": "reverse_kl", "estimator": estimator})
    student = {"mean": mean.expand(n, 1), "std": std.expand(n, 1)}
    found = torch.autograd.grad(loss(family, student, targets, executed=executed), [mean, std])
    one = {"mean": mean.reshape(1, 1), "std": std.reshape(1, 1)}
    kl = family.kl(one, teacher) if name == "reverse" else family.kl(teacher, one)
    torch.testing.assert_close(found, torch.autograd.grad(kl.sum(), [mean, std]), atol=8e-3, rtol=0)


def test_estimates_need_actions_and_reach_across_squashed_families() -> None:
    box = spaces.Box(-1.0, 1.0, (2,))
    student = choose_family(box, ["alpha", "beta"])
    label = {"pre_tanh_mean": torch.zeros(5, 2), "pre_tanh_std": torch.ones(5, 2)}
    targets = make_targets(box, torch.zeros(5, 2), label)
    parameters = {"alpha": torch.full((5, 2), 2.0), "beta": torch.full((5, 2), 2.0)}
    loss = make_loss({"name": "reverse_kl", "estimator": "k2"})
    with pytest.raises(InvalidHyperparameter, match="needs the actions"):
        loss(student, parameters, targets)
    executed = student.sample(parameters, torch.Generator().manual_seed(0))
    gap = student.log_prob(parameters, executed) - targets.family.log_prob(label, executed)
    torch.testing.assert_close(loss.losses(student, parameters, targets, executed=executed), gap**2 / 2)
    gaussian = choose_family(box, ["mean", "std"])
    with pytest.raises(InvalidHyperparameter, match="reverse_kl is not defined"):
        loss.check(gaussian, targets.family)


def test_what_kdrl_distils() -> None:
    success = torch.tensor([True, False, False, False, True])
    groups = torch.tensor([7, 7, 3, 3, 9])
    assert distilled_episodes(success, None, "none").all()
    assert distilled_episodes(success, None, "response").tolist() == [False, True, True, True, False]
    assert distilled_episodes(success, groups, "group").tolist() == [False, False, True, True, False]
    steps = torch.tensor([[0, 1], [2, -1]])
    assert distilled_steps(distilled_episodes(success, None, "response"), steps).tolist() == [
        [False, True],
        [True, True],
    ]
    with pytest.raises(InvalidHyperparameter, match="belong together"):
        distilled_episodes(success, None, "group")
    with pytest.raises(InvalidHyperparameter, match="none, response, group"):
        distilled_episodes(success, None, "all")  # type: ignore[arg-type]
