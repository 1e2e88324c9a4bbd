"""The other side of `benchmarks/distillation_speed.py`: `imitation`'s behaviour cloning, in an environment of its own.

python imitation_bc.py TRANSITIONS.npz LOGS
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import torch
from answering import answer
from gymnasium import spaces
from imitation.algorithms import bc
from imitation.data.types import Transitions
from imitation.util import logger


def main() -> None:
    """Trains one learner for each size of minibatch, whose learning goes on from one request to the next."""
    torch.set_num_threads(1)
    with np.load(sys.argv[1]) as file:
        observations, actions, first = (file[name] for name in ("observations", "actions", "first"))
    following, ends = np.roll(observations, -1, axis=0), np.roll(first, -1, axis=0)
    flat = [part.reshape(-1, *part.shape[2:]) for part in (observations, actions, following, ends)]
    infos = np.array([{}] * len(flat[0]))
    transitions = Transitions(obs=flat[0], acts=flat[1], infos=infos, next_obs=flat[2], dones=flat[3])
    learners: dict[int, bc.BC] = {}

    def measure(batch: int, epochs: int, seed: int) -> dict[str, Any]:
        if batch not in learners:
            torch.manual_seed(seed)
            learners[batch] = bc.BC(
                observation_space=spaces.Box(-np.inf, np.inf, flat[0].shape[1:], np.float32),
                action_space=spaces.Discrete(2), rng=np.random.default_rng(seed), demonstrations=transitions,
                batch_size=batch, device="cpu", custom_logger=logger.configure(sys.argv[2], ["csv"]),
            )  # fmt: skip
        learner = learners[batch]
        began = time.process_time()
        learner.train(n_epochs=epochs, progress_bar=False)
        seconds = time.process_time() - began
        with torch.no_grad():
            seen, done = torch.as_tensor(flat[0]), torch.as_tensor(flat[1])
            nll = float(-learner.policy.evaluate_actions(seen, done)[1].mean())
        # the loader leaves the last, smaller minibatch of an epoch out
        return {"samples": len(flat[0]) // batch * batch * epochs, "seconds": seconds, "loss": nll}

    answer(measure)


if __name__ == "__main__":
    main()
