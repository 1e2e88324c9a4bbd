"""Runs: training from the arguments to the evaluation, directories, checkpoints, films."""

from teachrl.runs.collect import Collected, collect
from teachrl.runs.distill import distill
from teachrl.runs.evaluate import evaluate
from teachrl.runs.evaluation import Evaluation
from teachrl.runs.plan_subgoals import PlannedLevels, plan_subgoals
from teachrl.runs.run import Run
from teachrl.runs.train import train

__all__ = [
    "Collected",
    "Evaluation",
    "PlannedLevels",
    "Run",
    "collect",
    "distill",
    "evaluate",
    "plan_subgoals",
    "train",
]
