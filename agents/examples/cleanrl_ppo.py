"""PPO in one file, in the manner of CleanRL, taught: the lines marked `taught` are all that differs.

ALP-GMM chooses the pole's length and the gravity of every episode.

Run it with `python agents/examples/cleanrl_ppo.py`, or without its teacher: `--untaught`.
The algorithm is Schulman et al. 2017 (https://arxiv.org/abs/1707.06347) with the details of
https://iclr-blog-track.github.io/2022/03/25/ppo-implementation-details/.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

from teachrl import Classroom, make_vec  # taught: 1
from teachrl.teachers import ALPGMM  # taught: 2
from teachrl_envs import Parametrised  # taught: 3

PHYSICS = {"unwrapped.length": [0.3, 1.5], "unwrapped.gravity": [5.0, 15.0]}


@dataclass
class Arguments:
    """Settings of the run."""

    env_id: str = "CartPole-v1"
    num_envs: int = 4
    num_steps: int = 128
    updates: int = 100
    learning_rate: float = 2.5e-4
    gamma: float = 0.99
    gae_lambda: float = 0.95
    minibatches: int = 4
    epochs: int = 4
    clip: float = 0.2
    ent_coef: float = 0.01
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    seed: int = 1
    untaught: bool = False


def linear(inputs: int, outputs: int, gain: float = 2**0.5) -> nn.Linear:
    """Returns a layer with orthogonal weights."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


class Agent(nn.Module):
    """An actor and a critic of two layers each."""

    def __init__(self, envs: Any) -> None:
        super().__init__()
        inputs, actions = int(np.prod(envs.single_observation_space.shape)), int(envs.single_action_space.n)
        self.critic = nn.Sequential(linear(inputs, 64), nn.Tanh(), linear(64, 64), nn.Tanh(), linear(64, 1, 1.0))
        self.actor = nn.Sequential(linear(inputs, 64), nn.Tanh(), linear(64, 64), nn.Tanh(), linear(64, actions, 0.01))

    def value(self, x: torch.Tensor) -> torch.Tensor:
        """Returns values (B,)."""
        value: torch.Tensor = self.critic(x).flatten()
        return value

    def act(self, x: torch.Tensor, action: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        """Returns actions, their log-probabilities, the entropy and the values, (B,) each."""
        distribution = Categorical(logits=self.actor(x))
        action = distribution.sample() if action is None else action
        return action, distribution.log_prob(action), distribution.entropy(), self.value(x)


def make_envs(args: Arguments) -> Any:
    """Makes the environments, with same-step autoreset."""
    if args.untaught:
        same_step = {"autoreset_mode": gym.vector.AutoresetMode.SAME_STEP}
        return gym.make_vec(args.env_id, args.num_envs, vectorization_mode="sync", vector_kwargs=same_step)
    envs = make_vec(args.env_id, args.num_envs, wrappers=[partial(Parametrised, attributes=PHYSICS)])  # taught: 4
    return Classroom(envs, [ALPGMM()], seed=args.seed)  # taught: 5


def main(args: Arguments) -> list[float]:
    """Trains, and returns the mean return of the episodes of each update."""
    torch.manual_seed(args.seed)
    envs = make_envs(args)
    agent = Agent(envs)
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    shape = (args.num_steps, args.num_envs)
    obs = torch.zeros((*shape, *envs.single_observation_space.shape))
    actions = torch.zeros(shape, dtype=torch.long)
    log_probs, rewards, dones, values = (torch.zeros(shape) for _ in range(4))
    running = np.zeros(args.num_envs)
    history: list[float] = []
    next_obs = torch.as_tensor(envs.reset(seed=args.seed)[0])
    next_done = torch.zeros(args.num_envs)

    for update in range(args.updates):
        optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - update / args.updates)
        returns: list[float] = []
        for t in range(args.num_steps):
            obs[t], dones[t] = next_obs, next_done
            with torch.no_grad():
                actions[t], log_probs[t], _, values[t] = agent.act(next_obs)
            observation, reward, terminated, truncated, infos = envs.step(actions[t].numpy())
            rewards[t] = torch.as_tensor(reward)
            for i in np.flatnonzero(truncated & ~terminated):
                with torch.no_grad():
                    final = torch.as_tensor(infos["final_obs"][i])[None]
                    rewards[t, i] += args.gamma * agent.value(final)[0]
            running += reward
            returns += running[terminated | truncated].tolist()
            running[terminated | truncated] = 0
            next_obs, next_done = torch.as_tensor(observation), torch.as_tensor(terminated | truncated).float()
        history.append(float(np.mean(returns)) if returns else float("nan"))
        advantages = generalised_advantages(agent, args, rewards, values, dones, next_obs, next_done)
        batch = [x.flatten(0, 1) for x in (obs, actions, log_probs, advantages, advantages + values)]
        for _ in range(args.epochs):
            improve(agent, optimizer, args, batch)
    envs.close()
    return history


def generalised_advantages(
    agent: Agent,
    args: Arguments,
    rewards: torch.Tensor,
    values: torch.Tensor,
    dones: torch.Tensor,
    next_obs: torch.Tensor,
    next_done: torch.Tensor,
) -> torch.Tensor:
    """Returns advantages (T, N) of https://arxiv.org/abs/1506.02438."""
    advantages, last = torch.zeros_like(rewards), torch.zeros_like(next_done)
    with torch.no_grad():
        next_value = agent.value(next_obs)
    for t in reversed(range(args.num_steps)):
        going_on = 1 - next_done
        delta = rewards[t] + args.gamma * next_value * going_on - values[t]
        advantages[t] = last = delta + args.gamma * args.gae_lambda * going_on * last
        next_value, next_done = values[t], dones[t]
    return advantages


def improve(agent: Agent, optimizer: torch.optim.Optimizer, args: Arguments, batch: list[torch.Tensor]) -> None:
    """Takes one epoch of clipped policy-gradient steps."""
    for rows in torch.randperm(len(batch[0])).chunk(args.minibatches):
        obs, actions, old_log_probs, advantages, targets = (x[rows] for x in batch)
        _, log_probs, entropy, values = agent.act(obs, actions)
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        ratio = (log_probs - old_log_probs).exp()
        gain = torch.min(advantages * ratio, advantages * ratio.clamp(1 - args.clip, 1 + args.clip)).mean()
        loss = -gain - args.ent_coef * entropy.mean() + args.vf_coef * 0.5 * (targets - values).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
        optimizer.step()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=Arguments.updates)
    parser.add_argument("--untaught", action="store_true")
    for number, mean in enumerate(main(Arguments(**vars(parser.parse_args())))):
        print(f"update {number}: mean return {mean:.1f}")
