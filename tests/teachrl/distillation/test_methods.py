"""Methods: arguments that cannot be are refused before anything is made."""

import pytest

from teachrl.distillation import BC, DAgger, Distillation, OnPolicy
from teachrl.errors import InvalidHyperparameter

WAITS = {"schedule": "success"}


@pytest.mark.parametrize("method", [BC, DAgger, OnPolicy, Distillation])
def test_defaults_are_possible(method):
    method().validate()


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("learning_rate", -1), ("learning_rate", {"schedule": "linear", "from": 1e-3, "to": -1e-3}),
        ("learning_rate", WAITS), ("weight_decay", -1), ("weight_decay", "x"), ("weight_decay", float("nan")),
        ("max_grad_norm", 0), ("max_grad_norm", -1.0), ("max_grad_norm", "x"), ("entropy_weight", -1e-3),
        ("entropy_weight", WAITS), ("epochs", "x"), ("epochs", 1.5), ("epochs", True), ("keep", float("inf")),
        ("keep", None), ("rounds", float("nan")), ("rounds", None),
        ("beta", {"schedule": "linear", "from": 1, "to": 3}),
        ("beta", {"schedule": "linear", "from": 1, "to": -1}), ("beta", {"schedule": "success", "from": 2}),
        ("fusion", 3.0), ("fusion", WAITS), ("fusion", "advantage"), ("fusion", {"name": "advantage"}),
        ("sampled", "yes"), ("demonstrations", 3), ("demonstrations", ""),
        ("loss", {"name": "reverse_kl", "estimator": "k2"}),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_named(argument, value):
    with pytest.raises(InvalidHyperparameter, match=rf"Distillation\.{argument}|Scheduled\.alpha"):
        Distillation(**{argument: value}).validate()


@pytest.mark.parametrize(
    "arguments",
    [
        {"learning_rate": 0.0, "max_grad_norm": None, "horizon": None, "most_batches": 3},
        {"beta": {"schedule": "exponential", "from": 1, "factor": 0.5}, "fusion": {"schedule": "linear", "from": 1}},
        {"beta": WAITS, "fusion": "tgeo", "loss": {"name": "reverse_kl", "floor": 0}},
        {"demonstrations": "moved.npz", "beta": 1.0},
    ],
)
def test_what_can_be_is_left_alone(arguments):
    Distillation(**arguments).validate()
