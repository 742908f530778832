"""One life of a simulated amplifier: from the start of its process to its end.

Rules that hold here:

- Each life simulates with a seed of its own, the seed given plus its number, and numbers its
  samples from 0. The lives' stamps follow each other as one clock's.
- What was sent, and what went wrong when, is noted as JSON lines for whoever checks a consumer.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from daemon.errors import UsageError
from daemon.records import Chunk
from daemon.rehearsal.disturbance import Sent, ahead_by, disturbed, lateness
from daemon.rehearsal.faults import DEATHS, Fault
from daemon.rehearsal.replay import Item, Timed, play
from daemon.rehearsal.simulator import CLASSES, Simulator
from daemon.rehearsal.sources import Source, simulator_source

_UNSENT = 0.1  # seconds that liblsl gets to send what was pushed, before a signal strikes
_DUPLICATE = 1 << 16  # added to the seed


@dataclass(frozen=True, slots=True)
class Amplifier:
    """What is simulated, in plain values that reach another process."""

    name: str
    rate: float = 160.0
    classes: tuple[str, ...] = CLASSES
    seed: int = 0
    speed: float = 1.0
    burst: float = 0.0
    wait: float | None = None
    truth: Path | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """From one start of the process to its end, in the source's time.

    One that a loaded machine starts late is over by ``latest``, on LSL's clock, all the same. Its
    stamps lie ``ahead`` seconds ahead: by what the faults of the lives before have left.
    """

    number: int
    begin: float
    seconds: float | None
    faults: tuple[Fault, ...]
    what: str = ""
    latest: float | None = None
    ahead: float = 0.0


def lives(faults: Sequence[Fault], seconds: float | None) -> list[Life]:
    """The lives that ``faults`` make of ``seconds``; a fault belongs to the one it begins in.

    Raises
    ------
    UsageError
        A fault begins while the amplifier is dead, or after its end.
    """
    end = math.inf if seconds is None else seconds
    begin = ahead = 0.0
    mine: list[Fault] = []
    found: list[Life] = []
    for fault in sorted(faults, key=lambda fault: fault.at):
        if not begin <= fault.at < end:
            raise UsageError(
                f"fault {fault.kind} at {fault.at:g} s: the amplifier is "
                + (f"dead until {begin:g} s" if fault.at < begin else f"stopped at {end:g} s")
            )
        mine.append(fault.since(begin))
        if fault.kind in DEATHS:
            found.append(Life(len(found), begin, None, tuple(mine), ahead=ahead))
            ahead += float(ahead_by(mine, np.array(fault.end - begin)))
            begin, mine = fault.end, []
    if begin < end:
        left = None if seconds is None else seconds - begin
        found.append(Life(len(found), begin, left, tuple(mine), ahead=ahead))
    return found


class Note:
    """Appends lines to the truth; every process opens the file anew.

    Raises
    ------
    UsageError
        The file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = None
        if path is None:
            return
        try:
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise UsageError(f"--truth {path} cannot be written: {error.strerror}") from None

    def __call__(self, content: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(content) + "\n")


def live(
    amplifier: Amplifier,
    life: Life,
    origin: float,
    parent: Connection,
    prepare: Callable[[], None],
) -> None:
    """The process of one life; ``prepare`` is called before LSL is first used in it."""
    prepare()
    from pylsl import local_clock

    from daemon.stop import Stop

    seconds = life.seconds
    if life.latest is not None:
        assert seconds is not None
        seconds = min(seconds, (life.latest - local_clock()) * amplifier.speed)
        if seconds <= 0:
            return
    burst = 0.0 if life.number else amplifier.burst
    if seconds is not None and not life.what:
        seconds -= burst  # `play` ends so many seconds after it
    # A group of its own: Ctrl-C is for the parent, and the kernel wakes it if that dies first.
    os.setpgid(0, 0)
    note = Note(amplifier.truth if not life.what else None)
    source = _source(amplifier, life)
    rate = source.stream.sample_rate

    def began(first: float) -> None:
        note({"began": local_clock(), "life": life.number, "first": first})

    def disturb(timed: Timed) -> Iterator[tuple[float, Item]]:
        yield 0.0, began
        for due, item in disturbed(
            timed, life.faults, rate=rate, seed=amplifier.seed + life.number, speed=amplifier.speed
        ):
            if isinstance(item, Fault):
                yield due, partial(_strike, item, parent, stop)
            elif isinstance(item, Sent):
                yield due, item.chunk
                yield due, partial(_note_sent, note, item, rate)
            else:
                yield due, item

    with Stop().signals() as stop:
        threading.Thread(target=_follow_parent, args=(stop,), daemon=True).start()
        note(
            {
                "opened": local_clock(),
                "life": life.number,
                "seed": amplifier.seed + life.number,
                "rate": rate,
                "faults": [asdict(fault) for fault in life.faults],
            }
        )
        play(
            source,
            speed=amplifier.speed,
            burst=burst,
            seconds=seconds,
            stop=stop,
            wait_for_consumer=None if life.what else amplifier.wait,
            disturb=disturb,
            late=lateness(life.faults) - life.ahead,
            origin=origin,
        )
    note({"ended": local_clock(), "life": life.number})


def _strike(fault: Fault, parent: Connection, stop: Event, _: float) -> None:
    """Have it done, and wait until it is over."""
    time.sleep(_UNSENT)
    parent.send(fault)
    while not stop.is_set() and not parent.poll(0.1):
        pass
    if not stop.is_set():
        parent.recv()


def _follow_parent(stop: Event) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    stop.set()


def _note_sent(note: Note, sent: Sent, rate: float, first: float) -> None:
    """A line for each run of consecutive samples; their stamps where they are not regular."""
    breaks = np.flatnonzero(np.diff(sent.numbers) != 1) + 1
    for numbers, stamps in zip(
        np.split(sent.numbers, breaks), np.split(sent.chunk.stamps, breaks), strict=True
    ):
        content: dict[str, Any] = {"sent": int(numbers[0]), "count": len(numbers)}
        if np.abs(stamps - numbers / rate).max() > 1e-9:
            content["stamps"] = [round(float(stamp) + first, 7) for stamp in stamps]
        note(content)


def _source(amplifier: Amplifier, life: Life) -> Source:
    """The simulator, or what comes in its place."""
    rate = amplifier.rate * (2 if life.what == "rate" else 1)
    seed = amplifier.seed + life.number + (_DUPLICATE if life.what else 0)
    source = simulator_source(Simulator(rate, seed, amplifier.classes), name=amplifier.name)
    stream = source.stream
    if life.what == "labels":
        stream = replace(stream, labels=tuple(f"X{n}" for n in range(stream.channel_count)))
    elif life.what == "unit":
        stream = replace(stream, units=("counts",) * stream.channel_count)
    elif life.what == "channels":
        stream = replace(stream, labels=stream.labels[:2], units=stream.units[:2])
        source = replace(source, pieces=_narrow(source, 2))
    elif life.what == "duplicate":
        stream = replace(stream, source_id=stream.source_id + "-duplicate")
    return replace(source, stream=stream)


def _narrow(source: Source, count: int) -> Iterator[tuple[Chunk, list[tuple[float, str]]]]:
    for chunk, markers in source.pieces:
        yield Chunk(chunk.samples[:, :count], chunk.stamps), markers
