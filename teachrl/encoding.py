"""Trees as JSON: what JSON has stays as it is, arrays are left out by number, the rest is `{"$": kind, "v": value}`."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from teachrl.errors import InvalidRun

_KIND = "$"
_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_STORED = frozenset(["bool", *_INTEGERS, "float16", "float32", "float64", "complex64"])
"""The types that safetensors has."""


def encode(value: Any, arrays: dict[str, np.ndarray], where: str = "tree") -> Any:
    """Returns `value` as JSON data and puts its arrays into `arrays`, by the names that the data refers to.

    Raises:
        InvalidRun: If something in it is not data; the message says where.
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else _tag("float", repr(value))
    if isinstance(value, dict):
        return _encode_dict(value, arrays, where)
    if type(value) in (list, tuple):
        items = [encode(v, arrays, f"{where}[{i}]") for i, v in enumerate(value)]
        return items if type(value) is list else _tag("tuple", items)
    if isinstance(value, bytes):
        return _tag("bytes", value.hex())
    if isinstance(value, np.generic):
        return _tag("scalar", _encode_array(np.asarray(value), arrays, where))
    if isinstance(value, np.ndarray):
        return _encode_array(value, arrays, where)
    if (tensor := _encode_tensor(value, arrays, where)) is not None:
        return tensor
    raise InvalidRun(
        f"{where} is a {type(value).__module__}.{type(value).__name__}, which a checkpoint cannot hold. "
        "Return arrays, tensors, numbers, strings, None, dicts, lists and tuples from state_dict."
    )


def decode(data: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Returns what `encode` was given."""
    if isinstance(data, list):
        return [decode(v, arrays) for v in data]
    if not isinstance(data, dict):
        return data
    if _KIND not in data:
        return {k: decode(v, arrays) for k, v in data.items()}
    kind, inner = data[_KIND], data["v"]
    if kind == "dict":
        return {decode(k, arrays): decode(v, arrays) for k, v in inner}
    if kind == "tuple":
        return tuple(decode(v, arrays) for v in inner)
    if kind == "float":
        return float(inner)
    if kind == "bytes":
        return bytes.fromhex(inner)
    if kind == "scalar":
        return decode(inner, arrays)[()]
    if kind == "tensor":
        return _decode_tensor(decode(inner, arrays), data["dtype"])
    return _decode_array(kind, inner, data, arrays)


def _tag(kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {_KIND: kind, "v": value, **more}


def _encode_dict(value: dict[Any, Any], arrays: dict[str, np.ndarray], where: str) -> dict[str, Any]:
    if _KIND not in value and all(type(k) is str for k in value):
        return {k: encode(v, arrays, f"{where}[{k!r}]") for k, v in value.items()}
    pairs = [[encode(k, arrays, where), encode(v, arrays, f"{where}[{k!r}]")] for k, v in value.items()]
    return _tag("dict", pairs)


def _encode_array(value: np.ndarray, arrays: dict[str, np.ndarray], where: str) -> dict[str, Any]:
    if value.dtype.kind == "U":
        return _tag("text", value.reshape(-1).tolist(), shape=list(value.shape), dtype=value.dtype.str)
    if value.dtype.kind not in "?biufcmMS" or value.dtype.kind == "O":
        raise InvalidRun(f"{where} is an array of {value.dtype}, which a checkpoint cannot hold.")
    name = str(len(arrays))
    plain = np.array(value, order="C")
    if value.dtype.name in _STORED and value.dtype.isnative:
        arrays[name] = plain
        return _tag("array", name)
    arrays[name] = np.frombuffer(plain.tobytes(), np.uint8)
    return _tag("raw", name, shape=list(value.shape), dtype=value.dtype.str)


def _decode_array(kind: str, inner: Any, data: dict[str, Any], arrays: dict[str, np.ndarray]) -> np.ndarray:
    if kind == "array":
        return arrays[inner]
    dtype, shape = np.dtype(data["dtype"]), data["shape"]
    if kind == "text":
        return np.array(inner, dtype).reshape(shape)
    if kind == "raw":
        return np.frombuffer(arrays[inner].tobytes(), dtype).reshape(shape).copy()
    raise ValueError(f"it holds something of the kind {kind!r}, which this version does not know")


def _encode_tensor(value: Any, arrays: dict[str, np.ndarray], where: str) -> dict[str, Any] | None:
    """Stores a torch tensor; torch is not imported for it: who has a tensor has imported it."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return None
    plain = value.detach().cpu()
    dtype = str(plain.dtype).removeprefix("torch.")
    if dtype == "bfloat16":
        plain = plain.contiguous().view(torch.int16)
    return _tag("tensor", _encode_array(plain.numpy(), arrays, where), dtype=dtype)


def _decode_tensor(array: np.ndarray, dtype: str) -> Any:
    import torch

    tensor = torch.from_numpy(np.array(array))
    return tensor.view(torch.bfloat16) if dtype == "bfloat16" else tensor
