"""What both views, page and terminal, do before and after: watch, out of the daemon's way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from daemon.stop import Stop
from daemon.views.observer import Observer
from daemon.views.scrape import address

_NICE = 5


@contextmanager
def observing(name: str, metrics: str | None) -> Iterator[tuple[Observer, Stop]]:
    """An observer that has begun, and the wish to stop, as signals express it.

    Raises
    ------
    UsageError
        ``metrics`` is no address.
    """
    observer = Observer(name, address(metrics) if metrics else None)
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(_NICE)  # whoever watches waits for what is watched
    with Stop().signals() as stop, closing(observer):
        observer.start()
        yield observer, stop
