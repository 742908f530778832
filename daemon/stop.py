"""The wish to stop, as SIGINT and SIGTERM express it, and to begin anew, as SIGHUP does."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
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
        at_once = signal.set_wakeup_fd(-1)
        try:
            yield self
        finally:
            signal.set_wakeup_fd(at_once)
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def stopped_at_once() -> Iterator[None]:
    """Both signals end the process with code 0, but for the time that `Stop.signals` is active.

    For what has nothing to lose at any moment. The exception that Python makes of a signal waits
    for library calls of any length, some swallow it, and TensorFlow's can crash of it; the thread
    here does none of that.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    stderr = os.dup(2)  # the other one is put aside while TensorFlow is imported

    def leave() -> None:
        while said := os.read(heard, 1):
            if said[0] in _SIGNALS:
                # Unless nobody reads it: on Windows it cannot be known, nor does it happen.
                if sys.platform == "win32" or select.select([], [stderr], [], 0)[1]:
                    os.write(stderr, b"eegd: stopped\n")
                os._exit(0)

    # One that is ignored, as in a script's background, stays so.
    handlers = {
        number: handler
        for number in _SIGNALS
        if (handler := signal.getsignal(number)) is not signal.SIG_IGN
    }
    before = signal.set_wakeup_fd(told)
    for number in handlers:
        signal.signal(number, lambda number, frame: None)
    threading.Thread(target=leave, name="stop at once", daemon=True).start()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(told)


@contextmanager
def hangups() -> Iterator[SimpleQueue[bool]]:
    """A queue that receives True for each SIGHUP.

    One that comes since the terminal was closed is a SIGTERM instead.
    """
    heard: SimpleQueue[bool] = SimpleQueue()
    if not hasattr(signal, "SIGHUP"):  # Windows
        yield heard
        return
    terminal = sys.__stdin__ is not None and os.isatty(0)

    def hang_up(number: int, frame: FrameType | None) -> None:
        if terminal and not os.isatty(0):
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            heard.put(True)

    before = signal.signal(signal.SIGHUP, hang_up)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGHUP, before)
