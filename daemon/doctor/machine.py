"""Disk, metrics port and clock of this computer."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from daemon.doctor.finding import Finding, fault, ok, warning

_MARKER = 600  # bytes of a marker's line with six classes
_SCRAP = 1 << 16  # bytes that are tried
_DAY = 86400.0
_STEP = 0.05  # seconds that the wall clock may move against the steady one within the examination


@dataclass(frozen=True, slots=True)
class Disk:
    """The folder of ``output.log``.

    Attributes
    ----------
    folder : Path
    error : str
        Why nothing can be written there, or nothing.
    free : int
        Bytes.
    """

    folder: Path
    error: str
    free: int


def disk(log: Path) -> Disk:
    """Tries to write to the folder of ``log`` and to the file itself, without leaving a trace."""
    folder = log.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as scrap:
            scrap.write(bytes(_SCRAP))
            scrap.flush()
        if log.exists():
            os.close(os.open(log, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)))
        return Disk(folder, "", shutil.disk_usage(folder).free)
    except OSError as error:
        return Disk(folder, error.strerror or str(error), 0)


def judge_disk(disk: Disk, windows_per_second: float) -> Finding:
    """``windows_per_second`` of which each makes a line of the log."""
    subject = "disk"
    if disk.error:
        return fault(
            subject,
            f"output.log: nothing can be written to {disk.folder}: {disk.error}",
            "make room, mend the folder's rights, or write output.log elsewhere",
        )
    days = disk.free / (_MARKER * windows_per_second * _DAY)
    shown = f"{disk.folder}: {disk.free / 1e9:,.1f} GB free, {days:,.0f} days of output.log"
    if days < 7:
        return warning(subject, shown, "make room, or have output.log rotated")
    return ok(subject, shown)


def port_user(host: str, port: int) -> str | None:
    """Who listens there: None for nobody, ``eegd``, or the system's reason why it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            return None
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
    shown = f"[{host}]" if ":" in host else host
    with (
        contextlib.suppress(OSError, ValueError),
        urllib.request.urlopen(f"http://{shown}:{port}/healthz", timeout=1) as answer,
    ):
        if answer.read(16) == b"alive\n":
            return "eegd"
    return reason


def judge_port(host: str, port: int, user: str | None) -> Finding:
    subject = "metrics port"
    if user is None:
        return ok(subject, f"{host}:{port} is free")
    if user == "eegd":
        return warning(
            subject,
            f"a daemon already runs here and answers on {host}:{port}",
            "nothing, if it is the one you mean; a second one needs another metrics.port",
        )
    return fault(
        subject,
        f"metrics.port: nothing can listen on {host}:{port}: {user}",
        f"set metrics.port to a free port, or null; `ss -ltnp 'sport = :{port}'` names its user",
    )


class _Timex(ctypes.Structure):
    # struct timex of adjtimex(2) up to its status; the rest is room.
    _fields_ = (
        *(("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long)),
        *(("maxerror", ctypes.c_long), ("esterror", ctypes.c_long), ("status", ctypes.c_int)),
        ("room", ctypes.c_byte * 256),
    )


_UNSYNCHRONISED = 0x40


def is_synchronised() -> bool | None:
    """Whether the kernel's clock is kept by NTP; None where that cannot be known."""
    if sys.platform != "linux":
        return None
    timex = _Timex()
    if ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) < 0:
        return None
    return not timex.status & _UNSYNCHRONISED


class Steps:
    """Watches from construction on whether the wall clock is set while time goes by."""

    def __init__(self) -> None:
        self._start = time.time() - time.monotonic()

    def seconds(self) -> float:
        return time.time() - time.monotonic() - self._start


def judge_clock(synchronised: bool | None, step: float) -> Finding:
    subject = "clock"
    beside = "LSL has a clock of its own; this one stamps logs and recordings"
    mend = "let one service keep it: `timedatectl set-ntp true`, or install chrony"
    if abs(step) > _STEP:
        return warning(subject, f"it was set by {step:+.3f} s within seconds ({beside})", mend)
    if synchronised is False:
        return warning(subject, f"it is not kept by NTP ({beside})", mend)
    known = "is kept by NTP" if synchronised else "cannot be asked whether it is kept by NTP"
    return ok(subject, known)
