"""TensorBoard event files, written directly: no thread, and no host name in the file's name."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from teachrl.runs.directory import RunDirectory
from teachrl.runs.loggers import Logger


class TensorBoard(Logger):
    """Writes scalars and images into `tb/` of the run's directory; of resumed runs, later steps are no longer shown."""

    takes_pictures: ClassVar[bool] = True

    def __init__(self, directory: RunDirectory, purge_step: int | None = None) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        super().__init__(directory, purge_step)
        self._event = Event
        place = directory.tensorboard
        place.mkdir(parents=True, exist_ok=True)
        stamp = time.time()
        count = len(list(place.iterdir()))
        self._writer = RecordWriter((place / f"events.out.tfevents.{int(stamp):010d}.{count}").open("wb"))
        self._write(Event(wall_time=stamp, file_version="brain.Event:2"))
        if purge_step is not None:
            start = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=stamp, step=purge_step, session_log=start))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Writes numbers by tag; those that are not finite are left out."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        finite = [Summary.Value(tag=tag, simple_value=x) for tag, x in values.items() if math.isfinite(x)]
        self._write(self._event(wall_time=time.time(), step=step, summary=Summary(value=finite)))

    def picture(self, tag: str, pixels: Any, step: int) -> None:
        """Writes a picture, (height, width, 3) uint8."""
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
