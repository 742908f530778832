"""The daemon as a service: the unit that runs it, and what it tells systemd while it runs.

Rules that hold here:

- Telling never blocks and never fails: without systemd, or with one that does not listen, it does
  nothing.
- The watchdog is fed by the hot loop itself. A loop that hangs is a daemon that is restarted.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from daemon.errors import UsageError

log = logging.getLogger(__name__)

_WATCHDOG = 30  # seconds; the slowest model's window takes less


class Systemd:
    """What systemd is told, over the socket that ``NOTIFY_SOCKET`` names (see sd_notify(3))."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._socket: socket.socket | None = None
        self._status = ""
        self._stopping = False
        self._interval = 0.0
        self._beat = -float("inf")
        path = environment.get("NOTIFY_SOCKET", "")
        if not path or not hasattr(socket, "AF_UNIX"):
            return
        address = "\0" + path[1:] if path.startswith("@") else path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(address)
        except OSError:
            self.close()
            return
        if environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
            self._interval = int(environment.get("WATCHDOG_USEC", "0")) / 2e6

    def ready(self) -> None:
        """Started, or done with a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """However often it is called, it is said once."""
        if not self._stopping:
            self._send("STOPPING=1")
        self._stopping = True

    def beat(self, status: Callable[[], str]) -> None:
        """For every turn of the hot loop: says that it lives, and a new ``status`` at once."""
        if self._socket is None:
            return
        said = status()
        if said != self._status:
            self._status = said
            self._send(f"STATUS={said}")
        now = time.monotonic()
        if self._interval and now - self._beat >= self._interval:
            self._beat = now
            self._send("WATCHDOG=1")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.send(message.encode())
        except OSError:
            self._beat = -float("inf")  # its queue is full or it is restarting: again next time


def unit(
    config: Path, *, log: Path | None, gpu: bool, user: str | None, realtime: bool = False
) -> str:
    """The unit that runs ``eegd run -c config``.

    Parameters
    ----------
    config : Path
    log : Path or None
        The file that receives the markers.
    gpu : bool
        Whether it may use a GPU, where there is one.
    user : str or None
        Whose account it runs under; None gives it one of its own that exists only while it runs.
    realtime : bool
        Whether it goes before every ordinary program of the computer, see sched(7).
    """
    command = " ".join(
        _quoted(word).replace("$", "$$")
        for word in (sys.executable, "-m", "daemon", "run", "-c", str(config.absolute()))
    )
    lines = [
        f"User={user}" if user else "DynamicUser=yes",
        # Where a log of markers can be written whatever the account: /var/log/eegd.
        "LogsDirectory=eegd",
    ]
    if log is not None:
        lines.append(f"ReadWritePaths={_quoted(str(log.parent))}")
    if not gpu or not Path("/dev/nvidiactl").exists():
        lines.append("PrivateDevices=yes")
    if realtime:
        # The lowest: an amplifier's program can go before it still.
        lines += ["CPUSchedulingPolicy=rr", "CPUSchedulingPriority=1"]
    return _UNIT.format(command=command, watchdog=_WATCHDOG, own="\n".join(lines))


def install(text: str, path: Path) -> None:
    """Write the unit to ``path``.

    Raises
    ------
    UsageError
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}; run it as root, or print the unit and "
            "put it there yourself"
        ) from None


def require_readable(what: str, path: Path, user: str | None) -> None:
    """Make sure that ``path`` exists, and warn of what an account of the service's own cannot read.

    Raises
    ------
    UsageError
    """
    path = path.absolute()
    if not path.exists():
        raise UsageError(f"{what} {path} does not exist")
    for part in (*reversed(path.parents), path):
        needed = 0o004 if part == path else 0o001
        if user is None and not part.stat().st_mode & needed:
            log.warning(
                "%s %s: the service's own account may not read %s; put it where everybody may, as "
                "in /etc/eegd, or choose an account with --user",
                what,
                path,
                part,
            )
            return


def _quoted(word: str) -> str:
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{word}"' if re.search(r"""[\s"'\\]""", word) else word


_UNIT = """\
# Made by `eegd service`; make it anew rather than editing it.
[Unit]
Description=Real-time EEG classifier
Documentation=https://labstreaminglayer.org
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
WatchdogSec={watchdog}
Restart=on-failure
RestartSec=5
# 2: the config or the model is wrong, and stays wrong until somebody mends it.
RestartPreventExitStatus=2
# TensorFlow's import from a cold disk, and the compilation of a large model.
TimeoutStartSec=300
# A window that is being computed comes to its end.
TimeoutStopSec={watchdog}

{own}
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
UMask=0027
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
RemoveIPC=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# LSL: IPv4, IPv6, and netlink to find the network interfaces; systemd itself is told over a socket.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
# LSL has no authentication. Where the lab's network is known, these two shut all others out:
#IPAddressDeny=any
#IPAddressAllow=localhost link-local multicast 192.168.0.0/16
# Not MemoryDenyWriteExecute: TensorFlow compiles the model to machine code while it runs.

[Install]
WantedBy=multi-user.target
"""
