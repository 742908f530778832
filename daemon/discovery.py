"""Which streams there are, which one is meant, and what it says of itself.

Anyone can announce anything: what a stream says is limited and cleaned in `describe`, before
anything is reserved for it. Only the search compares it as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import pylsl

from daemon.errors import ContractError, StreamNotFoundError
from daemon.reasons import Code
from daemon.records import PROPERTIES, StreamDescription, is_property
from daemon.text import clean

# Beyond these no stream is described, let alone subscribed to.
MAX_CHANNELS = 1024
MAX_RATE = 1e6
MAX_METADATA = 4 << 20  # characters of XML
_NUMPY = {
    pylsl.cf_float32: "float32",
    pylsl.cf_double64: "double64",
    pylsl.cf_string: "string",
    pylsl.cf_int32: "int32",
    pylsl.cf_int16: "int16",
    pylsl.cf_int8: "int8",
    pylsl.cf_int64: "int64",
}
_RESOLVE = 1.0
_POLL = 0.05


class Anything:
    """Leaves every property of a stream open."""

    type = name = source_id = hostname = None


class Wanted(Protocol):
    """Which stream to look for; None leaves a property open. See `daemon.config.StreamConfig`."""

    @property
    def type(self) -> str | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def source_id(self) -> str | None: ...
    @property
    def hostname(self) -> str | None: ...


def find_streams(wanted: Wanted, wait: float = _RESOLVE) -> list[pylsl.StreamInfo]:
    """The streams that answer within ``wait`` seconds and match every property given."""
    return _matching(pylsl.resolve_streams(wait_time=wait), wanted)


def _matching(infos: list[pylsl.StreamInfo], wanted: Wanted) -> list[pylsl.StreamInfo]:
    return [
        info for info in infos if _agrees({key: getattr(info, key)() for key in PROPERTIES}, wanted)
    ]


def matches(stream: StreamDescription, wanted: Wanted) -> bool:
    """Whether ``stream`` is one that is ``wanted``, but for what `describe` has cleaned."""
    return _agrees({key: getattr(stream, key) for key in PROPERTIES}, wanted)


def _agrees(said: Mapping[str, str], wanted: Wanted) -> bool:
    return all(
        asked is None or is_property(key, said[key], asked)
        for key in PROPERTIES
        for asked in (getattr(wanted, key),)
    )


class Search:
    """Looks for the streams that match in the background, from construction on.

    Attributes
    ----------
    wanted : Wanted
        As given.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._resolver = pylsl.ContinuousResolver()
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has been looking."""
        return time.monotonic() - self._begun

    def found(self) -> list[pylsl.StreamInfo]:
        """The streams that match, of those that have answered so far."""
        return _matching(self._resolver.results(), self.wanted)

    def another(self, uid: str) -> bool:
        """Whether a stream matches that is not the one with ``uid``."""
        return any(info.uid() != uid for info in self.found())

    def first(
        self, *, timeout: float | None, stopped: Callable[[], bool]
    ) -> pylsl.StreamInfo | None:
        """The first stream that matches, or None when ``stopped`` says so first.

        Another that is slower to answer shows in `require_only` or `Inlet.require_only`.

        Raises
        ------
        StreamNotFoundError
            None has answered ``timeout`` seconds after the search began; None waits for ever.
        ContractError
            Several match; names them all.
        """
        while not stopped():
            if found := self.found():
                time.sleep(_POLL)  # for other answers of the same moment
                refuse_several(self.found(), self.wanted)
                return found[0]
            if timeout is not None and self.seconds >= timeout:
                raise StreamNotFoundError(
                    f"no stream matches {self.wanted} within {timeout:g} s "
                    "(stream.resolve_timeout); `eegd streams` lists what there is"
                )
            time.sleep(_POLL)
        return None

    def require_only(self) -> None:
        """Wait until all that match have had the time to answer, and refuse several.

        Raises
        ------
        ContractError
            Names them all.
        """
        time.sleep(max(_RESOLVE - self.seconds, 0.0))
        refuse_several(self.found(), self.wanted)


def refuse_several(found: list[pylsl.StreamInfo], wanted: Wanted) -> None:
    if len(found) > 1:
        names = "; ".join(sorted(_named(info) for info in found))
        raise ContractError(
            f"{len(found)} streams match {wanted}: {names}. Add name, source_id or hostname "
            "under stream in the config until only one does",
            Code.SEVERAL_STREAMS,
        )


def describe(info: pylsl.StreamInfo) -> StreamDescription:
    """What ``info`` says of its stream, cleaned; labels and units only if it is a full info.

    Raises
    ------
    ContractError
        It announces more than any amplifier has.
    """
    count, rate = info.channel_count(), info.nominal_srate()
    if count > MAX_CHANNELS:
        raise _absurd(info, f"{count} channels, more than {MAX_CHANNELS}")
    if not 0 <= rate <= MAX_RATE:
        raise _absurd(info, f"a rate of {rate:g} Hz, not 0 to {MAX_RATE:g}")
    if len(info.as_xml()) > MAX_METADATA:
        raise _absurd(info, f"more than {MAX_METADATA >> 20} MiB of metadata")
    labels, units = [""] * count, [""] * count
    channel = info.desc().child("channels").child("channel")
    for n in range(count):
        if channel.empty():
            break
        labels[n] = clean(channel.child_value("label"))
        units[n] = clean(channel.child_value("unit"))
        channel = channel.next_sibling("channel")
    return StreamDescription(
        name=clean(info.name()),
        type=clean(info.type()),
        source_id=clean(info.source_id()),
        hostname=clean(info.hostname()),
        sample_rate=rate,
        channel_format=_NUMPY.get(info.channel_format(), "undefined"),
        labels=tuple(labels),
        units=tuple(units),
    )


def _absurd(info: pylsl.StreamInfo, what: str) -> ContractError:
    return ContractError(f"{_named(info)} has {what}", Code.ABSURD_STREAM)


def _named(info: pylsl.StreamInfo) -> str:
    host, source_id = clean(info.hostname()), clean(info.source_id())
    return f"stream {clean(info.name())!r} (source_id {source_id!r}) on {host}"
