"""TensorBoard event files, written directly: no thread, and no host name in the file's name."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class EventFile:
    """Writes scalars and images for TensorBoard.

    Args:
        directory: Where the file goes, created if need be.
        purge_step: Of a resumed run: what earlier files say of later steps is no longer shown.
    """

    def __init__(self, directory: Path, purge_step: int | None = None) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event = Event
        directory.mkdir(parents=True, exist_ok=True)
        stamp = time.time()
        count = len(list(directory.iterdir()))
        self._writer = RecordWriter((directory / f"events.out.tfevents.{int(stamp):010d}.{count}").open("wb"))
        self._write(Event(wall_time=stamp, file_version="brain.Event:2"))
        if purge_step is not None:
            start = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=stamp, step=purge_step, session_log=start))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Writes numbers by tag; those that are not finite are left out."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        finite = [Summary.Value(tag=tag, simple_value=x) for tag, x in values.items() if math.isfinite(x)]
        self._write(self._event(wall_time=time.time(), step=step, summary=Summary(value=finite)))

    def image(self, tag: str, pixels: Any, step: int) -> None:
        """Writes an image, (height, width, 3) uint8."""
        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary

        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="PNG")
        height, width = pixels.shape[:2]
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=buffer.getvalue())
        summary = Summary(value=[Summary.Value(tag=tag, image=image)])
        self._write(self._event(wall_time=time.time(), step=step, summary=summary))

    def _write(self, event: Any) -> None:
        self._writer.write(event.SerializeToString())
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()
