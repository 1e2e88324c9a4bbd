"""What a teacher that is advised on tasks needs: a table of what the student masters, questions, answers, memory.

Nothing here is a teacher; `teachrl.teachers.LLMTasks` is the one that uses it.
"""

from teachrl.advice.asking import PROVIDERS, Adviser, Reply, make_adviser
from teachrl.advice.partition import Partition
from teachrl.advice.plans import Plan
from teachrl.advice.questions import Question
from teachrl.advice.rules import RuleBased
from teachrl.advice.strategies import Strategies, Strategy
from teachrl.advice.table import Standing, Table

__all__ = [
    "PROVIDERS", "Adviser", "Partition", "Plan", "Question", "Reply", "RuleBased", "Standing", "Strategies", "Strategy",
    "Table", "make_adviser",
]  # fmt: skip
