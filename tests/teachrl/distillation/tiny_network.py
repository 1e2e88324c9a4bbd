"""A network as small as the contract allows, and teachers to learn from, for tests of the trainer."""

from types import SimpleNamespace

import numpy as np
import torch
from gymnasium import spaces

from teachrl.configurable import Configurable
from teachrl.distillation import choose_family
from teachrl.lessons import Labels


class Tiny(torch.nn.Module):
    """A linear layer, after a leaky memory h' = tanh(W [x, previous action, h]) if it has one."""

    def __init__(self, observation_space, action_space, hidden, seed):
        super().__init__()
        discrete = isinstance(action_space, spaces.Discrete)
        self.family = choose_family(action_space, {"logits"} if discrete else {"mean", "std"})
        self.recurrent, self.state_size = hidden > 0, hidden
        self.kinds, self.action_width = action_space, self.family.width
        width = int(np.prod(observation_space.shape))
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            self.memory = torch.nn.Linear(width + self.action_width + hidden, hidden) if hidden else None
            self.head = torch.nn.Linear(hidden or width, self.family.width)
        self.register_buffer("observed", torch.zeros((), dtype=torch.int64))
        for parameter in self.parameters():
            torch.nn.init.uniform_(parameter, -0.5, 0.5, generator=generator)

    def initial_state(self, n):
        return torch.zeros(n, self.state_size)

    def forward(self, observations, previous=None, first=None, state=None, burn_in=0):
        x, rows = observations.flatten(2).float(), []
        if self.memory is None:
            features = x
        else:
            for t in range(len(x)):
                if burn_in and t == burn_in:
                    state, rows = state.detach(), []
                kept = (~first[t]).float().unsqueeze(-1)
                last = self.family.action_points(previous[t]).float() * kept
                state = torch.tanh(self.memory(torch.cat([x[t], last, state * kept], dim=-1)))
                rows.append(state)
            features = torch.stack(rows)
        out = self.head(features)
        parameters = {"logits": out} if self.family.discrete else {"mean": out, "std": torch.full_like(out, 0.3)}
        return SimpleNamespace(parameters=parameters, values=None, state=state)

    def observe(self, observations):
        self.observed += observations.shape[0] * observations.shape[1]

    def policy(self, generator=None):
        return TinyPolicy(self)


class TinyPolicy:
    def __init__(self, net):
        self.net = net

    @torch.no_grad()
    def answer(self, observations, state=None, first=None, deterministic=True):
        n = len(observations)
        first = torch.ones(n, dtype=torch.bool) if state is None or first is None else torch.as_tensor(first)
        memory, previous = (
            (self.net.initial_state(n), np.zeros((n, *self.net.family.shape))) if state is None else state
        )
        previous = torch.as_tensor(previous).unsqueeze(0)
        previous = previous.long() if self.net.family.discrete else previous
        out = self.net(torch.as_tensor(observations)[None], previous, first[None], torch.as_tensor(memory))
        parameters = {name: part[0] for name, part in out.parameters.items()}
        actions = self.net.family.mode(parameters).numpy().astype(self.net.kinds.dtype)
        state = (out.state.numpy(), actions) if self.net.recurrent else None
        return actions, {name: part.numpy() for name, part in parameters.items()}, state

    def act(self, observations, state=None, first=None, deterministic=True):
        actions, _, state = self.answer(observations, state, first, deterministic)
        return actions, state

    def after(self, state, executed):
        return None if state is None else (state[0], executed)


class TinyNetwork(Configurable):
    def __init__(self, hidden: int = 0):
        self.hidden = hidden

    def build(self, observation_space, action_space, *, seed=0, **_):
        return Tiny(observation_space, action_space, self.hidden, seed)


class Knows:
    """Labels of a discrete ToyEnv from all three numbers: forth while the goal is further than half a stride away."""

    def __init__(self, soft=True, broken=False):
        self.soft, self.broken, self.asked = soft, broken, 0

    def label(self, observations, state=None, first=None):
        self.asked += 1
        position, goal, stride = observations.T
        ahead = (goal - position) / stride
        actions = (1 + np.sign(np.round(ahead))).astype(np.int64)
        logits = np.stack([-ahead, 0.5 - np.abs(ahead), ahead], axis=-1).astype(np.float32)
        if self.broken:
            logits[0, 0] = np.nan
        return Labels(actions, {"logits": logits} if self.soft else None, np.ones(len(actions), bool)), state

    def act(self, observations, state=None, first=None, deterministic=True):
        return self.label(observations)[0].actions, None
