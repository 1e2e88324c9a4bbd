"""An environment that cannot save its state, and adapters for it: one that is right, and others."""

import gymnasium
import numpy as np
from gymnasium import spaces

from teachrl.snapshots import Adapter

HOME = "restorable_toys"


class Drift(gymnasium.Env):
    """A point with a velocity, pushed about at random; it ends far out."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = spaces.Discrete(3)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    made = 0

    def __init__(self, render_mode=None):
        type(self).made += 1
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.velocity, self.options = self.np_random.normal(), 0.0, options
        return np.array([self.place]), {}

    def step(self, action):
        self.velocity += 0.1 * (action - 1) + 0.01 * self.np_random.normal()
        self.place += self.velocity
        return np.array([self.place]), -abs(self.place), abs(self.place) > 5, False, {}


class Gusty(Drift):
    """Never ends, and is blown about after a while."""

    def reset(self, *, seed=None, options=None):
        self.age = 0
        return super().reset(seed=seed, options=options)

    def step(self, action):
        self.age += 1
        self.velocity += 0.01 * (self.age > 60)
        shown, reward, _, truncated, info = super().step(action)
        return shown, reward, False, truncated, info


class Errand(Drift):
    """Draws an aim at a reset."""

    def reset(self, *, seed=None, options=None):
        result = super().reset(seed=seed, options=options)
        self.aim = self.np_random.normal()
        return result

    def step(self, action):
        shown, _, *ends = super().step(action)
        return shown, -abs(self.place - self.aim), *ends


class Whole(Adapter):
    """Saves all."""

    def save(self, env):
        return {"place": env.place, "velocity": env.velocity}

    def restore(self, env, data, later):
        env.place, env.velocity = data["place"], data["velocity"]

    def observe(self, env):
        return np.array([env.place]), {}


class Aimless(Whole):
    """Saves all but the aim of an `Errand`."""


class Aiming(Whole):
    """Saves the aim of an `Errand` too."""

    def save(self, env):
        return {**super().save(env), "aim": env.aim}

    def restore(self, env, data, later):
        super().restore(env, data, later)
        env.aim = data["aim"]


class Forgetful(Whole):
    """Leaves the velocity as it is."""

    def restore(self, env, data, later):
        env.place = data["place"]


class Hoarder(Whole):
    """Saves an object."""

    def save(self, env):
        return {**super().save(env), "space": env.action_space}


class Rude(Whole):
    """Writes into what it is given."""

    def restore(self, env, data, later):
        super().restore(env, data, later)
        data["place"] += 1


class Fragile(Whole):
    """Cannot read what it has saved."""

    def restore(self, env, data, later):
        raise KeyError("velocities")


class Rounded(Whole):
    """Keeps eight digits."""

    def save(self, env):
        return {name: round(value, 8) for name, value in super().save(env).items()}


class Near(Rounded):
    """Keeps eight digits, and says so."""

    tolerance = 1e-5


class Other(Whole):
    """Belongs to another library besides."""

    packages = ("gymnasium", "numpy")


class Lagged(gymnasium.Wrapper):
    """Shows the last two observations; hands its state over."""

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)

    def reset(self, **kwargs):
        shown, info = self.env.reset(**kwargs)
        self.last = shown
        return np.concatenate([shown, shown]), info

    def step(self, action):
        shown, *rest = self.env.step(action)
        self.last, last = shown, self.last
        return np.concatenate([last, shown]), *rest

    def get_wrapper_state(self):
        return {"last": self.last.copy()}

    def set_wrapper_state(self, data):
        self.last = data["last"]
