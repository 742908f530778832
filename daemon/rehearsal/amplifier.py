"""A simulated amplifier that fails as planned: one life after another, each a process of its own.

Rules that hold here:

- The planned faults of a process (stopped, killed, replaced) are carried out by its parent, with
  real signals, while the amplifier waits for it: nothing is pushed and unsent when they strike.
- No life outlives its parent, whatever ends that.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from threading import Event

from daemon.rehearsal.faults import PEACE, Fault
from daemon.rehearsal.life import Amplifier, Life, Note, live

_STOP = 2.0


def simulate(
    amplifier: Amplifier, plan: Sequence[Life], stop: Event, prepare: Callable[[], None]
) -> None:
    """Run the lives one after another until the last one ends or ``stop`` is set.

    Each process calls ``prepare`` before it uses LSL.
    """
    from pylsl import local_clock

    context = multiprocessing.get_context("spawn")
    origin = local_clock()
    beside: list[SpawnProcess] = []
    note = Note(amplifier.truth)

    def start(life: Life) -> tuple[SpawnProcess, Connection]:
        ours, theirs = context.Pipe()
        values = (amplifier, life, origin, theirs, prepare)
        process = context.Process(target=live, args=values, daemon=True)
        process.start()
        theirs.close()
        return process, ours

    def wait(seconds: float) -> None:
        stop.wait(seconds / amplifier.speed)

    try:
        for life in plan:
            process, connection = start(life)
            beside.append(process)
            while not stop.is_set() and (fault := _next_fault(process, connection, stop)):
                note({"struck": fault.kind, "life": life.number, "time": local_clock()})
                if fault.kind == "duplicate":
                    latest = local_clock() + (fault["seconds"] + PEACE / 2) / amplifier.speed
                    duplicate = replace(_other(life, fault, "duplicate"), latest=latest)
                    beside.append(start(duplicate)[0])
                elif fault.kind == "freeze":
                    assert process.pid is not None
                    os.kill(process.pid, signal.SIGSTOP)
                    wait(fault["seconds"])
                    os.kill(process.pid, signal.SIGCONT)
                else:
                    process.kill()
                    process.join()
                    if fault.kind == "other":
                        other, _ = start(_other(life, fault, str(fault.values["what"])))
                        beside.append(other)
                        while other.is_alive() and not stop.is_set():
                            other.join(0.1)
                    else:
                        wait(fault["seconds"])
                    break
                note({"over": fault.kind, "life": life.number, "time": local_clock()})
                connection.send(None)
            if stop.is_set():
                break
    finally:
        for process in beside:
            if process.is_alive():
                process.terminate()
        for process in beside:
            process.join(_STOP)
            process.kill()


def _next_fault(process: SpawnProcess, connection: Connection, stop: Event) -> Fault | None:
    """What the life has come to; None when it ended or ``stop`` was set."""
    try:
        while not stop.is_set():
            if connection.poll(0.1):
                fault: Fault = connection.recv()
                return fault
    except EOFError:
        process.join()
    return None


def _other(life: Life, fault: Fault, what: str) -> Life:
    return Life(life.number, life.begin + fault.at, fault["seconds"], (), what)
