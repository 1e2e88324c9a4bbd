"""The command line. Each verb is one function, which Python code calls with the same arguments."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

USAGE = """\
usage: teachrl VERB [--name value ...]

Teachers for reinforcement learning: what to train on next, where to begin, what pays, what is seen.

  teachrl train                                                 the quickstart: ALP-GMM teaches PPO to walk
  teachrl train --env TeachRL/PointMass-v0 --teacher ALPGMM     a curriculum at work in two minutes
  teachrl distill --teacher runs/a --env ID                     a student that sees less learns what a teacher does
  teachrl evaluate runs/a                                       score a run on its environment's test suite
  teachrl ablate quick                                          compare teachers, with a report
  teachrl list teachers                                         what there is to choose from
"""


@dataclass(frozen=True, slots=True)
class Verb:
    """A word of the command line.

    Attributes:
        function: Where its function is, `module:name`; imported when the word is used.
        line: What it does, in one line.
        examples: Commands to learn from.
    """

    function: str
    line: str
    examples: str = ""

    def load(self) -> Callable[..., Any]:
        """Imports the function."""
        module, _, name = self.function.partition(":")
        return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


VERBS = {
    "train": Verb(
        "teachrl.runs.train:train",
        "train a student with teachers; without arguments, the quickstart",
        """\
  teachrl train
  teachrl train --env TeachRL/PointMass-v0 --teacher ALPGMM
  teachrl train --env TeachRL/StumpTracks-v0 --env_kwargs.legs short --teacher ALPGMM --teacher.fit_rate 150 \\
                --student SB3 --student.algorithm SAC --student.hyperparameters.learning_rate 1e-3 \\
                --steps 5e4 --seed 3 --out runs/a
  teachrl train --env CartPole-v1 --wrapper Parametrised --wrapper.attributes.unwrapped.length [0.2,2] --teacher ALPGMM
  teachrl train --teacher mypackage.MyTeacher --teacher.k 5     a class of your own
  teachrl train --config runs/a/config.yaml --seed 4            the same again, with another seed
  teachrl train --resume runs/a                                 go on where it stopped
  teachrl train --teacher ALPGMM --help                         the parameters of a teacher

  A dotted flag belongs to the teacher, wrapper or student before it; several teachers teach one student together.
  What is not given keeps the quickstart's value or the environment's own recommendation.
""",
    ),
    "distill": Verb(
        "teachrl.runs.distill:distill",
        "teach a student that sees less what a teacher that sees more does",
        """\
  teachrl train   --env TeachRL/CartPolePositions-v0 --view teacher --steps 100000 --out runs/teacher
  teachrl distill --teacher runs/teacher --env TeachRL/CartPolePositions-v0 --steps 20000 --out runs/student
  teachrl distill --teacher runs/teacher --env TeachRL/CartPolePositions-v0 --student MLP --method BC --steps 20000
  teachrl distill --teacher planner --env TeachRL/MiniGrid-DoorKey-8x8-v0 --steps 100000
  teachrl distill --teacher runs/left  --teacher.tasks '[[-4, 0], [0.5, 8], [0, 4]]' \\
                  --teacher runs/right --teacher.tasks '[[0, 4], [0.5, 8], [0, 4]]' --env TeachRL/PointMass-v0
  teachrl distill --env TeachRL/CartPolePositions-v0 --method BC --method.demonstrations demos.npz   of `collect`
  teachrl distill --teacher runs/walker --env TeachRL/StumpTracksBlind-v0 --curriculum ALPGMM --steps 100000
  teachrl distill --teacher runs/teacher --env TeachRL/CartPolePositions-v0 --student Recurrent --student.hidden 128 \\
                  --method DAgger --method.loss reverse_kl --method.beta '{schedule: exponential, from: 1, factor: 0.7}'
  teachrl distill --resume runs/student --steps 40000           go on
  teachrl distill --method DAgger --help                        the parameters of a method

  A dotted flag belongs to the teacher, student, method, curriculum or wrapper before it.
""",
    ),
    "collect": Verb(
        "teachrl.runs.collect:collect",
        "let a teacher act and write what it did, for students to learn from without it",
        """\
  teachrl collect --teacher runs/teacher --env TeachRL/CartPolePositions-v0 --steps 20000 --out demos.npz
  teachrl distill --env TeachRL/CartPolePositions-v0 --method BC --method.demonstrations demos.npz --out runs/student
  teachrl evaluate runs/student
  teachrl collect --teacher planner --env TeachRL/MiniGrid-DoorKey-5x5-v0 --noise 0.1 --out minari:doorkey/planner-v0
  teachrl collect --teacher runs/hopper --env Hopper-v5 --episodes 10 --snapshot_every 10 --out runs/hopper.states
  teachrl train   --env Hopper-v5 --teacher S3RL --teacher.trajectories runs/hopper.states --steps 1e6

  A dotted flag belongs to the teacher or wrapper before it.
""",
    ),
    "plan-subgoals": Verb(
        "teachrl.runs.plan_subgoals:plan_subgoals",
        "plan subgoals for levels ahead of training, with a language model for example",
        """\
  teachrl plan-subgoals --env TeachRL/MiniGrid-KeyCorridorS3R3-v0 --seeds 0:1000 --out plans.json \\
                        --provider LLM --provider.model qwen3:8b --provider.base_url http://127.0.0.1:11434/v1
  teachrl train --env TeachRL/MiniGrid-KeyCorridorS3R3-v0 --teacher Levels --teacher.seeds 0:1000 \\
                --teacher WordsAsBeacons --teacher.provider Recorded --teacher.provider.path plans.json
  teachrl plan-subgoals --env TeachRL/MiniGrid-MultiRoom-N2-S4-v0 --seeds 0:200 --provider Planner --out right.json
  teachrl plan-subgoals --env TeachRL/MiniGrid-MultiRoom-N2-S4-v0 --provider Noisy --provider.accuracy 0.8 --out a.json
  teachrl plan-subgoals --provider LLM --help                   endpoint, key, cache and limits of a language model

  A dotted flag belongs to the provider. The same command again goes on where it was; more --seeds add to the file.
  The key comes from an environment variable (--provider.key_env, by default OPENAI_API_KEY), never from a flag.
""",
    ),
    "evaluate": Verb(
        "teachrl.runs.evaluate:evaluate",
        "score the student of a run on a suite of tasks",
        """\
  teachrl evaluate runs/a
  teachrl evaluate runs/a --suite validation --episodes 3
  teachrl evaluate runs/a --video 3                             also film three of the tasks
""",
    ),
    "ablate": Verb(
        "teachrl.studies.ablate:ablate",
        "compare teachers: arms times seeds, in processes, with a report",
        """\
  teachrl ablate --list                                         the ready studies
  teachrl ablate quick                                          one of them: under a minute
  teachrl ablate studies/mine.yaml --jobs 2                     arms x seeds; run it again and it goes on where it was
  teachrl ablate studies/mine.yaml --dry-run --power            what it would do, and what its seeds can detect
  teachrl ablate studies/mine.yaml --retry                      also the trials that failed
  teachrl ablate studies/mine.yaml --engine ray --address auto  on a Ray cluster

  A study is a file such as this; only base, arms, control and seeds are required:

    question: Does learning progress beat uniform sampling on the gate?
    base: {env: TeachRL/PointMass-v0, steps: 300000}
    arms:
      uniform: {teachers: [Uniform]}
      alp-gmm: {teachers: [ALPGMM]}
      alp-gmm 150: {teachers: [{class_path: ALPGMM, init_args: {fit_rate: 150}}]}
    grid: {student.hyperparameters.learning_rate: [0.0003, 0.001]}
    control: uniform
    causal: yoked                                 why it helped: which tasks, in which order, chosen for this student?
    metric: success_rate
    contrasts: [[alp-gmm, uniform]]
    seeds: 10
""",
    ),
    "report": Verb(
        "teachrl.studies.report:report",
        "write the page of a study, or of a single run",
        """\
  teachrl report studies/mine                                   one HTML file that opens offline
  teachrl report studies/mine --paper paper/figures             PDF figures, a LaTeX table, methods.bib
  teachrl report runs/a                                         the same page for one run
""",
    ),
    "watch": Verb(
        "teachrl.studies.watch:watch",
        "film a run's student and what its teachers do, or follow a run that is going on",
        """\
  teachrl watch runs/a                                          on validation tasks, then on what its teacher sets now
  teachrl watch runs/a --tasks 5 --suite test --out film.mp4
  teachrl watch runs/a --live                                   a page on this machine that follows it; Ctrl-C ends it
""",
    ),
    "list": Verb(
        "teachrl.listing:listing",
        "list teachers, students, envs, methods, networks or losses, or explain one of them",
        """\
  teachrl list teachers
  teachrl list students
  teachrl list envs
  teachrl list methods                                          of distillation, as networks and losses
  teachrl list ALPGMM                                           its parameters, explained
  teachrl list DAgger
""",
    ),
}
"""The verbs by name. A new one takes one entry: its function's signature and docstring say the rest."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line.

    Args:
        arguments: The words after `teachrl`, those of this process by default.

    Returns:
        The exit code: 0, 1 if the work failed, 2 if the command line was wrong, 130 if it was interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(top_help())
        return 0
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"teachrl {version('teachrl')}")
        return 0
    return run(words[0], words[1:])


def top_help() -> str:
    """Returns the text of `teachrl --help`."""
    verbs = "\n".join(f"  {name:<14}{verb.line}" for name, verb in VERBS.items())
    return f"{USAGE}\nverbs:\n{verbs}\n\nteachrl VERB --help explains a verb and all its parameters."


def run(name: str, words: Sequence[str]) -> int:
    """Runs one verb; user errors become one message on stderr. Returns the exit code."""
    from teachrl.errors import TeachrlError, UnknownName
    from teachrl.verbs import help_text, read

    if os.getcwd() not in sys.path:  # classes of one's own are found as with `python -m`
        sys.path.insert(0, os.getcwd())
    code = 2
    try:
        if name not in VERBS:
            raise UnknownName("verb", name, VERBS)
        function = VERBS[name].load()
        if (text := help_text(name, VERBS[name].examples, function, words)) is not None:
            print(text)
            return 0
        given = read(name, function, words)
        code = 1
        show(function(**given))
    except TeachrlError as error:
        return complain(str(error), error, code)
    except KeyboardInterrupt as error:
        return complain(f"{name} was interrupted. {error}".rstrip(), error, 130)
    except BrokenPipeError:  # `teachrl list envs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to say at exit
    return 0


def complain(message: str, error: BaseException, code: int) -> int:
    """Prints what went wrong, and what was noted on how to go on, to stderr; returns the exit code."""
    print("\n".join([f"teachrl: {message}", *getattr(error, "__notes__", ())]), file=sys.stderr)
    return code


def show(result: Any) -> None:
    """Prints what a verb's function returned: text, or what has a `show` of its own."""
    if isinstance(result, str):
        print(result)
    elif callable(own := getattr(result, "show", None)):
        own()
