"""Every loss against its formula, its gradient against finite differences, and which pairs of families have it."""

import math
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from teachrl.configurable import to_config
from teachrl.distillation import LOSSES, Balanced, Loss, available, choose_family, make_loss, make_targets
from teachrl.distillation.families import FAMILIES, Family
from teachrl.distillation.loss import masked_mean
from teachrl.errors import InvalidHyperparameter, NonFiniteData, UnknownName
from teachrl.schedules import Moment

BOX = spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, 10.0]), dtype=np.float64)
SPACES: dict[str, gymnasium.Space[Any]] = {
    "Categorical": spaces.Discrete(4, start=1),
    "MultiCategorical": spaces.MultiDiscrete([3, 4]),
    "Bernoulli": spaces.MultiBinary(3),
    "Gaussian": BOX,
    "SquashedGaussian": BOX,
    "Beta": BOX,
}
KINDS = {cls.__name__: cls for cls in FAMILIES}


def drawn(family: Family, *lead: int, seed: int = 0) -> dict[str, Tensor]:
    """Returns random parameters (*lead, width), float64, with means inside the action space."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name in family.fill:
        noise = torch.randn(*lead, family.width, generator=generator, dtype=torch.float64)
        found[name] = (0.3 * noise).exp() + 0.5 if name in family.positive else noise.clamp(-1, 1) + (name == "mean")
    return found


def sides(student: str, teacher: str | None, n: int = 6, **given: Any) -> tuple[Family, dict[str, Tensor], Any]:
    """Returns a student's family and parameters, and labels of a teacher, or bare actions."""
    space = SPACES[student]
    family = KINDS[student](space)
    other = KINDS[teacher](space) if teacher else family
    parameters = drawn(other, n, seed=1)
    actions = other.sample(parameters, torch.Generator().manual_seed(2))
    targets = make_targets(space, actions, parameters if teacher else None, dtype=torch.float64, **given)
    return family, drawn(family, n), targets


def pairs() -> list[tuple[str, str, str | None]]:
    """Returns (loss, student, teacher) for everything that is defined."""
    found: list[tuple[str, str, str | None]] = []
    for student, space in SPACES.items():
        for teacher in (*KINDS, None):
            if teacher is None or KINDS[teacher].accepts(space):
                other = KINDS[teacher](space) if teacher else None
                found += [(name, student, teacher) for name in available(KINDS[student](space), other)]
    return found


@pytest.mark.parametrize(("name", "student", "teacher"), pairs())
def test_gradients_are_those_of_finite_differences(name: str, student: str, teacher: str | None) -> None:
    family, parameters, targets = sides(student, teacher, 3)
    loss: Loss = Balanced(steepness=0.0) if name == "balanced" else make_loss(name)  # the weight has no gradient
    leaves = [v.requires_grad_() for v in parameters.values()]

    def losses(*values: Tensor) -> Tensor:
        return loss.losses(family, dict(zip(family.fill, values, strict=True)), targets)

    assert losses(*leaves).shape == (3,)
    assert torch.autograd.gradcheck(losses, leaves, atol=1e-6)
    assert any(
        (g != 0).any() for g in torch.autograd.grad(losses(*leaves).sum(), leaves, allow_unused=True) if g is not None
    )


@pytest.mark.parametrize("options", [{"temperature": 3.0}, {"standardize": True, "temperature": 2.0}])
@pytest.mark.parametrize("name", ["forward_kl", "reverse_kl", "js"])
def test_gradients_of_softened_logits(name: str, options: dict[str, Any]) -> None:
    family, parameters, targets = sides("MultiCategorical", "MultiCategorical", 3)
    loss = make_loss({"name": name, **options})
    logits = parameters["logits"].requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss.losses(family, {"logits": z}, targets), [logits], atol=1e-6)


@pytest.mark.parametrize(("name", "kind"), [(n, s) for n, s, t in pairs() if s == t and n != "nll"])
def test_a_student_that_equals_its_teacher_has_nothing_to_learn(name: str, kind: str) -> None:
    family, _, targets = sides(kind, kind)
    parameters = {k: v.clone().requires_grad_() for k, v in targets.parameters.items()}
    arguments = {"floor": 0.0} if name in ("reverse_kl", "balanced") else {}
    loss = make_loss({"name": name, **arguments})(family, parameters, targets)
    assert abs(loss.item()) < 1e-12
    for gradient in torch.autograd.grad(loss, list(parameters.values()), allow_unused=True):
        assert gradient is None or gradient.abs().max() < 1e-9


def test_categorical_gradients_in_closed_form() -> None:
    family, parameters, targets = sides("Categorical", "Categorical")
    z = parameters["logits"].requires_grad_()
    p_s, p_t = z.detach().softmax(-1), targets.parameters["logits"].softmax(-1)
    forward = torch.autograd.grad(make_loss("forward_kl").losses(family, {"logits": z}, targets).sum(), z)[0]
    torch.testing.assert_close(forward, p_s - p_t)
    exact = make_loss({"name": "reverse_kl", "floor": 0})
    ratio = p_s.log() - p_t.log()
    reverse = torch.autograd.grad(exact.losses(family, {"logits": z}, targets).sum(), z)[0]
    torch.testing.assert_close(reverse, p_s * (ratio - (p_s * ratio).sum(-1, keepdim=True)))
    nll = torch.autograd.grad(make_loss("nll").losses(family, {"logits": z}, targets).sum(), z)[0]
    torch.testing.assert_close(nll, p_s - torch.nn.functional.one_hot(targets.actions - 1, 4).double())


def test_gaussian_gradients_in_closed_form() -> None:
    family, parameters, targets = sides("Gaussian", "Gaussian")
    mean, std = parameters["mean"].requires_grad_(), parameters["std"].requires_grad_()
    m_t, s_t = targets.parameters["mean"], targets.parameters["std"]
    forward = make_loss("forward_kl").losses(family, {"mean": mean, "std": std}, targets).sum()
    by_mean, by_std = torch.autograd.grad(forward, [mean, std])
    torch.testing.assert_close(by_mean, ((mean - m_t) / std**2).detach())
    torch.testing.assert_close(by_std, (1 / std - (s_t**2 + (mean - m_t) ** 2) / std**3).detach())
    reverse = make_loss("reverse_kl").losses(family, {"mean": mean, "std": std}, targets).sum()
    torch.testing.assert_close(torch.autograd.grad(reverse, mean)[0], ((mean - m_t) / s_t**2).detach())


@pytest.mark.parametrize("name", ["forward_kl", "reverse_kl"])
def test_a_high_temperature_compares_centred_logits(name: str) -> None:
    family, parameters, targets = sides("Categorical", "Categorical")
    z = parameters["logits"].requires_grad_()
    hot = make_loss({"name": name, "temperature": 1e4, **({"floor": 0} if name == "reverse_kl" else {})})
    losses, limit = (
        hot.losses(family, {"logits": z}, targets),
        make_loss("mse").losses(family, {"logits": z}, targets) / 2,
    )
    torch.testing.assert_close(losses, limit, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(
        torch.autograd.grad(losses.sum(), z)[0], torch.autograd.grad(limit.sum(), z)[0], rtol=1e-3, atol=1e-5
    )


def test_a_temperature_can_follow_a_schedule() -> None:
    family, parameters, targets = sides("Categorical", "Categorical")
    loss = make_loss({"name": "forward_kl", "temperature": {"schedule": "linear", "from": 4, "to": 1}})
    for progress, tau in ((0.0, 4.0), (1.0, 1.0)):
        fixed = make_loss({"name": "forward_kl", "temperature": tau})
        expected = fixed.losses(family, parameters, targets)
        torch.testing.assert_close(loss.losses(family, parameters, targets, Moment(progress)), expected)
    with pytest.raises(InvalidHyperparameter, match="above 0"):
        make_loss({"name": "js", "temperature": {"schedule": "linear", "from": 4}})


def test_standardised_logits_have_no_size() -> None:
    family, parameters, targets = sides("Categorical", "Categorical")
    loss = make_loss({"name": "forward_kl", "standardize": True, "temperature": 2})
    scaled = {"logits": 5 * parameters["logits"] + 3}
    torch.testing.assert_close(loss(family, parameters, targets), loss(family, scaled, targets), rtol=1e-5, atol=1e-8)
    z_s, z_t = (
        (z - z.mean(-1, keepdim=True)) / z.std(-1, keepdim=True) / 2
        for z in (parameters["logits"], targets.parameters["logits"])
    )
    p = z_t.softmax(-1)
    expected = 4 * (p * (z_t.log_softmax(-1) - z_s.log_softmax(-1))).sum(-1)
    torch.testing.assert_close(loss.losses(family, parameters, targets), expected, rtol=1e-5, atol=1e-8)
    pair, _, few = sides("Bernoulli", "Bernoulli")
    with pytest.raises(InvalidHyperparameter, match="three options"):
        loss.check(pair, few.family)


def test_impossible_options_cannot_be_standardised() -> None:
    family = choose_family(spaces.Discrete(3), ["logits"])
    targets = make_targets(family.space, np.zeros(1, int), {"logits": np.array([[0.0, 1.0, -np.inf]])})
    loss = make_loss({"name": "forward_kl", "standardize": True})
    with pytest.raises(NonFiniteData, match="Set standardize to false"):
        loss(family, {"logits": torch.zeros(1, 3)}, targets)


@pytest.mark.parametrize("kind", ["Categorical", "Bernoulli"])
def test_jensen_shannon_lies_between_the_two_kls(kind: str) -> None:
    family, parameters, targets = sides(kind, kind)
    for alpha, name in ((1e-6, "forward_kl"), (1 - 1e-6, "reverse_kl")):
        js = make_loss({"name": "js", "alpha": alpha}).losses(family, parameters, targets) / min(alpha, 1 - alpha)
        torch.testing.assert_close(js, make_loss(name).losses(family, parameters, targets), rtol=1e-3, atol=1e-4)
    assert make_loss("js").losses(family, parameters, targets).max() < family.width * math.log(2)
    swapped = make_targets(family.space, targets.actions, parameters, dtype=torch.float64)
    mirrored = make_loss("js").losses(family, targets.parameters, swapped)
    torch.testing.assert_close(make_loss("js").losses(family, parameters, targets), mirrored)


def test_balanced_weights_follow_the_entropy_gap() -> None:
    family = choose_family(spaces.Discrete(3), ["logits"])
    teacher = torch.tensor([[2.0, 0, 0], [2.0, 0, 0], [2.0, 0, 0]])
    student = torch.tensor([[0, 2.0, 0], [0, 9.0, 0], [0, 0, 0.0]])  # as sure, surer, less sure
    targets = make_targets(family.space, np.zeros(3, int), {"logits": teacher})
    loss = Balanced(steepness=2.0)
    weights = loss.forward_weights(family, {"logits": student}, targets)
    assert weights[0].item() == pytest.approx(0.5)
    assert weights[1] > 0.6
    assert weights[2] < 0.4
    gap = family.entropy({"logits": teacher}) - family.entropy({"logits": student})
    torch.testing.assert_close(weights, torch.sigmoid(2.0 * gap))
    both = [make_loss(n).losses(family, {"logits": student}, targets) for n in ("forward_kl", "reverse_kl")]
    expected = weights * both[0] + (1 - weights) * both[1]
    torch.testing.assert_close(loss.losses(family, {"logits": student}, targets), expected)


def test_a_reverse_kl_is_finite_where_the_teacher_never_goes() -> None:
    family = choose_family(spaces.Discrete(3), ["logits"])
    targets = make_targets(family.space, np.zeros(1, int), {"logits": np.array([[0.0, -np.inf, -np.inf]])})
    even = {"logits": torch.zeros(1, 3)}
    expected = -math.log(3) - (math.log(1 - 2e-6) + 2 * math.log(1e-6)) / 3
    assert make_loss("reverse_kl")(family, even, targets).item() == pytest.approx(expected, rel=1e-5)
    with pytest.raises(NonFiniteData, match="probability 0"):
        make_loss("mse")(family, even, targets)


def test_a_converged_teacher_is_widened_and_an_outlying_one_clipped() -> None:
    family = choose_family(BOX, ["mean", "std"])
    label = {"mean": np.array([[7.0, 5.0]]), "std": np.array([[0.01, 0.01]])}
    targets = make_targets(BOX, np.array([[2.0, 5.0]]), label, dtype=torch.float64)
    student = {"mean": torch.tensor([[0.0, 0.0]]).double(), "std": torch.tensor([[1.0, 1.0]]).double()}
    tame = {"mean": torch.tensor([[2.0, 5.0]]).double(), "std": torch.tensor([[0.2, 0.5]]).double()}
    torch.testing.assert_close(make_loss("reverse_kl").losses(family, student, targets), family.kl(student, tame))
    torch.testing.assert_close(make_loss("forward_kl").losses(family, student, targets), family.kl(tame, student))
    wild = make_loss({"name": "reverse_kl", "clip": False, "least_std": 0})
    torch.testing.assert_close(wild.losses(family, student, targets), family.kl(student, targets.parameters))


def test_mixed_families_compare_actions_in_units() -> None:
    student = choose_family(BOX, ["mean", "std"])
    label = {"pre_tanh_mean": torch.tensor([[0.5, -20.0]]), "pre_tanh_std": torch.ones(1, 2)}
    targets = make_targets(BOX, np.array([[0.0, 0.0]]), label)
    parameters = {"mean": torch.tensor([[1.0, 10.0]]), "std": torch.ones(1, 2)}
    expected = ((0.5 - math.tanh(0.5)) ** 2 + (1.0 + 1.0) ** 2) / 2
    assert make_loss("mse")(student, parameters, targets).item() == pytest.approx(expected, rel=1e-3)
    assert make_loss("huber")(student, parameters, targets).item() == pytest.approx(
        ((0.5 - math.tanh(0.5)) ** 2 / 2 + 2 - 0.5) / 2, rel=1e-3
    )
    with pytest.raises(InvalidHyperparameter, match="a squashed Gaussian and a student.*has nll, mse, huber"):
        make_loss("forward_kl")(student, parameters, targets)


def test_labels_outside_the_space_are_clipped_before_any_loss() -> None:
    outside, edge = (make_targets(BOX, np.array([[9.0, x]]), dtype=torch.float64) for x in (-3.0, 0.0))
    for name in ("mean", "std"), ("pre_tanh_mean", "pre_tanh_std"), ("alpha", "beta"):
        family = choose_family(BOX, name)
        parameters = drawn(family, 1)
        for loss in map(make_loss, ("nll", "mse", "huber")):
            found = loss(family, parameters, outside)
            assert torch.isfinite(found)
            torch.testing.assert_close(found, loss(family, parameters, edge))


def test_a_likelihood_does_not_reward_a_vanishing_spread() -> None:
    family = choose_family(BOX, ["mean", "std"])
    targets = make_targets(BOX, np.array([[1.0, 2.0]]))
    mean = torch.tensor([[1.0, 2.0]])
    values = [make_loss("nll")(family, {"mean": mean, "std": torch.full((1, 2), s)}, targets) for s in (1e-3, 1e-6)]
    assert values[0] == values[1]
    bonus = make_loss({"name": "nll", "entropy_weight": 0.1})(family, {"mean": mean, "std": torch.ones(1, 2)}, targets)
    plain = make_loss("nll")(family, {"mean": mean, "std": torch.ones(1, 2)}, targets)
    entropy = family.entropy({"mean": mean, "std": torch.ones(1, 2)})[0]
    torch.testing.assert_close(bonus, plain - 0.1 * entropy)


def test_the_mean_is_that_of_the_labels_that_count() -> None:
    losses = torch.tensor([[1.0, 2.0], [3.0, torch.nan]], requires_grad=True)
    mask = torch.tensor([[True, False], [True, False]])
    mean = masked_mean(losses, mask)
    assert mean.item() == 2.0
    torch.testing.assert_close(torch.autograd.grad(mean, losses)[0], torch.tensor([[0.5, 0], [0.5, 0]]))
    assert masked_mean(losses, mask, torch.tensor([[2.0, 0], [0, 0]])).item() == 1.0
    assert masked_mean(losses, torch.zeros_like(mask)).item() == 0.0


def test_pairs_have_the_losses_that_are_defined_for_them() -> None:
    one = choose_family(spaces.Discrete(3), ["logits"])
    assert available(one, one) == list(LOSSES)
    assert available(one, None) == ["nll"]
    gaussian = choose_family(BOX, ["mean", "std"])
    assert available(gaussian, gaussian) == [n for n in LOSSES if n != "js"]
    assert available(gaussian, choose_family(BOX, ["alpha", "beta"])) == ["nll", "mse", "huber"]
    with pytest.raises(InvalidHyperparameter, match="bare actions.*has nll"):
        make_loss("mse").check(one, None)
    with pytest.raises(InvalidHyperparameter, match="about logits"):
        make_loss({"name": "forward_kl", "temperature": 2}).check(gaussian, gaussian)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_come_from_plain_data_and_go_back(name: str) -> None:
    loss = make_loss(name)
    assert type(make_loss(to_config(loss))) is type(loss)
    assert make_loss(to_config(loss)).init_args == loss.init_args
    assert type(make_loss(type(loss).__name__)) is type(loss)
    assert make_loss(loss) is loss


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("forwardkl", UnknownName, "Did you mean 'forward_kl'"),
        ({"name": "js", "alfa": 0.5}, InvalidHyperparameter, "Did you mean alpha"),
        ({"name": "js", "alpha": 1}, InvalidHyperparameter, "above 0 and below 1"),
        ({"name": "huber", "delta": 0}, InvalidHyperparameter, "above 0"),
        ({"name": "reverse_kl", "estimator": "k4"}, InvalidHyperparameter, "exact, k1, k2, k3"),
        ({"name": "nll", "least_std": "much"}, InvalidHyperparameter, "at least 0"),
        (
            {"name": "js", "standardize": "yes"},
            InvalidHyperparameter,
            "JensenShannon.standardize must be true or false",
        ),
        ({"name": "js", "temperature": {"schedule": "success"}}, InvalidHyperparameter, "temperature"),
        ({"alpha": 1}, InvalidHyperparameter, "A loss is a name"),
        ("teachrl.seeds.SeedTree", UnknownName, "class"),
        ("teachrl.student.Student", InvalidHyperparameter, "not a loss"),
    ],
)
def test_what_is_no_loss_is_refused(spec: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_loss(spec)
