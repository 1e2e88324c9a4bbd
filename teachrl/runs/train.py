"""A run from its arguments to its evaluation."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from teachrl.errors import InvalidRun, TeachrlError
from teachrl.runs.console import Progress
from teachrl.runs.directory import RunDirectory, check_free, default_place, utc
from teachrl.runs.evaluation import Evaluation
from teachrl.runs.interrupt import Interrupt
from teachrl.runs.participants import Participants
from teachrl.runs.pictures import save_overview
from teachrl.runs.resume import Resumption
from teachrl.runs.run import Run
from teachrl.runs.seen import report_seen
from teachrl.runs.session import Session
from teachrl.runs.settings import Select, Settings
from teachrl.runs.sources import sources
from teachrl.runs.threads import limited_threads
from teachrl.runs.video import choose, film, film_title
from teachrl.student import Student
from teachrl.teacher import Teacher


def train(
    env: str = "",
    env_kwargs: dict[str, Any] = {},  # noqa: B006 - never changed, and readable on the command line
    wrappers: list[Any] = [],  # noqa: B006
    view: str = "student",
    teachers: list[Teacher] = [],  # noqa: B006
    disable: list[str] = [],  # noqa: B006
    student: Student | None = None,
    steps: int | None = None,
    num_envs: int = 8,
    workers: int = 0,
    seed: int = 0,
    out: str | None = None,
    eval_every: int | str = "auto",
    checkpoint_every: int | str = "auto",
    select: Select = "last",
    threads: int = 1,
    device: str = "auto",
    loggers: list[str] = ["tensorboard"],  # noqa: B006
    video: int = 2,
    pictures: bool = True,
    resume: str | None = None,
    progress: Progress = "auto",
) -> Run:
    """Lets teachers teach a student, and evaluates it.

    The run is a directory: configuration, metrics, tables of episodes and evaluations, checkpoints, pictures, films.
    It ends with a checkpoint and one evaluation of the test suite.

    Args:
        env: Id of the environment, e.g. TeachRL/StumpTracks-v0.
        env_kwargs: Arguments of the environment's constructor.
        wrappers: What is put around each environment, innermost first: names, class paths, or functions in Python.
        view: The view the student sees, of environments that have several.
        teachers: Who teaches, in the order in which they act; in Python also a single teacher.
        disable: Channels to switch off, "rewards", or one teacher's, "ALPGMM.tasks".
        student: Who learns.
        steps: Steps of the student in the environments, all together, rounded up to what it learns from at once.
        num_envs: Number of parallel environments.
        workers: Processes for the environments, 0 for none beside this one.
        seed: Root of all random numbers of the run.
        out: The run's directory, which must not exist or be empty; runs/<env>/<teachers>/<seed>-<utc> without it.
        eval_every: Steps between evaluations of the validation suite, "auto" for a tenth of the run, or "never".
        checkpoint_every: Steps between checkpoints, of which the last two are kept, "auto" for a tenth, or "never".
        select: The student that the run ends with: last is the one at the end; best is the one that did best in the
            validation suite: the most mastered tasks, then the highest return.
        threads: Threads of torch and of numerical libraries.
        device: Torch's name of a device for the student, or "auto".
        loggers: What to write beside metrics.jsonl: tensorboard, csv, wandb (an extra).
        video: Number of test tasks to film at the end, from the best to the worst.
        pictures: Whether to draw the curriculum and what was mastered: curriculum.png at the end, and pictures for the
            loggers at each evaluation.
        resume: Directory of a run to continue exactly. Its own configuration is used where nothing else is given; a
            larger `steps` extends it.
        progress: What to show: a table, plain lines, none, or auto: a table on a terminal and plain lines elsewhere.

    Returns:
        The run: its directory, student and evaluation.

    Raises:
        TeachrlError: If an argument is wrong, before anything is created; or if the run fails, and then its last
            checkpoint stands.
        KeyboardInterrupt: If it was interrupted; it can be resumed.
    """
    arguments = dict(locals())
    if resume is not None:
        if out is not None and Path(out).resolve() != Path(resume).resolve():
            raise InvalidRun(f"A resumed run stays in its own directory, {resume}: leave out={out!r} away.")
        directory = RunDirectory.open(resume)
        with directory.claimed():
            return _continue(Resumption(directory, arguments, defaults()), progress)
    settings = Settings.checked(arguments)
    place = Path(out) if out else default_place(settings.env, settings.teacher_names, settings.seed)
    check_free(place)
    return _begin(settings, place, progress)


def defaults() -> dict[str, Any]:
    """Returns the defaults of the arguments of `train`."""
    return {name: p.default for name, p in inspect.signature(train).parameters.items()}


def _begin(settings: Settings, place: Path, progress: Progress) -> Run:
    with limited_threads(settings.threads), closing(Participants(settings, settings.steps)) as people:
        people.rehearse()
        directory = RunDirectory.create(place, settings.config(), settings.is_data())
        with (
            directory.claimed(),
            _outcome(directory),
            closing(Session(settings, people, directory, progress)) as session,
        ):
            return _conduct(session)


def _continue(resumption: Resumption, progress: Progress) -> Run:
    settings, directory = resumption.settings, resumption.directory
    with limited_threads(settings.threads), closing(Participants(settings, resumption.total)) as people:
        resumption.check_work_left(people.student.granularity)
        with (
            _outcome(directory),
            closing(Session(settings, people, directory, progress, resumption.checkpoint)) as session,
        ):
            directory.write_config(settings.config())
            resumption.announce(session.console.say, session.clock.total)
            return _conduct(session)


def _conduct(session: Session) -> Run:
    """Learns, evaluates and saves in turn."""
    with Interrupt(session.console.say) as interrupt:
        while piece := session.clock.next_piece():
            due = session.learn(piece)
            session.note(session.evaluate("validation") if "evaluate" in due else None)
            if "checkpoint" in due or interrupt.wished:
                session.save()
            if interrupt.wished:
                raise KeyboardInterrupt(f"Stopped at {session.clock.steps} steps.")
        session.save()
    return _finish(session)


def _finish(session: Session) -> Run:
    """Evaluates the test suite, draws, films, and closes the books."""
    directory = session.directory
    chosen, line = session.select()
    session.console.say("Evaluating the test suite, and drawing")
    evaluation = session.evaluate("test")
    evaluation.save(directory.evaluations)
    _draw(session, evaluation)
    _film(session, evaluation, chosen)
    session.episodes.compact()
    session.evaluations.compact()
    line = ", ".join(part for part in (evaluation.line, line) if part)
    directory.write_meta({"status": "finished", "ended": utc(), "steps": session.clock.steps, "result": line})
    session.console.close()
    session.console.say(line)
    for found in sources([session.log.newest]):
        session.console.say(str(found))
    report_seen(directory, session.classroom.teachers, evaluation, session.console.say)
    session.console.say(str(directory.path))
    return Run(
        directory.path, session.student, evaluation, session.classroom, session.clock.steps, session.settings.seed,
        chosen,
    )  # fmt: skip


def _draw(session: Session, evaluation: Evaluation) -> None:
    """Draws the curriculum over time and what was mastered, if pictures are wanted."""
    if session.settings.pictures:
        taught = session.taught()
        target, teachers = session.directory.curriculum_picture, session.classroom.teachers
        save_overview(target, taught, evaluation, session.axes(taught), teachers)


def _film(session: Session, evaluation: Evaluation, steps: int) -> None:
    """Films the student on some tasks, where the environment can be filmed."""
    if session.settings.video == 0:
        return
    classroom = session.classroom
    lessons = choose(evaluation, classroom.envs.task_suite(evaluation.suite), session.settings.video)
    try:
        film(
            classroom, session.student, lessons, session.directory.videos,
            film_title(steps, evaluation.suite, lessons), session.settings.seed,
        )  # fmt: skip
    except (TeachrlError, OSError, RuntimeError) as error:  # the run is done: a film is not worth losing it
        session.console.say(f"No film: {error}")


@contextmanager
def _outcome(directory: RunDirectory) -> Iterator[None]:
    """Enters in meta.json how a run ended that does not finish, and tells how to go on."""
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        directory.write_failure("interrupted" if stopped else "failed", error)
        error.add_note(_how_to_go_on(directory))
        raise


def _how_to_go_on(directory: RunDirectory) -> str:
    try:
        steps = directory.checkpoint().name
    except InvalidRun:
        return f"No checkpoint was written yet. What there is lies in {directory.path}."
    return f"The checkpoint at {steps} steps stands: teachrl train --resume {directory.path}"
