"""The wish to stop, as SIGINT and SIGTERM express it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop(threading.Event):
    """Set by SIGINT or SIGTERM while `signals` is active."""

    @contextmanager
    def signals(self) -> Iterator[Stop]:
        """Catch both signals; the handlers from before come back at the end.

        A second signal acts at once, should stopping itself hang.
        """
        before = {number: signal.getsignal(number) for number in _SIGNALS}

        def stop(number: int, frame: FrameType | None) -> None:
            # The handler may interrupt this very thread while it holds the event's lock.
            threading.Thread(target=self.set, name="stop").start()
            signal.signal(number, signal.SIG_DFL)

        for number in before:
            signal.signal(number, stop)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
