"""Keeps a warning that comes again and again from filling the log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from daemon.alike import Alike, shape

QUIET = 60.0  # seconds without a warning after which it is a new one
_KEPT = 256  # kinds of warnings: a stream's name may make one of its own


@dataclass
class _Warned:
    """One kind of warning: its texts, how often it came, and when first and last, in seconds."""

    text: Alike
    first: float
    last: float
    count: int = 1


class Repeats(logging.Filter):
    """Lets a warning through at its 1st, 2nd, 4th, 8th … time, with how often it came by then.

    Warnings that differ in their numbers alone are the same one, and are told with the range of
    each number. One that has not come for `QUIET` seconds begins anew. Records of other levels
    pass.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._warned: dict[str, _Warned] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING:
            return True
        with self._lock:
            return self._is_told(record)

    def _is_told(self, record: logging.LogRecord) -> bool:
        text, now = record.getMessage(), self._clock()
        kind = shape(text)
        # Taken out and put in again: the first is the one that has not come for longest.
        warned = self._warned.pop(kind, None)
        if warned is None or now - warned.last > QUIET:
            self._warned[kind] = _Warned(Alike(text), now, now)
            if len(self._warned) > _KEPT:
                del self._warned[next(iter(self._warned))]
            return True
        self._warned[kind] = warned
        warned.text.add(text)
        warned.count += 1
        warned.last = now
        if warned.count & (warned.count - 1):
            return False
        within = f"{warned.count} times within {now - warned.first:.0f} s"
        record.msg, record.args = f"{warned.text} ({within})", ()
        return True
