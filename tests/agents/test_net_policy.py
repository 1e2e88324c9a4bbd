"""Networks as policies, and as files."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from teachrl.errors import InvalidHyperparameter, InvalidStudent
from teachrl.student import Policy
from teachrl_agents import CNN, MLP, NetPolicy, Recurrent, export
from teachrl_agents.net import Net, to_tensors
from teachrl_agents.net_files import load_weights, save_weights
from teachrl_agents.nets import Network

GRID = spaces.Dict({"image": spaces.Box(0, 10, (7, 7, 3), np.uint8), "direction": spaces.Discrete(4)})
VECTOR = spaces.Box(-1, 1, (5,), np.float32)
FORCE = spaces.Box(-2, 2, (2,), np.float32)


def seen(space: spaces.Space[Any], n: int) -> Any:
    space.seed(0)
    return joined([space.sample() for _ in range(n)])


def joined(rows: list[Any]) -> Any:
    return {k: joined([row[k] for row in rows]) for k in rows[0]} if isinstance(rows[0], dict) else np.stack(rows)


def side_by_side(observations: Any, path: str = "") -> Any:
    if not isinstance(observations, dict):
        return {path[:-1]: observations} if path else observations
    return {k: v for name, part in observations.items() for k, v in side_by_side(part, f"{path}{name}.").items()}


def decided(net: Net) -> Net:
    """Returns the net with weights that tell inputs apart clearly."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        net.head.linear.weight.normal_(generator=generator)
    return net


def test_a_policy_carries_memory_and_previous_action() -> None:
    policy = NetPolicy(decided(Recurrent(hidden=8).build(GRID, spaces.Discrete(5, start=1))))
    assert isinstance(policy, Policy)
    observations, first = seen(GRID, 3), np.zeros(3, dtype=bool)
    actions, state = policy.act(observations, None, ~first)
    assert set(state) == {"memory", "previous"}
    assert np.array_equal(state["previous"], actions)
    assert not np.array_equal(
        policy.distribution(observations, state, first)["logits"],
        policy.distribution(observations, state, ~first)["logits"],
    )
    again, _ = policy.act(observations, state, ~first)
    assert np.array_equal(actions, again)
    with pytest.raises(InvalidStudent, match="depends on it"):
        policy.distribution(observations)


def test_an_answer_has_soft_labels() -> None:
    policy = NetPolicy(decided(MLP().build(VECTOR, FORCE)))
    actions, parameters, state = policy.answer(seen(VECTOR, 4))
    assert state is None
    assert actions.shape == (4, 2)
    assert actions.dtype == np.float32
    assert np.array_equal(np.clip(parameters["mean"], -2, 2), actions)
    assert np.array_equal(policy.distribution(seen(VECTOR, 4))["std"], parameters["std"])


def test_samples_come_from_the_generator_that_is_given() -> None:
    net, observations = MLP().build(VECTOR, FORCE), seen(VECTOR, 4)
    before = torch.get_rng_state()
    one, other = (
        NetPolicy(net, torch.Generator().manual_seed(seed)).act(observations, deterministic=False)[0] for seed in (1, 1)
    )
    assert np.array_equal(one, other)
    assert torch.equal(before, torch.get_rng_state())


def test_values_are_the_critics() -> None:
    net = MLP().build(VECTOR, FORCE, values=True)
    assert NetPolicy(net).values(seen(VECTOR, 3)).shape == (3,)
    for other in ({}, {"values": True, "critic_space": GRID}):
        with pytest.raises(InvalidStudent, match="no values"):
            NetPolicy(MLP().build(VECTOR, FORCE, **other)).values(seen(VECTOR, 3))


def test_weights_survive_a_file_and_fit_a_net_with_a_critic(tmp_path: Path) -> None:
    net = decided(Recurrent(hidden=8).build(VECTOR, FORCE))
    net.observe(to_tensors(seen(VECTOR, 6)).unsqueeze(0))
    path = save_weights(net, tmp_path / "net.safetensors")
    for source in (str(path), net, NetPolicy(net), net.state_dict()):
        other = Recurrent(hidden=8).build(VECTOR, FORCE, values=True, seed=9)
        load_weights(other, source)
        expected, given = (NetPolicy(n).distribution(seen(VECTOR, 3), None, np.ones(3, bool)) for n in (net, other))
        assert np.array_equal(expected["mean"], given["mean"])
    with pytest.raises(InvalidHyperparameter, match="of another network"):
        load_weights(MLP().build(VECTOR, FORCE), net)
    with pytest.raises(InvalidHyperparameter, match="that exists"):
        load_weights(net, str(tmp_path / "none.safetensors"))
    with pytest.raises(InvalidHyperparameter, match="got 3"):
        load_weights(net, 3)


def tanh(**kwargs: Any) -> Net:
    return MLP((8,), **kwargs).build(VECTOR, FORCE, seed=3)


OTHERS = [
    (tanh(normalize=False), "encoder.normaliser.mean .* for none"),
    (tanh(activation="relu"), "activation tanh for relu"),
    (tanh(family="squashed"), "family diagonal Gaussian for squashed Gaussian"),
    (MLP((9,)).build(VECTOR, FORCE), r"actor.0.weight \(8, 5\) for \(9, 5\)"),
]  # fmt: skip


@pytest.mark.parametrize(("other", "message"), OTHERS)
def test_weights_of_another_network_are_refused_and_nothing_is_copied(other: Net, message: str, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    for source in (save_weights(tanh(), tmp_path / "net.safetensors"), tanh()):
        with pytest.raises(InvalidHyperparameter, match=message):
            load_weights(other, source)
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())


def test_equal_shapes_of_squashed_and_beta_or_another_spread_are_told_apart() -> None:
    squashed, beta = (tanh(family=family, state_std=family == "squashed") for family in ("squashed", "beta"))
    assert {k: v.shape for k, v in squashed.state_dict().items()} == {k: v.shape for k, v in beta.state_dict().items()}
    with pytest.raises(InvalidHyperparameter, match="family squashed Gaussian for Beta"):
        load_weights(beta, squashed)
    with pytest.raises(InvalidHyperparameter, match=r"std 0.3 for 1"):
        load_weights(tanh(state_std=True), tanh(state_std=True, std=0.3))
    assert load_weights(tanh(), tanh(std=0.3))


def test_a_critic_is_taken_whole_or_not_at_all() -> None:
    def critic(net: Net) -> list[torch.Tensor]:
        return [p.clone() for p in net.critic_parameters()]

    def built(seed: int, view: Any = None) -> Net:
        return MLP((8,)).build(VECTOR, FORCE, values=True, critic_space=view, seed=seed)

    source, same, other, without = built(1), built(2), built(2, spaces.Box(-1, 1, (5,))), tanh()
    before = critic(other)
    assert load_weights(same, source)
    assert not load_weights(other, source)
    assert load_weights(without, source)
    assert not load_weights(built(3), without)
    assert all(map(torch.equal, critic(same), critic(source)))
    assert all(map(torch.equal, critic(other), before))
    assert torch.equal(other.actor[0].weight, source.actor[0].weight)


def test_actions_of_another_range_stay_what_they_were() -> None:
    source, here = (decided(MLP().build(VECTOR, spaces.Box(-top, top, (2,)))) for top in (5, 1))
    load_weights(here, source)
    x = to_tensors(seen(VECTOR, 3)).unsqueeze(0)
    assert torch.equal(here(x).parameters["mean"], source(x).parameters["mean"])


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "net.safetensors").write_bytes(b"nothing of use")
    with pytest.raises(InvalidHyperparameter, match="is no .safetensors file"):
        load_weights(tanh(), tmp_path / "net.safetensors")


DEEP = spaces.Dict({"near": spaces.Dict({"grid": GRID, "number": spaces.Box(-1, 1, ())}), "far": VECTOR})
CASES = [
    (MLP(), VECTOR, FORCE), (CNN(features=8, previous=True), GRID, spaces.MultiDiscrete([3, 2])),
    (Recurrent(hidden=8), GRID, spaces.Discrete(5, start=1)),
    (Recurrent(hidden=8, cell="lstm", family="squashed", previous=False), VECTOR, FORCE),
    (MLP(), spaces.Discrete(4, start=3), spaces.MultiBinary(3)), (Recurrent(hidden=8), DEEP, FORCE),
    (MLP(), spaces.Box(1, 2, (3,)), spaces.Box(-0.1, 0.1, (2,), np.float64)),
    (MLP(previous=True), spaces.MultiDiscrete([3, 2], start=[4, 5]), spaces.Box(-3, 3, (2,), np.int32)),
]  # fmt: skip


@pytest.mark.parametrize(("network", "space", "actions"), CASES)
def test_torchscript_acts_the_same(tmp_path: Path, network: Network, space: Any, actions: Any) -> None:
    policy = NetPolicy(decided(network.build(space, actions, values=True)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and there is no other format without dependencies
        script = torch.jit.load(str(export(policy, tmp_path / "policy.pt")))
    net, observations, state = policy.net, seen(space, 5), None
    carried = {
        "memory": net.initial_state(5),
        "previous": net.blank_actions(5),
        "first": torch.ones(5, dtype=torch.bool),
    }
    for t in range(4):
        expected, state = policy.act(observations, state, carried["first"].numpy())
        used = {"memory": net.recurrent, "previous": net.previous, "first": net.carries}
        answer = script(
            observations=to_tensors(side_by_side(observations)), **{k: v for k, v in carried.items() if used[k]}
        )
        given, carried["memory"] = answer if net.recurrent else (answer, carried["memory"])
        np.testing.assert_allclose(given.numpy(), expected, atol=1e-5)
        assert given.numpy().dtype == actions.dtype
        assert all(actions.contains(action) for action in given.numpy())
        carried |= {"previous": given, "first": torch.arange(5) == t}


def test_an_export_leaves_the_network_as_it_is(tmp_path: Path) -> None:
    net = MLP().build(VECTOR, FORCE).train()
    NetPolicy(net).export(tmp_path / "policy.pt")
    assert net.training


@pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="needs the package onnx")
def test_onnx_is_written(tmp_path: Path) -> None:
    assert export(NetPolicy(MLP().build(VECTOR, FORCE)), tmp_path / "policy.onnx").stat().st_size > 0


def test_an_impossible_export_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = NetPolicy(MLP().build(VECTOR, FORCE))
    with pytest.raises(InvalidHyperparameter, match="ending in .pt or .onnx"):
        policy.export(tmp_path / "policy.pkl")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InvalidHyperparameter, match="pip install onnx onnxscript"):
        policy.export(tmp_path / "policy.onnx")
