"""One daemon for one output name: consumers that look for the name must find one stream.

On one machine a name is claimed from the kernel, so of two daemons that start at the same moment
one is refused. On other machines LSL is asked; of two there that start within the same second,
each may miss the other.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import time

import pylsl

from daemon.discovery import Anything, find_streams
from daemon.errors import UsageError
from daemon.text import clean

_ANSWER = 0.5  # seconds that streams have to answer


class Claim:
    """The name of an output, from construction to `close`.

    LSL is asked in the background until `confirm`, so that the time goes into other work.

    Parameters
    ----------
    name, source_id : str
        Of the stream of markers.
    before : Claim or None
        This process's claim until now: its streams are no other daemon's.

    Raises
    ------
    UsageError
        Another daemon on this machine has it.
    """

    def __init__(self, name: str, source_id: str, before: Claim | None = None) -> None:
        self._name = name
        self._source_id = source_id
        # What this process has published; some of it may still be there.
        self._ours: set[tuple[str, str]] = (
            {*before._ours, (before._name, before._source_id)} if before else set()
        )
        self._held: socket.socket | None = (
            before._held if before and before._name == name else _hold(name)
        )
        self._resolver = pylsl.ContinuousResolver()
        self._since = time.monotonic()

    def confirm(self) -> None:
        """Make sure that nobody on the network has it.

        Raises
        ------
        UsageError
            Names the host that has it.
        """
        time.sleep(max(self._since + _ANSWER - time.monotonic(), 0.0))
        # What was seen in the background may be gone by now, hence the second look.
        if any(map(self._taken, self._resolver.results())):
            for info in filter(self._taken, find_streams(Anything())):
                key = "name" if info.name() == self._name else "source_id"
                raise _refusal(key, getattr(info, key)(), info.hostname())
        del self._resolver

    def close(self, but: Claim | None = None) -> None:
        """Give the name up, unless ``but`` has it too."""
        if self._held is not None and (but is None or but._held is not self._held):
            self._held.close()

    def _taken(self, info: pylsl.StreamInfo) -> bool:
        name, source_id = info.name(), info.source_id()
        if (name, source_id) in self._ours and info.hostname() == socket.gethostname():
            return False
        return bool(name == self._name or source_id == self._source_id)


def _hold(name: str) -> socket.socket | None:
    """A socket whose name the kernel gives to one process, until that ends in whatever way."""
    if sys.platform != "linux":
        return None
    # Another LSL configuration may be another LSL session, whose streams are apart from these.
    whole = f"{name}\0{os.environ.get('LSLAPICFG', '')}"
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(f"\0eegd-{hashlib.sha256(whole.encode()).hexdigest()[:32]}")
    except OSError:
        held.close()
        raise _refusal("name", name, socket.gethostname()) from None
    return held


def _refusal(key: str, value: str, host: str) -> UsageError:
    where = clean(host) or "the network"
    return UsageError(
        f"output.{key}: {value!r} is already published on {where}; stop the other daemon there, or "
        f"choose another output.{key} here"
    )
