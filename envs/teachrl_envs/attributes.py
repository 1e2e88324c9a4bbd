"""Dotted paths into an object's attributes, and small arithmetic over them."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from teachrl.errors import InvalidEnvironment, UnknownName

_OPERATIONS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


class Path:
    """A number inside an object: attribute names and array indices joined by dots, `unwrapped.model.gravity.2`.

    Args:
        text: The path.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts = text.split(".")

    def get(self, root: Any) -> float:
        """Reads the number.

        Raises:
            UnknownName: If a part of the path does not exist; offers those that do.
            InvalidEnvironment: If the path does not end at a number.
        """
        value = self._walk(root, len(self.parts))
        if not _is_number(value):
            raise InvalidEnvironment(
                f"The attribute {self.text!r} is {type(value).__name__} {value!r}, expected one number. "
                f"For an entry of an array end the path with its index, e.g. '{self.text}.0'."
            )
        return float(value)

    def set(self, root: Any, value: float) -> None:
        """Writes the number, which exists already.

        Raises:
            UnknownName: If a part of the path does not exist.
            InvalidEnvironment: If it cannot be written.
        """
        parent, last = self._walk(root, len(self.parts) - 1), self.parts[-1]
        try:
            if last.isdigit():
                parent[int(last)] = value
            else:
                setattr(parent, last, value)
        except (AttributeError, TypeError, ValueError) as error:
            raise InvalidEnvironment(f"The attribute {self.text!r} cannot be set to {value}: {error}.") from error

    def _walk(self, root: Any, depth: int) -> Any:
        value = root
        for i, part in enumerate(self.parts[:depth]):
            if not _has(value, part):
                known = [".".join([*self.parts[:i], name]) for name in _numbers(value)]
                raise UnknownName("attribute", self.text, known, self._hint(root))
            value = value[int(part)] if part.isdigit() else getattr(value, part)
        return value

    def _hint(self, root: Any) -> str:
        inner = getattr(root, "unwrapped", None)
        if inner is not None and self.parts[0] != "unwrapped" and _has(inner, self.parts[0]):
            return f"Paths begin at the wrapped environment: write 'unwrapped.{self.text}'."
        return ""


def _is_number(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 0 and bool(np.issubdtype(value.dtype, np.number))
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _has(value: Any, part: str) -> bool:
    if part.isdigit():
        return hasattr(value, "__len__") and hasattr(value, "__getitem__") and int(part) < len(value)
    return not part.startswith("__") and hasattr(value, part)


def _numbers(value: Any) -> list[str]:
    """Lists what a path could go on with: numbers and arrays by name, or indices."""
    if hasattr(value, "__len__") and hasattr(value, "__getitem__"):
        return [str(i) for i in range(min(len(value), 20))]
    members = {**getattr(type(value), "__dict__", {}), **getattr(value, "__dict__", {})}
    return [
        name
        for name, member in members.items()
        if not name.startswith("_") and (_is_number(member) or isinstance(member, np.ndarray | list))
    ]


class Expression:
    """Arithmetic over paths: numbers, dotted names, `x[2]` for an entry, `+ - * / **` and brackets, nothing else.

    Args:
        text: The expression, e.g. `"unwrapped.masspole * unwrapped.length"`.

    Raises:
        InvalidEnvironment: If it holds anything else.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except SyntaxError as error:
            raise InvalidEnvironment(f"The expression {text!r} cannot be read: {error.msg}.") from error

    def value(self, root: Any) -> float:
        """Computes the expression with names looked up from `root`.

        Raises:
            UnknownName: If a name does not exist.
            InvalidEnvironment: If the expression is not plain arithmetic or has no finite value.
        """
        try:
            result = self._evaluate(self._tree, root)
        except ArithmeticError as error:
            raise InvalidEnvironment(f"The expression {self.text!r} has no value: {error}.") from error
        if not isinstance(result, float) or not np.isfinite(result):
            raise InvalidEnvironment(f"The expression {self.text!r} is {result}, expected a finite number.")
        return result

    def _evaluate(self, node: ast.expr, root: Any) -> float:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return float(number)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._evaluate(operand, root)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
                return _OPERATIONS[type(op)](self._evaluate(left, root), self._evaluate(right, root))
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return Path(self._path(node)).get(root)
        raise self._refused(node)

    def _path(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return name
            case ast.Attribute(value=value, attr=name):
                return f"{self._path(value)}.{name}"
            case ast.Subscript(value=value, slice=ast.Constant(value=int() as index)):
                return f"{self._path(value)}.{index}"
        raise self._refused(node)

    def _refused(self, node: ast.expr) -> InvalidEnvironment:
        return InvalidEnvironment(
            f"The expression {self.text!r} holds {ast.unparse(node)!r}; allowed are numbers, attribute paths from the "
            "environment, entries like x[2], + - * / ** and brackets."
        )
