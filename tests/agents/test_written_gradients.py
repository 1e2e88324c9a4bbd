"""Gradient steps of our networks, written down and not: equal to the last bit."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from teachrl.distillation import learning, make_loss
from teachrl.distillation.adam import Adam
from teachrl.distillation.batches import batch_of
from teachrl.distillation.buffer import Aggregate, Round
from teachrl.distillation.learning import Descent, shuffled
from teachrl.distillation.tgeo import TGeo
from teachrl.schedules import START, Moment
from teachrl_agents import CNN, MLP, Recurrent
from teachrl_agents.heads import make_family

VECTOR = spaces.Box(-1, 1, (4,))
MIXED = spaces.Dict({"image": spaces.Box(0, 10, (7, 7, 3), np.uint8), "lamps": spaces.MultiBinary(2), "place": VECTOR})
BOX, PLANE = spaces.Box(-2, 1, (2,)), spaces.Box(-1, 1, (2,))
CPU = torch.device("cpu")
CASES = [
    (MLP((8,)), VECTOR, spaces.Discrete(3), "nll"),
    (MLP((8,)), VECTOR, spaces.Discrete(3, start=1), "forward_kl"),
    (MLP((8,)), VECTOR, spaces.Discrete(3), "js"),
    (MLP((8,)), VECTOR, spaces.Discrete(3), {"name": "balanced", "temperature": 2.0}),
    (MLP((8,), "relu"), VECTOR, spaces.MultiDiscrete([2, 3]), "reverse_kl"),
    (MLP((8,), "elu"), VECTOR, spaces.MultiBinary(2), "nll"),
    (MLP((8,), "elu"), VECTOR, BOX, "mse"),
    (MLP((8,)), VECTOR, PLANE, "huber"),
    (MLP((8,), state_std=True), VECTOR, BOX, "forward_kl"),
    (MLP((8,), family="squashed", previous=True), VECTOR, BOX, "reverse_kl"),
    (MLP((8,), family="beta"), VECTOR, BOX, "forward_kl"),
    (CNN(8, (8,), (8,)), MIXED, spaces.Discrete(3), "nll"),
]


def lived(seen: Any, acted: Any, family: Any, steps: int = 6, n: int = 10, seed: int = 0) -> Round:
    """Returns a round of random labels; soft ones where a family is given."""
    seen.seed(seed), acted.seed(seed)
    generator = torch.Generator().manual_seed(seed)

    def stacked(space: Any) -> Any:
        if isinstance(space, spaces.Dict):
            return {name: stacked(part) for name, part in space.spaces.items()}
        return np.array([[space.sample() for _ in range(n)] for _ in range(steps)])

    soft = {
        name: (torch.rand(steps, n, family.width, generator=generator) + 0.5).numpy()
        for name in (() if family is None else family.fill)
    }
    first = np.random.default_rng(seed).random((steps, n)) < 0.2
    return Round(stacked(seen), stacked(acted), first, stacked(acted), soft, np.ones_like(first),
                 np.zeros((steps, n, 0), np.float32))  # fmt: skip


def student(network: Any, seen: Any, acted: Any, round_: Round, traceable: bool) -> Any:
    net = network.build(seen, acted, seed=1)
    net.traceable = traceable
    net.observe(batch_of(round_.steps(), round_.states[0], acted, CPU).observations)
    return net.train()


def weights(net: Any) -> list[torch.Tensor]:
    return [parameter.detach() for parameter in net.parameters()]


def equal(one: Any, other: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize(("network", "seen", "acted", "loss"), CASES)
def test_written_steps_are_the_steps(network: Any, seen: Any, acted: Any, loss: Any, complete: bool) -> None:
    soft = loss not in ("nll", "mse", "huber")
    round_ = lived(seen, acted, make_family(acted, getattr(network, "family", "auto")) if soft else None)
    round_.mask[:, 0] = complete
    batch = next(iter(batch_of(round_.steps(), round_.states[0], acted, CPU).split([10])))
    nets = [student(network, seen, acted, round_, True) for _ in range(2)]
    slow, quick = (Descent(net, Adam(net.parameters(), 0.01), make_loss(loss), None, 0.5) for net in nets)
    gradient = quick.written(batch, START, 0.01)
    assert gradient is not None
    for _ in range(3):
        slow.step(batch, START, 0.01)
        quick.walk(gradient, batch)
        for net in nets:
            net.observe(batch.observations)  # running statistics are read anew
    assert equal(*nets)
    assert slow.norm == quick.norm
    assert slow.mean() == quick.mean()


def test_whole_rounds_of_minibatches_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    round_ = lived(VECTOR, spaces.Discrete(3), None)
    nets = []
    for many in (1, 10**6):
        monkeypatch.setattr(learning, "MANY", many)
        net = student(MLP((8,)), VECTOR, spaces.Discrete(3), round_, True)
        descent = Descent(net, Adam(net.parameters()), make_loss("nll"), None, None)
        buffer, rng = Aggregate(100), np.random.default_rng(0)
        buffer.add(round_, rng)
        given = {"epochs": 5, "size": 7, "most": None, "moment": START, "entropy": 0.0}
        assert shuffled(descent, buffer, spaces.Discrete(3), CPU, rng, **given) == 45
        nets.append(net)
    assert equal(*nets)


def test_a_schedule_is_read_again_at_another_moment() -> None:
    round_ = lived(VECTOR, spaces.Discrete(3), make_family(spaces.Discrete(3)))
    batch = batch_of(round_.steps(), round_.states[0], spaces.Discrete(3), CPU)
    net = student(MLP((8,)), VECTOR, spaces.Discrete(3), round_, True)
    cooling = {"schedule": "linear", "from": 4.0, "to": 1.0}
    for temperature, rewritten in ((cooling, True), (2.0, False)):
        loss = make_loss({"name": "forward_kl", "temperature": temperature})
        descent = Descent(net, Adam(net.parameters(), 0.0), loss, None, None)
        written = [descent.written(batch, Moment(at), 0.0) for at in (0.0, 0.5, 0.5)]
        assert written[1] is written[2]
        assert (written[0] is not written[1]) == rewritten
        for at, gradient in zip((0.0, 0.5), written, strict=False):
            descent.walk(gradient, batch)
            quick = descent.mean()
            descent.step(batch, Moment(at), 0.0)
            assert quick == descent.mean()
    assert descent.written(batch, START, 0.0) is not descent.written(batch, START, 0.1)


def test_nothing_is_written_down_of_what_may_go_another_way() -> None:
    round_ = lived(VECTOR, spaces.Discrete(3), None)
    batch = batch_of(round_.steps(), round_.states[0], spaces.Discrete(3), CPU)
    net = student(MLP((8,)), VECTOR, spaces.Discrete(3), round_, False)
    assert Descent(net, Adam(net.parameters()), make_loss("nll"), None, None).written(batch, START, 0.0) is None
    net.traceable = True
    assert Descent(net, Adam(net.parameters()), make_loss("nll"), TGeo(), None).written(batch, START, 0.0) is None
    assert not getattr(Recurrent(8).build(VECTOR, spaces.Discrete(3)), "traceable", False)


def test_it_is_written_down_when_that_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "MANY", 10)
    round_ = lived(VECTOR, spaces.Discrete(3), make_family(spaces.Discrete(3)))
    batch = batch_of(round_.steps(), round_.states[0], spaces.Discrete(3), CPU)
    net = student(MLP((8,)), VECTOR, spaces.Discrete(3), round_, True)
    cooling = {"schedule": "linear", "from": 4.0, "to": 1.0}
    for temperature, lasting in ((2.0, True), (cooling, False)):
        loss = make_loss({"name": "forward_kl", "temperature": temperature})
        descent = Descent(net, Adam(net.parameters()), loss, None, None)
        assert descent.written(batch, START, 0.0, 6) is None
        for _ in range(6):
            descent.step(batch, START, 0.0)
        assert descent.written(batch, START, 0.0, 6) is not None
        assert (descent.written(batch, Moment(0.5), 0.0, 6) is not None) == lasting
        assert descent.written(batch, Moment(0.5), 0.0, 10) is not None
