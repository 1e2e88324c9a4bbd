"""Writes a film: an mp4 file that grows by pictures with lines of text under them, and by title cards."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from teachrl.errors import InvalidEnvironment

LEAST_WIDTH = 480
"""Pictures narrower than this are enlarged, so that text fits under them."""
_SIZE, _LEADING, _MARGIN = 14, 19, 8
_PAPER, _INK, _FAINT = (255, 255, 255), (30, 33, 40), (96, 102, 112)
TONES = {"good": (0, 114, 84), "bad": (190, 60, 0), "mark": (0, 90, 170)}
"""Colours of lines that say how something went: told apart without telling red from green."""
Line = str | tuple[str, str]
"""A line of text, or one with its tone."""


class Reel:
    """A film in the making; it appears under its name when it is closed without an error.

    Args:
        path: The mp4 file.
        fps: Pictures a second.
        lines: Lines of text under each picture.
    """

    def __init__(self, path: Path, fps: float, lines: int) -> None:
        self._path, self._draft = path, path.with_name(f".{path.stem}.tmp.mp4")
        self._fps, self._lines = fps, lines
        self._cards: list[tuple[str, Sequence[Line]]] = []
        self._writer: Any = None
        self._shape: tuple[int, ...] = ()
        self._last: NDArray[np.uint8] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is not None:
            with _resources_ignored():
                self._writer.close()
                self._writer = None
            if error is None:
                self._draft.replace(self._path)
        self._draft.unlink(missing_ok=True)

    def card(self, title: str, lines: Sequence[Line]) -> None:
        """Adds a title card, shown for two seconds before the next picture."""
        self._cards.append((title, lines))

    def show(self, picture: NDArray[np.uint8], lines: Sequence[Line]) -> None:
        """Adds a picture, (H, W, 3), with lines under it."""
        frame = self._framed(enlarged(picture), lines)
        if self._writer is None:
            self._open(frame.shape)
        if frame.shape != self._shape:
            raise InvalidEnvironment(
                f"The pictures of a film must have one size: the first was {self._shape[:2]} with its text, this one "
                f"is {frame.shape[:2]}. Let the environment render at a fixed size."
            )
        for title, text in self._cards:
            self._hold(_card(frame.shape, title, text), 2.0)
        self._cards.clear()
        self._append(frame)

    def hold(self, seconds: float) -> None:
        """Keeps the last picture for a while."""
        if self._last is not None:
            self._hold(self._last, seconds)

    def _framed(self, picture: NDArray[np.uint8], lines: Sequence[Line]) -> NDArray[np.uint8]:
        height = self._lines * _LEADING + 2 * _MARGIN
        page = np.full((picture.shape[0] + height, picture.shape[1], 3), _PAPER, np.uint8)
        page[: len(picture)] = picture
        page = page[: page.shape[0] // 2 * 2, : page.shape[1] // 2 * 2]  # mp4 needs even sides
        return _written(page, len(picture) + _MARGIN, list(lines)[: self._lines])

    def _open(self, shape: tuple[int, ...]) -> None:
        import imageio.v2 as imageio

        self._path.parent.mkdir(parents=True, exist_ok=True)
        make: Callable[..., Any] = imageio.get_writer
        with _resources_ignored():
            self._writer = make(
                self._draft, fps=self._fps, codec="libx264", macro_block_size=2, output_params=["-threads", "1"]
            )
        self._shape = shape

    def _hold(self, frame: NDArray[np.uint8], seconds: float) -> None:
        for _ in range(max(round(seconds * self._fps), 1)):
            self._append(frame)

    def _append(self, frame: NDArray[np.uint8]) -> None:
        with _resources_ignored():
            self._writer.append_data(frame)
        self._last = frame


@contextmanager
def _resources_ignored() -> Iterator[None]:
    """Ignores warnings of pipes that the library leaves to the collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def enlarged(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns a picture at least `LEAST_WIDTH` wide, each pixel repeated."""
    times = -(-LEAST_WIDTH // picture.shape[1])
    return picture if times <= 1 else picture.repeat(times, axis=0).repeat(times, axis=1)


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)


def _written(page: NDArray[np.uint8], top: int, lines: Sequence[Line]) -> NDArray[np.uint8]:
    """Writes lines into a picture, from `top` on."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(page)
    pen, font = ImageDraw.Draw(picture), _font(_SIZE)
    for i, line in enumerate(lines):
        text, tone = (line, "") if isinstance(line, str) else line
        text = _fitting(text, font, picture.width - 2 * _MARGIN)
        pen.text((_MARGIN, top + i * _LEADING), text, fill=TONES.get(tone, _INK), font=font)
    return np.asarray(picture)


def _card(shape: tuple[int, ...], title: str, lines: Sequence[Line]) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (shape[1], shape[0]), (24, 27, 33))
    pen, width = ImageDraw.Draw(picture), shape[1] - 6 * _MARGIN
    top = shape[0] // 2 - (24 + len(lines) * _LEADING) // 2
    pen.text((3 * _MARGIN, top - 10), _fitting(title, _font(22), width), fill="white", font=_font(22))
    for i, line in enumerate(lines):
        text = _fitting(line if isinstance(line, str) else line[0], _font(_SIZE), width)
        pen.text((3 * _MARGIN, top + 28 + i * _LEADING), text, fill=(200, 205, 212), font=_font(_SIZE))
    return np.asarray(picture)


def _fitting(text: str, font: Any, width: int) -> str:
    """Cuts a text that is too long for a line."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
