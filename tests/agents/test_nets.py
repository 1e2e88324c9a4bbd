"""Networks: spaces, memory, initial weights, normaliser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from teachrl.errors import InvalidHyperparameter, InvalidStudent
from teachrl_agents import CNN, MLP, Recurrent
from teachrl_agents.encoders import mapped
from teachrl_agents.heads import draw, make_family
from teachrl_agents.memory import Memory
from teachrl_agents.net import to_tensors
from teachrl_agents.nets import Network, network_for
from teachrl_agents.normaliser import Normaliser

GRID = spaces.Dict({"image": spaces.Box(0, 10, (7, 7, 3), np.uint8), "direction": spaces.Discrete(4)})
VECTOR = spaces.Box(-1, 1, (5,), np.float32)
FAMILIES = {
    "categorical": (spaces.Discrete(4, start=2), "auto"),
    "multi": (spaces.MultiDiscrete([3, 2]), "auto"),
    "bernoulli": (spaces.MultiBinary(3), "auto"),
    "gaussian": (spaces.Box(-2, 4, (2,)), "auto"),
    "squashed": (spaces.Box(-2, 4, (2,)), "squashed"),
    "beta": (spaces.Box(-2, 4, (2,)), "beta"),
}


def sampled(space: spaces.Space[Any], steps: int, n: int) -> Any:
    space.seed(0)
    rows = [space.sample() for _ in range(steps * n)]
    stacked = {k: np.stack([r[k] for r in rows]) for k in rows[0]} if isinstance(rows[0], dict) else np.stack(rows)
    return mapped(to_tensors(stacked), lambda x: x.unflatten(0, (steps, n)))


def at(observations: Any, t: int) -> Any:
    return mapped(observations, lambda x: x[t : t + 1])


@pytest.mark.parametrize("cell", ["gru", "lstm", "packed gru"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 1.0])
def test_a_whole_sequence_equals_its_steps_one_by_one(cell: str, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    if cell == "packed gru":
        monkeypatch.setattr("teachrl_agents.memory.PADDING", 0)
        cell = "gru"
    steps, n, generator = 13, 4, torch.Generator().manual_seed(1)
    net = Recurrent(hidden=8, vectors=(8,), features=8, cell=cell).build(GRID, spaces.Discrete(3), values=True)
    seen, previous = sampled(GRID, steps, n), torch.randint(0, 3, (steps, n), generator=generator)
    first, start = (
        torch.rand(steps, n, generator=generator) < share,
        torch.randn(n, net.state_size, generator=generator),
    )
    whole, state = net(seen, previous, first, start), start
    for t in range(steps):
        one = net(at(seen, t), previous[t : t + 1], first[t : t + 1], state)
        state = one.state
        torch.testing.assert_close(one.parameters["logits"][0], whole.parameters["logits"][t])
        torch.testing.assert_close(one.values[0], whole.values[t])
    torch.testing.assert_close(state, whole.state)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_gradients_run_through_a_sequence_and_stop_where_an_episode_begins(cell: str) -> None:
    memory = Memory(cell, 3, 4)
    x = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    first = torch.zeros(6, 2, dtype=torch.bool)
    first[3, 0] = True
    outputs, _ = memory(x, first, torch.zeros(2, memory.state_size))
    outputs[5].sum().backward()
    assert x.grad is not None
    assert x.grad[:3, 0].abs().sum() == 0
    assert (x.grad[:, 1].abs().sum(-1) > 0).all()
    assert (x.grad[3:, 0].abs().sum(-1) > 0).all()


def test_burning_in_is_running_on_without_gradient() -> None:
    net = Recurrent(hidden=8, vectors=(8,)).build(VECTOR, spaces.Discrete(3), values=True)
    seen, first = sampled(VECTOR, 9, 3), torch.zeros(9, 3, dtype=torch.bool)
    first[2, 1] = True
    previous = torch.ones(9, 3, dtype=torch.int64)
    state = torch.ones(3, 8)
    warmed = net(seen, previous, first, state, burn_in=4)
    whole = net(seen, previous, first, state)
    torch.testing.assert_close(warmed.parameters["logits"], whole.parameters["logits"][4:])
    torch.testing.assert_close(warmed.state, whole.state)
    assert warmed.values.shape == (5, 3)
    seen.requires_grad_(True)
    net(seen, previous, first, state, burn_in=4).parameters["logits"].sum().backward()
    assert seen.grad[:4].abs().sum() == 0


def test_the_previous_action_is_seen_but_not_across_episodes() -> None:
    net = MLP(previous=True).build(VECTOR, spaces.Discrete(3))
    seen, first = sampled(VECTOR, 1, 2), torch.tensor([[True, False]])
    one, other = (net(seen, torch.tensor([[a, a]]), first).parameters["logits"] for a in (0, 2))
    assert torch.equal(one[0, 0], other[0, 0])
    assert not torch.equal(one[0, 1], other[0, 1])


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("network", [MLP(), MLP(state_std=True), CNN(features=8), Recurrent(hidden=8)])
def test_every_family_acts_inside_its_space(name: str, network: Network) -> None:
    space, family = FAMILIES[name]
    net = network.build(GRID, space, family=family, values=True)
    out = net(sampled(GRID, 2, 3))
    net.family.check(out.parameters)
    assert all(part.shape[:2] == (2, 3) for part in out.parameters.values())
    assert out.values.shape == (2, 3)
    assert out.state.shape == (3, net.state_size)
    assert torch.isfinite(net.family.log_prob(out.parameters, net.family.mode(out.parameters))).all()
    actions = net.family.mode(out.parameters).detach().numpy().astype(space.dtype)
    assert all(space.contains(a) for a in actions.reshape(-1, *space.shape))


def test_a_network_begins_in_the_middle_of_its_actions_with_the_spread_asked_for() -> None:
    space = spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([4.0, np.inf], np.float32))
    out = MLP(std=0.5).build(VECTOR, space)(sampled(VECTOR, 1, 50)).parameters
    assert torch.allclose(out["std"][0, 0], torch.tensor([1.5, 0.5]))
    assert torch.allclose(out["mean"].mean((0, 1)), torch.tensor([1.0, 0.0]), atol=0.1)


def test_the_spread_can_be_set() -> None:
    for network in (MLP(), MLP(state_std=True, std=0.3), MLP(family="squashed")):
        net = network.build(VECTOR, spaces.Box(-2, 2, (1,)))
        net.set_std(0.25)
        for name, part in net(torch.zeros(1, 1, 5)).parameters.items():
            if name.endswith("std"):
                expected = 0.5 if name == "std" else 0.25
                assert part.item() == pytest.approx(expected, rel=0.02)
    with pytest.raises(InvalidHyperparameter, match="no standard deviation"):
        MLP().build(VECTOR, spaces.Discrete(2)).set_std(0.1)


def test_initial_weights_depend_on_the_seed_alone() -> None:
    def weights(seed: int) -> list[Tensor]:
        return list(Recurrent().build(GRID, spaces.Discrete(3), values=True, seed=seed).state_dict().values())

    torch.manual_seed(1)
    before, one = torch.get_rng_state(), weights(3)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(one, weights(3), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, weights(4), strict=True))


def test_initial_weights_are_orthogonal() -> None:
    net = MLP().build(spaces.Box(-1, 1, (64,)), spaces.Discrete(3), values=True)
    weight = net.actor[0].weight
    torch.testing.assert_close(weight @ weight.T, 2 * torch.eye(64), atol=1e-4, rtol=0)
    assert net.head.linear.weight.norm(dim=1).max().item() == pytest.approx(0.01, rel=1e-3)
    assert net.critic[-1].weight.norm().item() == pytest.approx(1.0, rel=1e-3)


def test_a_critic_may_see_another_view_and_leaves_the_actor_alone() -> None:
    other = spaces.Box(-1, 1, (9,))
    net = Recurrent(hidden=8, vectors=(8,)).build(VECTOR, spaces.Discrete(3), values=True, critic_space=other)
    seen, shown = sampled(VECTOR, 4, 2), sampled(other, 4, 2)
    assert net(seen).values is None
    values = net(seen, critic=shown).values
    assert values.shape == (4, 2)
    values.sum().backward()
    assert all(p.grad is None for p in net.actor_parameters())
    assert all(p.grad is not None for p in net.critic_parameters())
    assert len([*net.actor_parameters(), *net.critic_parameters()]) == len([*net.parameters()])


def test_the_normaliser_keeps_mean_and_variance_of_what_counts() -> None:
    net = MLP().build(spaces.Dict({"a": VECTOR, "b": spaces.Discrete(3)}), spaces.Discrete(2))
    rng, kept = np.random.default_rng(0), []
    for n in (5, 1, 30):
        batch = rng.normal(3, 7, (n, 2, 5)).astype(np.float32)
        learn = rng.random((n, 2)) < 0.7
        kept.append(batch[learn])
        net.observe(to_tensors({"a": batch, "b": np.zeros((n, 2), np.int64)}), torch.as_tensor(learn))
    net.freeze_normaliser()
    net.observe(to_tensors({"a": batch * 100, "b": np.zeros((n, 2), np.int64)}))
    rows, normaliser = np.concatenate(kept).astype(np.float64), net.encoder.normaliser
    np.testing.assert_allclose(normaliser.mean, rows.mean(0), rtol=1e-10)
    np.testing.assert_allclose(normaliser.var, rows.var(0), rtol=1e-10)
    np.testing.assert_allclose(
        normaliser(torch.as_tensor(rows, dtype=torch.float32)), (rows - rows.mean(0)) / rows.std(0), atol=1e-4
    )
    assert float(normaliser.count) == len(rows)


def test_a_normaliser_that_saw_nothing_only_clips() -> None:
    assert Normaliser(3)(torch.tensor([[3.0, -4.0, 50.0]])).tolist() == [[3.0, -4.0, 10.0]]


def test_only_convolutions_keep_images_from_being_normalised() -> None:
    assert MLP().build(GRID, spaces.Discrete(2)).encoder.normaliser.mean.shape == (7 * 7 * 3,)
    assert CNN(features=8).build(GRID, spaces.Discrete(2)).encoder.normaliser is None


@pytest.mark.parametrize("network", [MLP(), CNN(features=8), Recurrent(hidden=8)])
def test_single_numbers_are_seen_and_acted(network: Network) -> None:
    alone, action = spaces.Box(-1, 1, ()), spaces.Box(-2, 2, ())
    for space in (alone, spaces.Dict({"number": alone, "vector": VECTOR, "choice": spaces.Discrete(3, start=1)})):
        net = network.build(space, action, values=True)
        seen = sampled(space, 4, 3)
        net.observe(seen)
        out = net(seen)
        assert out.parameters["mean"].shape == (4, 3, 1)
        assert net.family.mode(out.parameters).shape == (4, 3)


def test_images_that_are_taken_apart_give_the_same_in_either_order_of_axes() -> None:
    last, front = spaces.Box(0, 255, (64, 48, 3), np.uint8), spaces.Box(0, 255, (3, 64, 48), np.uint8)
    one, other = (CNN(features=8).build(space, spaces.Discrete(2)) for space in (last, front))
    image = sampled(last, 1, 2)
    torch.testing.assert_close(one(image).parameters["logits"], other(image.movedim(-1, -3)).parameters["logits"])


def test_symbols_are_told_apart_whatever_their_numbers() -> None:
    net = CNN(features=8).build(GRID, spaces.Discrete(3))
    assert net.encoder.pixels[0].embedding.weight.shape == (8, 33)
    assert CNN(symbols=0).build(GRID, spaces.Discrete(3)).encoder.pixels[0].embedding is None
    assert (
        CNN().build(spaces.Box(0, 255, (40, 40, 3), np.uint8), spaces.Discrete(3)).encoder.pixels[0].embedding is None
    )


@pytest.mark.parametrize(
    ("low", "high", "symbols"), [(0, 3, 4), (2, 3, 4), (-3, 3, 7), (-5, 0, 6), (-5, -1, 5), (-90, 3, 0), (0, 32, 0)]
)
def test_every_number_of_a_small_image_is_a_symbol_of_its_own(low: int, high: int, symbols: int) -> None:
    net = CNN(features=8).build(spaces.Box(low, high, (5, 5, 1), np.int8), spaces.Discrete(2))
    seen = torch.arange(low, high + 1, dtype=torch.int8).reshape(1, -1, 1, 1, 1).expand(1, -1, 5, 5, 1)
    answers = net(seen).parameters["logits"][0]
    assert len(torch.unique(answers.detach(), dim=0)) == high - low + 1
    pixels = net.encoder.pixels[0]
    assert (0 if pixels.embedding is None else pixels.embedding.in_features) == symbols
    assert symbols or pixels.scale == 1 / max(-low, high)


@pytest.mark.parametrize("top", [3.4e38, float(np.finfo(np.float32).max), 1.7e308, np.inf])
def test_huge_bounds_are_none(top: float) -> None:
    dtype: Any = np.float64 if top == 1.7e308 else np.float32
    space = spaces.Box(np.array([-top, -2], dtype), np.array([top, 4], dtype), dtype=dtype)
    net = MLP(std=0.5).build(VECTOR, space, values=True)
    parameters = net(sampled(VECTOR, 2, 3)).parameters
    torch.testing.assert_close(parameters["std"][0, 0], torch.tensor([0.5, 1.5]))
    assert torch.isfinite(net.family.kl(parameters, {**parameters, "mean": parameters["mean"] + 1})).all()
    assert torch.equal(net.family.to_unit(torch.tensor([7.0, 4.0])), torch.tensor([7.0, 1.0]))
    for family in ("squashed", "beta"):
        with pytest.raises(InvalidHyperparameter, match="finite bounds below 1e"):
            MLP(family=family).build(VECTOR, space)


def test_the_usual_network_is_by_the_observations() -> None:
    assert isinstance(network_for(VECTOR), MLP)
    assert isinstance(network_for(GRID), CNN)
    assert isinstance(network_for(spaces.Discrete(3)), MLP)


def test_draws_have_the_probabilities_of_their_family() -> None:
    generator = torch.Generator().manual_seed(0)
    for space in (spaces.Discrete(3), spaces.MultiBinary(3)):
        family, logits = make_family(space), torch.tensor([0.0, 1.0, -1.5])
        drawn = draw(family, {"logits": logits.expand(40_000, 3)}, generator)
        expected = logits.softmax(-1) if isinstance(space, spaces.Discrete) else logits.sigmoid()
        counts = torch.nn.functional.one_hot(drawn, 3) if isinstance(space, spaces.Discrete) else drawn
        torch.testing.assert_close(counts.float().mean(0), expected, atol=0.01, rtol=0)


def test_a_gaussian_is_drawn_unclipped() -> None:
    family = make_family(spaces.Box(-1, 1, (1,)))
    drawn = draw(
        family, {"mean": torch.zeros(1000, 1), "std": torch.full((1000, 1), 3.0)}, torch.Generator().manual_seed(0)
    )
    assert float(drawn.std()) == pytest.approx(3.0, rel=0.1)


@pytest.mark.parametrize(
    ("network", "seen", "acted", "error", "message"),
    [
        (MLP(activation="swish"), VECTOR, spaces.Discrete(2), InvalidHyperparameter, "one of tanh, relu, elu"),
        (MLP(family="beta"), VECTOR, spaces.Discrete(2), InvalidHyperparameter, "over a Box"),
        (MLP(family="normal"), VECTOR, spaces.Discrete(2), InvalidHyperparameter, "gaussian, squashed, beta"),
        (Recurrent(cell="rnn"), VECTOR, spaces.Discrete(2), InvalidHyperparameter, "gru, lstm"),
        (MLP(), spaces.Text(3), spaces.Discrete(2), InvalidStudent, "Networks see"),
        (MLP(), VECTOR, spaces.Text(3), InvalidStudent, "Networks act"),
    ],
)
def test_impossible_networks_say_why(network: Network, seen: Any, acted: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        network.build(seen, acted)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        *((MLP(std=std), "MLP.std must be a number above 0") for std in (0.0, -1, np.inf, np.nan, "a", None, True)),
        *(
            (MLP(hidden=hidden), "MLP.hidden must be a list")
            for hidden in (64, (0,), (-3,), (2.5,), "64", None, (True,))
        ),
        *((CNN(features=features), "CNN.features must be an integer of at least 1") for features in (0, -1, 2.5, "8")),
        *((CNN(symbols=symbols), "CNN.symbols must be an integer of at least 0") for symbols in (-1, 1.5)),
        *((Recurrent(hidden), "Recurrent.hidden must be an integer of at least 1") for hidden in (0, -1, (64,), None)),
        (Recurrent(vectors=(0,)), "Recurrent.vectors must be a list"),
        *(
            (MLP(**{name: "no"}), f"MLP.{name} must be true or false")
            for name in ("state_std", "normalize", "previous")
        ),
    ],
)
def test_impossible_sizes_say_which(network: Network, message: str) -> None:
    with pytest.raises(InvalidHyperparameter, match=message):
        network.build(GRID, spaces.Box(-1, 1, (1,)))


def test_sizes_may_be_lists_numpy_integers_and_no_layers_at_all() -> None:
    one = MLP(hidden=[np.int64(8)]).build(VECTOR, spaces.Discrete(2))
    assert one.actor[0].out_features == 8
    assert len(MLP(hidden=()).build(VECTOR, spaces.Discrete(2)).actor) == 0


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan"), float("inf"), "a"])
def test_no_spread_that_is_impossible_can_be_set(std: Any) -> None:
    with pytest.raises(InvalidHyperparameter, match="finite number above 0"):
        MLP().build(VECTOR, spaces.Box(-2, 2, (1,))).set_std(std)


@pytest.mark.parametrize("burn_in", [4, 5, -1])
def test_warming_up_leaves_a_step_to_answer(burn_in: int) -> None:
    with pytest.raises(InvalidHyperparameter, match="below the 4 given"):
        Recurrent(hidden=8).build(VECTOR, spaces.Discrete(2))(sampled(VECTOR, 4, 2), burn_in=burn_in)


def test_initial_weights_are_the_same_with_any_number_of_threads():
    before = torch.get_num_threads()
    space, weights = spaces.Box(-1, 1, (24,)), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            weights.append(MLP().build(space, spaces.Box(-1, 1, (4,)), seed=3).state_dict())
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
