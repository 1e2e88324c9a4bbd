"""Shares of hard and soft losses."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from teachrl.distillation import TGeo, Triangle, make_fusion
from teachrl.distillation.tgeo import features, group_means
from teachrl.distillation.weights import fuse
from teachrl.errors import InvalidHyperparameter, UnknownName
from teachrl.schedules import Moment

LOSSES = torch.zeros(2, 3)


def triangle(n: int, d: int, seed: int = 0) -> Triangle:
    generator = torch.Generator().manual_seed(seed)
    return Triangle(*(torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(4)))


def begun(d: int, **arguments: Any) -> TGeo:
    fusion = TGeo(**arguments)
    fusion.begin(d, torch.Generator().manual_seed(0))
    fusion.network.double()
    return fusion


def test_constant_and_scheduled_shares() -> None:
    assert torch.equal(make_fusion(0.3)(LOSSES), torch.full((2, 3), 0.3))
    ramp = make_fusion({"schedule": "linear", "from": 0, "to": 1, "until": 0.5})
    assert torch.equal(ramp(LOSSES, Moment(0.25)), torch.full((2, 3), 0.5))
    assert torch.equal(ramp(LOSSES, Moment(1.0)), torch.ones(2, 3))
    torch.testing.assert_close(fuse(torch.tensor(0.25), torch.tensor(4.0), torch.tensor(8.0)), torch.tensor(7.0))


def test_a_teacher_with_an_advantage_counts_for_more() -> None:
    alpha = make_fusion("advantage")(torch.zeros(4), advantages=torch.tensor([-2.0, 0.0, 0.0, 2.0]))
    torch.testing.assert_close(alpha, torch.sigmoid(torch.tensor([2.0**0.5, 0, 0, -(2.0**0.5)])))
    with pytest.raises(InvalidHyperparameter, match="needs the advantages"):
        make_fusion("advantage")(LOSSES)


def test_features_are_edges_and_lengths() -> None:
    s, t, g, m = (torch.tensor([v]) for v in ([0.0, 0.0], [3.0, 4.0], [0.0, 1.0], [1.0, 0.0]))
    expected = [3, 4, -3, -3, 0, 1, 1, 0, -1, 1, 5, 18**0.5, 1, 1, 2**0.5]
    torch.testing.assert_close(features(Triangle(s, t, g, m)), torch.tensor([expected]))


def test_group_means_leave_masked_samples_out() -> None:
    points = torch.tensor([[1.0], [3.0], [torch.nan], [7.0]])
    found = group_means(points, torch.tensor([4, 4, 4, 2]), torch.tensor([True, True, False, True]))
    assert found.flatten().tolist() == [2, 2, 2, 7]


def regression(n: int = 6, d: int = 2) -> tuple[dict[str, Tensor], Any, Any]:
    """Returns a linear student, whose hard losses are right and whose soft ones lead astray, and its validation."""
    generator = torch.Generator().manual_seed(1)
    x, v = (torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2))
    truth = torch.tensor([1.0, -2.0], dtype=torch.float64)
    weights = {"w": torch.zeros(d, dtype=torch.float64, requires_grad=True)}

    def losses(p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return (x @ p["w"] - x @ truth) ** 2, (x @ p["w"] + x @ truth) ** 2

    def validation(p: Mapping[str, Tensor]) -> Tensor:
        return ((v @ p["w"] - v @ truth) ** 2).mean()

    return weights, losses, validation


def test_the_gradient_through_the_student_s_step_is_that_of_finite_differences() -> None:
    weights, losses, validation = regression()
    fusion, points, mask = begun(3, hidden=4), triangle(6, 3), torch.tensor([True] * 5 + [False])
    with torch.no_grad():
        for i, parameter in enumerate(fusion.network.parameters()):
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(i))
    own = list(fusion.network.parameters())
    outer = fusion.unrolled(weights, losses, validation, points, mask, 0.05)
    for parameter, gradient in zip(own, torch.autograd.grad(outer, own), strict=True):
        flat = parameter.data.view(-1)
        ends = []
        for change in (1e-5, -1e-5):
            flat[0] += change
            ends.append(fusion.unrolled(weights, losses, validation, points, mask, 0.05).item())
            flat[0] -= change
        assert gradient.view(-1)[0].item() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-9)


def test_tgeo_learns_to_leave_a_misleading_teacher() -> None:
    weights, losses, validation = regression()
    fusion, points, mask = begun(3, learning_rate=0.02), triangle(6, 3), torch.ones(6, dtype=torch.bool)
    assert torch.equal(fusion(torch.zeros(6), triangle=points), torch.full((6,), 0.5))
    first = fusion.learn(weights, losses, validation, points, mask, 0.1)
    for _ in range(100):
        last = fusion.learn(weights, losses, validation, points, mask, 0.1)
    right = {"w": weights["w"] - 0.1 * torch.autograd.grad(losses(weights)[0].mean(), weights["w"])[0]}
    assert first > 1.1 * validation(right).item()
    assert last == pytest.approx(validation(right).item(), rel=0.05)  # a step on the hard losses alone
    assert fusion(torch.zeros(6), triangle=points).mean() > 0.8
    assert not weights["w"].any()


def test_tgeo_continues_from_its_state() -> None:
    weights, losses, validation = regression()
    points, mask = triangle(6, 3), torch.ones(6, dtype=torch.bool)
    one, other = begun(3), begun(3)
    one.learn(weights, losses, validation, points, mask, 0.1)
    other.load_state_dict(one.state_dict())
    for fusion in (one, other):
        fusion.learn(weights, losses, validation, points, mask, 0.1)
    assert torch.equal(one.alphas(points), other.alphas(points))


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("tgoe", UnknownName, "Did you mean 'tgeo'"),
        ({"name": "tgeo", "hiden": 3}, InvalidHyperparameter, "hiden"),
        ({"name": "tgeo", "learning_rate": 0}, InvalidHyperparameter, "above 0"),
        ({"name": "tgeo", "hidden": 1.5}, InvalidHyperparameter, "integer of at least 1"),
        ({"schedule": "linear"}, InvalidHyperparameter, "alpha"),
        ({"schedule": "linear", "from": 0, "to": 2}, InvalidHyperparameter, "alpha.*values from 0 to 2"),
        (3.0, InvalidHyperparameter, "alpha must be a number of at least 0 and at most 1"),
        (None, InvalidHyperparameter, "alpha"),
    ],
)
def test_what_is_no_fusion_is_refused(spec: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_fusion(spec)
