"""Families against torch.distributions and numeric integration."""

import itertools
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from scipy import integrate
from torch import Tensor, distributions

from teachrl.distillation.families import (
    Bernoulli,
    Beta,
    Categorical,
    Family,
    Gaussian,
    MultiCategorical,
    SquashedGaussian,
    choose_family,
)
from teachrl.errors import InvalidHyperparameter

BOX = spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, 10.0]), dtype=np.float64)
LINE = spaces.Box(-3.0, 1.0, (1,), dtype=np.float64)
MANY = spaces.MultiDiscrete([3, 2, 4], start=[0, 5, 0])


def drawn(family: Family, *lead: int, seed: int = 0) -> dict[str, Tensor]:
    """Returns random parameters (*lead, width), float64."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name in family.fill:
        noise = torch.randn(*lead, family.width, generator=generator, dtype=torch.float64)
        found[name] = (
            (0.4 * noise).exp() + (0.5 if name in ("alpha", "beta") else 0) if name in family.positive else noise
        )
    return found


@pytest.mark.parametrize(
    ("space", "names", "kind"),
    [
        (spaces.Discrete(3), ["logits", "value"], Categorical),
        (MANY, ["logits"], MultiCategorical),
        (spaces.MultiBinary(4), ["logits"], Bernoulli),
        (BOX, ["std", "mean"], Gaussian),
        (BOX, ["pre_tanh_mean", "pre_tanh_std"], SquashedGaussian),
        (BOX, ["alpha", "beta"], Beta),
    ],
)
def test_a_family_is_chosen_by_space_and_names(space: Any, names: list[str], kind: type) -> None:
    assert type(choose_family(space, names)) is kind


def test_families_that_are_not_there_are_refused() -> None:
    with pytest.raises(InvalidHyperparameter, match=r"mean and std of a diagonal Gaussian.*Got \['logits'\]"):
        choose_family(BOX, ["logits"])
    with pytest.raises(InvalidHyperparameter, match="cannot be distilled"):
        choose_family(spaces.Dict(), ["logits"])
    with pytest.raises(InvalidHyperparameter, match="finite bounds"):
        choose_family(spaces.Box(-np.inf, np.inf, (2,)), ["alpha", "beta"])


def test_categorical_agrees_with_torch() -> None:
    family = Categorical(spaces.Discrete(5, start=2))
    p, q = drawn(family, 4, 3), drawn(family, 4, 3, seed=1)
    theirs, others = (distributions.Categorical(logits=x["logits"]) for x in (p, q))
    actions = torch.arange(12).reshape(4, 3) % 5
    torch.testing.assert_close(family.log_prob(p, actions + 2), theirs.log_prob(actions))
    torch.testing.assert_close(family.entropy(p), theirs.entropy())
    torch.testing.assert_close(family.kl(p, q), distributions.kl_divergence(theirs, others))
    torch.testing.assert_close(family.mode(p), theirs.probs.argmax(-1) + 2)


def test_multi_categorical_agrees_with_the_joint_distribution() -> None:
    family = MultiCategorical(MANY)
    p, q = drawn(family, 2), drawn(family, 2, seed=1)
    every = torch.tensor(list(itertools.product(range(3), range(5, 7), range(4))))
    joint = torch.stack([family.log_prob(p, a.expand(2, 3)) for a in every])
    other = torch.stack([family.log_prob(q, a.expand(2, 3)) for a in every])
    torch.testing.assert_close(joint.exp().sum(0), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(family.entropy(p), -(joint.exp() * joint).sum(0))
    torch.testing.assert_close(family.kl(p, q), (joint.exp() * (joint - other)).sum(0))
    torch.testing.assert_close(family.mode(p), every[joint.argmax(0)])


def test_bernoulli_agrees_with_torch() -> None:
    family = Bernoulli(spaces.MultiBinary(3))
    p, q = drawn(family, 6), drawn(family, 6, seed=1)
    theirs, others = (distributions.Bernoulli(logits=x["logits"]) for x in (p, q))
    actions = (drawn(family, 6, seed=2)["logits"] > 0).long()
    torch.testing.assert_close(family.log_prob(p, actions), theirs.log_prob(actions.double()).sum(-1))
    torch.testing.assert_close(family.entropy(p), theirs.entropy().sum(-1))
    torch.testing.assert_close(family.kl(p, q), distributions.kl_divergence(theirs, others).sum(-1))
    torch.testing.assert_close(family.floored(p, 0.1)["logits"].sigmoid(), 0.8 * p["logits"].sigmoid() + 0.1)


def test_gaussian_agrees_with_torch() -> None:
    family = Gaussian(BOX)
    p, q = drawn(family, 6), drawn(family, 6, seed=1)
    theirs, others = (distributions.Normal(x["mean"], x["std"]) for x in (p, q))
    actions = drawn(family, 6, seed=2)["mean"]
    torch.testing.assert_close(family.log_prob(p, actions), theirs.log_prob(actions).sum(-1))
    torch.testing.assert_close(family.entropy(p), theirs.entropy().sum(-1))
    torch.testing.assert_close(family.kl(p, q), distributions.kl_divergence(theirs, others).sum(-1))


def test_beta_agrees_with_torch() -> None:
    family = Beta(BOX)
    p, q = drawn(family, 6), drawn(family, 6, seed=1)
    theirs, others = (distributions.Beta(x["alpha"], x["beta"]) for x in (p, q))
    torch.testing.assert_close(family.kl(p, q), distributions.kl_divergence(theirs, others).sum(-1))
    scale = torch.tensor([4.0, 10.0], dtype=torch.float64)
    torch.testing.assert_close(family.entropy(p), (theirs.entropy() + scale.log()).sum(-1))
    x = torch.rand(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 0.9 + 0.05
    actions = x * scale + torch.tensor([-2.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(family.log_prob(p, actions), (theirs.log_prob(x) - scale.log()).sum(-1))
    torch.testing.assert_close(family.mode(p), theirs.mean * scale + torch.tensor([-2.0, 0.0], dtype=torch.float64))


@pytest.mark.parametrize("kind", [SquashedGaussian, Beta, Gaussian])
def test_densities_agree_with_numeric_integration(kind: type[Family]) -> None:
    family = kind(LINE)
    p = {
        n: v * (0.5 if n == "pre_tanh_mean" else 1) + (1 if n in ("alpha", "beta") else 0)
        for n, v in drawn(family, 1).items()
    }
    q = {n: v + 0.3 for n, v in p.items()}

    def density(parameters: dict[str, Tensor], a: float) -> float:
        return float(family.log_prob(parameters, torch.tensor([[a]], dtype=torch.float64)))

    bounds = (-12, 12) if kind is Gaussian else (-3 + 3e-4, 1 - 3e-4)  # densities stand still at the very edges
    integral = lambda f: integrate.quad(f, *bounds, limit=100, epsabs=1e-6)[0]  # noqa: E731
    assert integral(lambda a: np.exp(density(p, a))) == pytest.approx(1, abs=2e-3)
    assert integral(lambda a: -np.exp(density(p, a)) * density(p, a)) == pytest.approx(
        float(family.entropy(p)), abs=5e-3
    )
    kl = integral(lambda a: np.exp(density(p, a)) * (density(p, a) - density(q, a)))
    assert kl == pytest.approx(float(family.kl(p, q)), abs=5e-3)


@pytest.mark.parametrize("std", [0.05, 0.5, 2.0])
def test_the_entropy_of_a_squashed_gaussian(std: float) -> None:
    family = SquashedGaussian(LINE)
    u = np.linspace(-1.5 - 12 * std, -1.5 + 12 * std, 40_001)
    weights = np.exp(-0.5 * ((u + 1.5) / std) ** 2)
    slope = np.average(2 * (np.log(2) - u - np.logaddexp(0, -2 * u)), weights=weights)
    exact = np.log(std) + 0.5 * np.log(2 * np.pi * np.e) + slope + np.log(2)
    parameters = {"pre_tanh_mean": torch.full((1, 1), -1.5), "pre_tanh_std": torch.full((1, 1), std)}
    assert float(family.entropy({k: v.double() for k, v in parameters.items()})) == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize(
    ("space", "kind"),
    [
        (spaces.Discrete(4, start=-1), Categorical),
        (MANY, MultiCategorical),
        (spaces.MultiBinary([2, 2]), Bernoulli),
        (BOX, Gaussian),
        (BOX, SquashedGaussian),
        (spaces.Box(0.0, 5.0, (1, 2)), Beta),
    ],
)
def test_samples_lie_in_the_space_and_repeat_with_their_generator(
    space: gymnasium.Space[Any], kind: type[Family]
) -> None:
    family = kind(space)
    parameters = drawn(family, 50, 2)
    samples = [family.sample(parameters, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(*samples)
    assert samples[0].shape == (50, 2, *(space.shape or ()))
    for action in [*samples[0].flatten(0, 1), *family.mode(parameters).flatten(0, 1)]:
        assert space.contains(np.asarray(action.numpy(), dtype=space.dtype)[()])


@pytest.mark.parametrize(("space", "kind"), [(MANY, MultiCategorical), (LINE, SquashedGaussian), (LINE, Beta)])
def test_entropy_is_what_samples_say(space: gymnasium.Space[Any], kind: type[Family]) -> None:
    family = kind(space)
    one = drawn(family, 1)
    many = {k: v.expand(40_000, -1) for k, v in one.items()}
    samples = family.sample(many, torch.Generator().manual_seed(0))
    assert float(-family.log_prob(many, samples).mean()) == pytest.approx(float(family.entropy(one)), abs=0.03)


def test_units_are_half_ranges_where_there_are_bounds() -> None:
    box = spaces.Box(np.array([[-2.0, 0.0, -np.inf]]), np.array([[2.0, 10.0, np.inf]]), dtype=np.float64)
    family = Gaussian(box)
    actions = torch.tensor([[[1.0, 5.0, 7.0]], [[-9.0, 12.0, -7.0]]], dtype=torch.float64)
    units = torch.tensor([[0.5, 0.0, 7.0], [-1.0, 1.0, -7.0]], dtype=torch.float64)
    torch.testing.assert_close(family.to_unit(actions), units)
    torch.testing.assert_close(family.from_unit(units)[0], actions[0])
    assert not family.bounded


def test_labels_are_clipped_and_widened_in_units() -> None:
    family = Gaussian(BOX)
    given = {"mean": torch.tensor([[5.0, 4.0]]), "std": torch.tensor([[0.01, 2.0]])}
    found = family.widened(family.clipped(given), 0.1)
    torch.testing.assert_close(found["mean"], torch.tensor([[2.0, 4.0]]))
    torch.testing.assert_close(found["std"], torch.tensor([[0.2, 2.0]]))


def test_impossible_options_count_for_nothing() -> None:
    family = Categorical(spaces.Discrete(3))
    sure = {"logits": torch.tensor([0.0, -torch.inf, -torch.inf], requires_grad=True)}
    even = {"logits": torch.zeros(3, requires_grad=True)}
    assert family.kl(sure, even).item() == pytest.approx(np.log(3))
    assert family.entropy(sure).item() == 0
    loss = family.kl(sure, even) + family.jensen_shannon(sure, even, 0.5)
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(loss, [sure["logits"], even["logits"]]))
    floored = family.floored(sure, 0.01)["logits"].exp()
    torch.testing.assert_close(floored, torch.tensor([0.98, 0.01, 0.01]))
