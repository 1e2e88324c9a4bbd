"""The network that PPO begins with: a new one, or one that has learned before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from teachrl.classroom import Classroom
from teachrl.distillation.distiller import find_device
from teachrl.distillation.names import make_network
from teachrl.errors import InvalidHyperparameter
from teachrl.observations import view_space
from teachrl_agents.net import Net
from teachrl_agents.net_files import load_weights, opened
from teachrl_agents.nets import network_for
from teachrl_agents.ppo_settings import PPOArguments


def make_net(student: PPOArguments, classroom: Classroom, seed: int, arguments: Mapping[str, Any] | None = None) -> Net:
    """Returns a new network with a critic, on the student's device.

    Args:
        student: Names the network, the critic's view and the device.
        classroom: Where it is to see and act.
        seed: Of the initial weights.
        arguments: Those of the `Net` to make in place of the student's network.

    Raises:
        InvalidHyperparameter: If an argument is impossible.
        InvalidStudent: If the network cannot see or act in such a classroom.
        UnknownName: If there is no view `critic_view`.
    """
    space, critic_space = classroom.single_observation_space, None
    if student.critic_view is not None:
        critic_space = view_space(classroom.envs.single_observation_space, student.critic_view)
    given: dict[str, Any] = {"values": True, "critic_space": critic_space, "seed": seed}
    if arguments is None:
        network = network_for(space) if student.network is None else make_network(student.network)
        net = network.build(space, classroom.single_action_space, **given)
    else:
        net = Net(space, classroom.single_action_space, **arguments, **given)
    return net.to(torch.device(find_device(student.device)))


def started_net(student: PPOArguments, classroom: Classroom, seed: int) -> tuple[Net, bool]:
    """Returns a network with the weights of `student.start`, and that network's own form where none is named.

    What is seen stays normalised as it was: a policy that is no longer shown what it learned from is no longer the
    policy.

    Returns:
        The network, and whether its critic is new while its actor is not: `start` has none, or of another form.

    Raises:
        InvalidHyperparameter: If there is nothing to start from, or it does not fit; see `make_net` for others.
        InvalidRun: If it is a directory and no run's.
    """
    source = None if student.start is None else opened(student.start)
    arguments = source.arguments if student.network is None and isinstance(source, Net) else None
    net = make_net(student, classroom, seed, arguments)
    new = False
    if source is not None:
        _check_spaces(source, net)
        new = not load_weights(net, source)
        if net.encoder.normaliser is not None:
            net.encoder.normaliser.frozen.fill_(True)
    if student.start_std is not None and not net.family.discrete:
        net.set_std(student.start_std)
    return net, new


def _check_spaces(source: Any, net: Net) -> None:
    """Refuses a network that has learned to see or to do something else; bounds may differ."""
    for name in ("observation_space", "action_space"):
        own, here = getattr(source, name, None), getattr(net, name)
        if own is not None and (type(own) is not type(here) or own.shape != here.shape):
            raise InvalidHyperparameter(
                f"PPO.start has learned with the {name.replace('_', ' ')} {own}, but here it is {here}. Take a student "
                "of this environment and view."
            )
