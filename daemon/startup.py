"""The start: what is slow is built while the stream is looked for, and held against the contract.

Rules that hold here:

- A stream that is there is compared before the building may begin in earnest: one that is wrong is
  refused within a second, not after TensorFlow's import.
- Where none is there yet, the building goes on meanwhile. One that comes then is compared at once.
- Whichever of the two fails first ends the start.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from daemon.beside import Beside
from daemon.discovery import Search, Wanted
from daemon.inlet import Inlet, StreamLostError
from daemon.records import StreamDescription

log = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds that a stream which is there has to answer: LSL asks anew after half a second.
_FIRST_LOOK = 0.5


def build_beside_search(
    wanted: Wanted,
    require_fit: Callable[[StreamDescription], object],
    build: Callable[[threading.Event], T],
    *,
    timeout: float | None,
) -> tuple[T, Search | None]:
    """Build while the stream is looked for.

    Parameters
    ----------
    wanted : Wanted
    require_fit : function of StreamDescription
        Raises a `ContractError` where the stream does not fit.
    build : function of threading.Event
        Runs in a thread of its own. Waits for the event, which is set once the stream has been
        found to fit, or none has answered, before it does what is slow.
    timeout : float or None
        Seconds to wait for the stream; None waits for ever.

    Returns
    -------
    built : object
        What ``build`` returned.
    search : Search or None
        The search that goes on, where no stream was found; None where one was.

    Raises
    ------
    ContractError
        The stream does not fit, or several match.
    StreamNotFoundError
        No stream within the time allowed.
    EegdError
        What ``build`` raised.
    """
    search = Search(wanted)
    begin = threading.Event()
    building = Beside(partial(build, begin), "build")

    def stopped() -> bool:
        if search.seconds > _FIRST_LOOK:
            begin.set()
        return building.done()

    try:
        found = _compare(search, require_fit, begin, timeout=timeout, stopped=stopped)
    except StreamLostError as error:
        if not building.done():
            log.warning("%s", error)
        found = True  # by a search that may still name it
    begin.set()
    return building.result(), None if found else search


def _compare(
    search: Search,
    require_fit: Callable[[StreamDescription], object],
    begin: threading.Event,
    *,
    timeout: float | None,
    stopped: Callable[[], bool],
) -> bool:
    """Hold the stream that matches against the contract; False if ``stopped`` came first."""
    info = search.first(timeout=timeout, stopped=stopped)
    if info is None:
        return False
    inlet = Inlet(info, stopped)
    try:
        require_fit(inlet.stream)
        begin.set()
    finally:
        inlet.close()
        search.require_only()  # two that match are worse than one that is wrong
    return True
