"""Where Stable-Baselines3 and its algorithms were published, as BibTeX."""

from __future__ import annotations

LIBRARY = r"""@article{raffin2021stable,
  title = {{Stable-Baselines3}: Reliable reinforcement learning implementations},
  author = {Raffin, Antonin and Hill, Ashley and Gleave, Adam and Kanervisto, Anssi and Ernestus, Maximilian and Dormann, Noah},
  journal = {Journal of Machine Learning Research},
  volume = {22},
  number = {268},
  pages = {1--8},
  year = {2021}
}"""  # noqa: E501
_PPO = r"""@article{schulman2017proximal,
  title = {Proximal policy optimization algorithms},
  author = {Schulman, John and Wolski, Filip and Dhariwal, Prafulla and Radford, Alec and Klimov, Oleg},
  journal = {arXiv preprint arXiv:1707.06347},
  year = {2017}
}"""
METHODS = {
    "PPO": _PPO,
    "RecurrentPPO": _PPO,
    "A2C": r"""@inproceedings{mnih2016asynchronous,
  title = {Asynchronous methods for deep reinforcement learning},
  author = {Mnih, Volodymyr and Badia, Adri{\`a} Puigdom{\`e}nech and Mirza, Mehdi and Graves, Alex and Lillicrap, Timothy and Harley, Tim and Silver, David and Kavukcuoglu, Koray},
  booktitle = {International Conference on Machine Learning},
  pages = {1928--1937},
  year = {2016}
}""",  # noqa: E501
    "TRPO": r"""@inproceedings{schulman2015trust,
  title = {Trust region policy optimization},
  author = {Schulman, John and Levine, Sergey and Abbeel, Pieter and Jordan, Michael and Moritz, Philipp},
  booktitle = {International Conference on Machine Learning},
  pages = {1889--1897},
  year = {2015}
}""",
    "SAC": r"""@inproceedings{haarnoja2018soft,
  title = {Soft actor-critic: Off-policy maximum entropy deep reinforcement learning with a stochastic actor},
  author = {Haarnoja, Tuomas and Zhou, Aurick and Abbeel, Pieter and Levine, Sergey},
  booktitle = {International Conference on Machine Learning},
  pages = {1861--1870},
  year = {2018}
}""",
    "TD3": r"""@inproceedings{fujimoto2018addressing,
  title = {Addressing function approximation error in actor-critic methods},
  author = {Fujimoto, Scott and van Hoof, Herke and Meger, David},
  booktitle = {International Conference on Machine Learning},
  pages = {1587--1596},
  year = {2018}
}""",
    "TQC": r"""@inproceedings{kuznetsov2020controlling,
  title = {Controlling overestimation bias with truncated mixture of continuous distributional quantile critics},
  author = {Kuznetsov, Arsenii and Shvechikov, Pavel and Grishin, Alexander and Vetrov, Dmitry},
  booktitle = {International Conference on Machine Learning},
  pages = {5556--5566},
  year = {2020}
}""",
    "DQN": r"""@article{mnih2015human,
  title = {Human-level control through deep reinforcement learning},
  author = {Mnih, Volodymyr and others},
  journal = {Nature},
  volume = {518},
  number = {7540},
  pages = {529--533},
  year = {2015}
}""",
}
"""By the algorithm's name; those that are missing are cited by their library."""
