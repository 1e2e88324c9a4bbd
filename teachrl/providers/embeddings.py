"""Subgoals in words as vectors: hashed words, which need no download, or a sentence encoder that the user has."""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachrl._checks import check_count
from teachrl.configurable import Configurable
from teachrl.errors import InvalidHyperparameter

Embeddings = NDArray[np.float32]


class HashedWords(Configurable):
    """A bag of words by signed feature hashing, of unit length.

    Each word adds +1 or -1 to one of `dim` entries; which and with what sign, its BLAKE2 hash says. So texts that share
    words are near each other, and every machine computes the same (https://arxiv.org/abs/0902.2206).

    Args:
        dim: Number of entries.
    """

    def __init__(self, dim: int = 384) -> None:
        self.dim = dim

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Returns (n, dim) the vectors of texts; that of a text without words is zero."""
        check_count(self, "dim", 1)
        found = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(found, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                code = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
                row[(code >> 1) % self.dim] += 1 - 2 * (code & 1)
        return _unit(found)


class SentenceEncoder(Configurable):
    """A model of the library sentence-transformers, on the CPU, its vectors made to unit length.

    Nothing is downloaded: the model is a directory, or a name that is in the local cache already. The library is no
    part of teachrl's own dependencies.

    Args:
        model: Directory or name of the model, such as `all-MiniLM-L6-v2`.
        dim: Number of entries of its vectors; stated, so that spaces are known where the model is not.
    """

    def __init__(self, model: str, dim: int = 384) -> None:
        self.model = model
        self.dim = dim
        self._model: Any = None

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Returns (n, dim) the vectors of texts.

        Raises:
            InvalidHyperparameter: If the library or the model is not there, or its vectors have another length.
        """
        if self._model is None:
            self._model = self._load()
        found = np.asarray(self._model.encode(list(texts), show_progress_bar=False), np.float32)
        if found.shape != (len(texts), self.dim):
            raise InvalidHyperparameter(
                f"SentenceEncoder.dim must be the length of the vectors of {self.model!r}, {found.shape[-1]}, "
                f"got {self.dim}."
            )
        return _unit(found)

    def _load(self) -> Any:
        try:
            library: Any = importlib.import_module("sentence_transformers")
        except ImportError as error:
            raise InvalidHyperparameter(
                "SentenceEncoder needs the library sentence-transformers, which is not installed: "
                "`pip install sentence-transformers`, or take HashedWords, which needs nothing."
            ) from error
        try:
            return library.SentenceTransformer(self.model, device="cpu", local_files_only=True)
        except (OSError, ValueError) as error:
            raise InvalidHyperparameter(
                f"SentenceEncoder.model must be a model's directory, or a name in the local cache, got {self.model!r} "
                f"({error}). Nothing is downloaded here; fetch the model first."
            ) from error


def _unit(vectors: Embeddings) -> Embeddings:
    """Returns vectors (n, dim) at length 1, those of length 0 as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Embeddings = np.clip(vectors / np.where(lengths > 0, lengths, 1.0), -1.0, 1.0).astype(np.float32)
    return unit
