"""What a constructor or a function takes, read from its signature and docstring, and checked by jsonargparse.

Teachers, students, wrappers and the verbs of the command line all pass here, whether their arguments came as flags,
from YAML or from Python, so that names, types and errors are the same everywhere.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from teachrl.configurable import Configurable, full_name, to_config
from teachrl.errors import InvalidHyperparameter, nearest

NESTED = re.compile(r"(typing\.|collections\.abc\.)?(dict|Dict|Mapping|MutableMapping)\b")
FLAT = re.compile(r"\[\s*str\s*,(?!.*\b(Any|dict|Mapping|object)\b)")
LISTS = re.compile(r"(typing\.|collections\.abc\.)?(list|List|Sequence|tuple|Tuple|Iterable)\b")
COUNTING = re.compile(r"(?<![\w.])\d[\d_]*(\.\d*)?[eE]\+?\d+(?![\w.])")


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as in YAML 1.2 and in JSON."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)$"),
    list("-+0123456789."),
)


def load_yaml(text: str) -> Any:
    """Reads YAML as data; 1e-3 is a number.

    Raises:
        yaml.YAMLError: If it is not YAML.
    """
    return yaml.load(text, _Loader)


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of the command line.

    Attributes:
        path: Its name, split at the dots: `("fit_rate",)`, `("hyperparameters", "learning_rate")`.
        value: What followed it, as text.
    """

    path: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument: its name, its type as it was written, and its default as it would be written."""

    name: str
    type: str
    default: str | None

    @property
    def optional(self) -> bool:
        """Whether None is a value."""
        return self.default == "None" or re.search(r"\b(None|Any|object|Optional)\b", self.type) is not None

    def __str__(self) -> str:
        return f"{self.name}: {self.type}" + ("" if self.default is None else f" = {self.default}")


class Schema:
    """What a class's constructor, or a function, takes.

    Args:
        target: The class or function.
        skip: Arguments that are not offered.
        owner: What messages call it; its name by default.
        prefix: What stands before a name in messages, e.g. `"--"`.
        more: Further names that are read elsewhere, for the nearest names only.
    """

    def __init__(
        self,
        target: Callable[..., Any],
        skip: Iterable[str] = (),
        owner: str = "",
        prefix: str = "",
        more: Iterable[str] = (),
    ) -> None:
        self.target, self.skip, self.prefix, self.more = target, frozenset(skip), prefix, tuple(more)
        self.owner = owner or target.__name__
        names = _add(_parser(), target, self.skip)
        written = _signature(target)
        self.parameters = {name: written.get(name, Parameter(name, "Any", "...")) for name in names}
        self.required = [name for name, p in self.parameters.items() if p.default is None]

    def check(self, data: Mapping[str, Any], flags: Sequence[Flag] = (), partial: bool = False) -> dict[str, Any]:
        """Checks arguments and turns them into what the types say.

        Args:
            data: Arguments as plain data; objects are described by `class_path` and `init_args`.
            flags: Flags that come on top.
            partial: Whether arguments without a default may be missing.

        Returns:
            The arguments that were given, instantiated.

        Raises:
            InvalidHyperparameter: If one does not exist, is missing or is of another type.
        """
        for name in [*data, *(flag.path[0] for flag in flags)]:
            self.check_name(name)
        given = {name: self._prepare(name, value) for name, value in data.items()}
        texts: dict[str, str] = {}
        nested: dict[str, list[Flag]] = {}
        for flag in flags:
            self._take(flag, given, texts, nested)
        for name, about in nested.items():
            given[name] = self.make(name, to_config(texts.pop(name, None) or given[name]), *about)
        missing = [name for name in self.required if name not in {*given, *texts}]
        if missing and not partial:
            written = ", ".join(f"{self.prefix}{self.parameters[name]}" for name in missing)
            raise InvalidHyperparameter(f"{self.owner} needs {written}.\n{self.describe()}")
        return self._parse(given, texts)

    def check_name(self, name: str) -> None:
        """Raises InvalidHyperparameter, with the nearest names and all there are, if no parameter has this name."""
        if name in self.parameters:
            return
        near = nearest(name, [*self.parameters, *self.more])
        guess = f" Did you mean {' or '.join(self.prefix + n for n in near)}?" if near else ""
        raise InvalidHyperparameter(f"{self.owner} has no parameter {self.prefix}{name}.{guess}\n{self.describe()}")

    def describe(self) -> str:
        """Returns the parameters, one a line, with types and defaults."""
        if not self.parameters:
            return f"{self.owner} takes no parameters."
        return f"Parameters of {self.owner}:\n" + "\n".join(f"  {self.prefix}{p}" for p in self.parameters.values())

    def help(self, key: str | None = None) -> str:
        """Returns the explained parameters, as flags below `key`."""
        from jsonargparse import ArgumentParser

        parser = ArgumentParser(add_help=False, usage="-")
        _add(parser, self.target, self.skip, key)
        text = parser.format_help().partition("\n\n")[2].partition("\n")[2]  # without usage and heading
        asides = r"(?m)^ +--[\w.]+\.help \[CLASS_PATH_OR_NAME\].*\n( {8,}.*\n)*|^ +--[\w.]+ CONFIG\b.*\n( {8,}.*\n)*"
        text = re.sub(asides, "", text)
        return f"Parameters:\n{text}" if text.strip() else f"{self.owner} takes no parameters.\n"

    def _prepare(self, name: str, value: Any) -> Any:
        """Makes objects of nested descriptions, and whole numbers of 1e6 where a whole number is meant."""
        if isinstance(value, Mapping) and "class_path" in value:
            return self.make(name, value)
        if isinstance(value, Mapping):
            return {k: self._prepare(name, v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._prepare(name, v) for v in value]
        return self._whole(name, value)

    def _whole(self, name: str, value: Any) -> Any:
        written = self.parameters[name].type
        if not re.search(r"\b(int|Count)\b", written) or re.search(r"\bfloat\b", written):
            return value
        if isinstance(value, str):
            return COUNTING.sub(lambda found: _as_count(found[0]), value)
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def _take(self, flag: Flag, given: dict[str, Any], texts: dict[str, str], nested: dict[str, list[Flag]]) -> None:
        """Sorts a flag into texts, which jsonargparse reads, data, which it checks, and flags of nested objects."""
        (name, *rest), written = flag.path, self.parameters[flag.path[0]].type
        if not rest:
            given.pop(name, None)
            nested.pop(name, None)
            if LISTS.match(written) and not flag.value.lstrip().startswith("["):
                before = f"{texts[name][:-1]}, " if name in texts else "["  # one at a time adds up
                flag = Flag(flag.path, f"{before}{flag.value}]")
            texts[name] = str(self._whole(name, flag.value))
        elif NESTED.match(written):
            if name in texts:
                given[name] = self._value(texts.pop(name))
            keys = [".".join(rest)] if FLAT.search(written) else rest
            given[name] = _put(_named(given.get(name)), keys, self._value(flag.value))
        else:
            if (texts.get(name) or given.get(name)) is None:
                raise InvalidHyperparameter(
                    f"{self.owner} got .{'.'.join(rest)} of an object without its class; name the class first."
                )
            nested.setdefault(name, []).append(Flag(tuple(rest), flag.value))

    def make(self, name: str, described: Any, *flags: Flag) -> Any:
        """Makes a nested object, with the flags that are about it: `--teacher.editor.lr` is about `--teacher.editor`.

        Its short name is looked up in the table that the class has for this parameter, if it has one, and else among
        what plug-ins export.
        """
        from teachrl.configuration import instantiate, parse_spec

        spec = parse_spec(described)
        if home := getattr(self.target, "short_names", {}).get(name):
            module, _, table = home.partition(":")
            spec["class_path"] = full_name(spec["class_path"], name, getattr(importlib.import_module(module), table))
        made = instantiate(spec, Configurable, flags)
        # jsonargparse makes objects where the type is a class; where it is Any, that is deprecated.
        return made if re.search(r"\bAny\b", self.parameters[name].type) else to_config(made)

    @staticmethod
    def _value(text: str) -> Any:
        try:
            return load_yaml(text)
        except yaml.YAMLError:
            return text

    def _parse(self, given: dict[str, Any], texts: dict[str, str]) -> dict[str, Any]:
        from jsonargparse import ArgumentError

        values: dict[str, Any] = {}
        try:
            for some, read in ((given, "parse_object"), (texts, "parse_args")):
                parser = _parser()
                _add(parser, self.target, self.skip | (self.parameters.keys() - some.keys()))
                words = some if some is given else [f"--{name}={value}" for name, value in texts.items()]
                values |= parser.instantiate(getattr(parser, read)(words)).as_dict()
        except (ArgumentError, TypeError, ValueError) as error:
            raise self._ill_typed(str(error), {**given, **texts}) from error
        for name in values:  # jsonargparse lets None pass as "not given"
            if values[name] is None and not self.parameters[name].optional:
                raise self._ill_typed(f'Key "{name}"', {**given, **texts})
        return {name: values[name] for name in self.parameters if name in values}

    def _ill_typed(self, message: str, values: Mapping[str, Any]) -> InvalidHyperparameter:
        found = re.search(r'[Kk]ey "(\w+)', message) or re.search(r"--(\w+)", message)
        if not found or found[1] not in self.parameters:
            return InvalidHyperparameter(f"{self.owner}: {message}\n{self.describe()}")
        parameter = self.parameters[found[1]]
        return InvalidHyperparameter(
            f"{self.prefix or self.owner + '.'}{parameter.name} must be of type {parameter.type}, "
            f"got {values.get(parameter.name)!r}.\n{self.describe()}"
        )


def _parser() -> Any:
    from jsonargparse import ArgumentParser

    return ArgumentParser(exit_on_error=False, allow_abbrev=False, add_help=False)


def _add(parser: Any, target: Callable[..., Any], skip: frozenset[str], key: str | None = None) -> list[str]:
    """Adds the arguments of a class or function and returns their names; what has no type takes anything."""
    add = parser.add_class_arguments if isinstance(target, type) else parser.add_function_arguments
    names: list[str] = add(target, key, skip=set(skip), fail_untyped=False)
    return names


def _signature(target: Callable[..., Any]) -> dict[str, Parameter]:
    """Reads the parameters as they were written, those of base classes too."""
    owners = [c.__init__ for c in reversed(target.__mro__)] if isinstance(target, type) else [target]  # type: ignore[misc]
    return {p.name: _parameter(p, owner) for owner in owners for p in inspect.signature(owner).parameters.values()}


def _parameter(parameter: inspect.Parameter, owner: Any) -> Parameter:
    empty, annotation = inspect.Parameter.empty, parameter.annotation
    if isinstance(annotation, str):  # an alias such as `Criterion` says less than what it stands for
        alias = getattr(owner, "__globals__", {}).get(annotation)
        annotation = annotation if alias is None or isinstance(alias, type) else alias
    written = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    written = "Any" if annotation is empty else written.replace("typing.", "").replace("'", '"')
    default = None if parameter.default is empty else repr(parameter.default)
    return Parameter(parameter.name, written, default)


def _as_count(text: str) -> str:
    return str(int(float(text))) if float(text).is_integer() else text


def _named(value: Any) -> Mapping[str, Any]:
    """Returns what nested flags add to: `--loss forward_kl` is the name of what `--loss.temperature` is about."""
    return value if isinstance(value, Mapping) else {"name": value} if isinstance(value, str) else {}


def _put(data: Mapping[str, Any], keys: Sequence[str], value: Any) -> dict[str, Any]:
    """Returns the data with one more value, at nested keys."""
    first, *rest = keys
    inner = data.get(first)
    return {**data, first: _put(inner if isinstance(inner, Mapping) else {}, rest, value) if rest else value}
