"""A conformance suite for teachers, environments and students of one's own.

```python
from teachrl.testing import check_env, check_student, check_teacher

def test_my_teacher():
    check_teacher(MyTeacher(k=5))
    check_teacher(MyTeacher(), envs="TeachRL/PointMass-v0")

def test_my_environment():
    check_env("MyMaze-v0")

def test_my_adapter():
    check_restorable("MyMaze-v0", states=20, actions=100)

def test_my_student():
    check_student(MyStudent(n_steps=16))
```

Each raises `ContractBroken` at the first rule that is not kept, saying what was expected, what came and where to look.
`TEACHER_CHECKS`, `ENV_CHECKS` and `STUDENT_CHECKS` are the rules one by one, in the order in which they are tried: run
them singly to have one test each.
"""

from __future__ import annotations

from teachrl.errors import ContractBroken
from teachrl.testing.envs import ENV_CHECKS, EnvCase, check_env
from teachrl.testing.restoring import check_restorable
from teachrl.testing.students import STUDENT_CHECKS, StudentCase, check_student
from teachrl.testing.teachers import TEACHER_CHECKS, TeacherCase, check_teacher
from teachrl.testing.toy import ToyEnv

__all__ = [
    "ENV_CHECKS",
    "STUDENT_CHECKS",
    "TEACHER_CHECKS",
    "ContractBroken",
    "EnvCase",
    "StudentCase",
    "TeacherCase",
    "ToyEnv",
    "check_env",
    "check_restorable",
    "check_student",
    "check_teacher",
]
