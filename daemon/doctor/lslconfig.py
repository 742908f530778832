"""Which lsl_api.cfg liblsl goes by, and whether it still fits this computer.

liblsl reads one file, once, when a process first uses it: the one that ``LSLAPICFG`` names, else
the first of three places. A file that it cannot read it leaves out with no more than a line on the
terminal, and goes by its defaults.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from daemon.addresses import is_here
from daemon.chatter import LSL_PLACES
from daemon.doctor.finding import Finding, fault, ok, warning
from daemon.text import clean

_SCOPES = ("machine", "link", "site", "organization", "global")
_KNOCK = 1.0  # seconds
_PORTS = 1 << 16  # of a computer


@dataclass(frozen=True, slots=True)
class LslConfig:
    """What a look at the files told.

    Attributes
    ----------
    named : str or None
        Content of ``LSLAPICFG``.
    path : Path or None
        The file in effect; None for liblsl's defaults.
    unreadable : mapping of path to str
        Files that come before it and are left out, and why.
    values : mapping of str to str
        Its content: ``section.key`` to value.
    absent : mapping of str to str
        Peers that do not answer and addresses that this computer does not have, and why.
    """

    named: str | None
    path: Path | None
    unreadable: Mapping[str, str]
    values: Mapping[str, str]
    absent: Mapping[str, str]

    def number(self, key: str, default: int) -> int:
        try:
            return int(self.values.get(key, default))
        except ValueError:
            return default

    @property
    def ports(self) -> range:
        """Those that outlets on this computer take theirs from, as far as there are such ports."""
        first = max(self.number("ports.BasePort", 16572), 1)
        return range(first, min(first + self.number("ports.PortRange", 32), _PORTS))

    @property
    def multicast_port(self) -> int:
        return min(max(self.number("ports.MulticastPort", 16571), 1), _PORTS - 1)


def parse(text: str) -> dict[str, str]:
    """``section.key`` to value, as strictly as liblsl reads it.

    Raises
    ------
    ValueError
        liblsl would leave the whole file out.
    """
    values: dict[str, str] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(";") or not line.strip():
            continue
        if line.startswith("["):
            section, bracket, _ = line[1:].partition("]")
            if not bracket:
                raise ValueError(f"line {number} lacks its ]")
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not (key and equals and value):
            raise ValueError(f"line {number} is no 'key = value'")
        if f"{section}.{key}" in values:
            raise ValueError(f"line {number}: {key} occurs twice")
        values[f"{section}.{key}"] = value
    return values


def members(value: str) -> list[str]:
    """Of a set as the file writes it: ``{a, b}``."""
    if not (value.startswith("{") and value.endswith("}")):
        return []
    return [part.strip() for part in value[1:-1].split(",") if part.strip()]


def look(environment: Mapping[str, str] = os.environ) -> LslConfig:
    """The files as they are now; asks the peers that they name, for a second at most."""
    named = environment.get("LSLAPICFG")
    unreadable: dict[str, str] = {}
    for place in filter(None, (named, *LSL_PLACES)):
        path = Path(place).expanduser()
        if place != named and not os.path.exists(path):  # noqa: PTH110 - nor raises it
            continue
        try:
            values = parse(path.read_text(encoding="utf-8", errors="replace"))
        except OSError as error:
            unreadable[str(path)] = error.strerror or "it cannot be read"
        except ValueError as error:
            unreadable[str(path)] = str(error)
        else:
            return LslConfig(named, path, unreadable, values, _absent(values))
    return LslConfig(named, None, unreadable, {}, {})


def _absent(values: Mapping[str, str]) -> dict[str, str]:
    port = LslConfig(None, None, {}, values, {}).ports.start
    peers = members(values.get("lab.KnownPeers", ""))
    with ThreadPoolExecutor(max(len(peers), 1)) as pool:
        knocked = pool.map(lambda peer: _knock(peer, port), peers)
        absent = {f"peer {peer}": why for peer, why in zip(peers, knocked, strict=True) if why}
    mine = members(values.get("multicast.Interfaces", ""))
    for address in (*mine, *filter(None, [values.get("multicast.ListenAddress")])):
        if why := _not_mine(address):
            absent[f"address {address}"] = why
    return absent


def _knock(peer: str, port: int) -> str:
    """Why nobody is there, or nothing."""
    try:
        socket.create_connection((peer, port), _KNOCK).close()
    except ConnectionRefusedError:
        pass  # somebody is, without an outlet on that port
    except (socket.gaierror, UnicodeError):
        return "no computer of that name is known"
    except OSError as error:
        return f"does not answer on TCP port {port} ({error.strerror or 'no answer'})"
    return ""


def _not_mine(address: str) -> str:
    try:
        return "" if is_here(address) else "no network card of this computer has it"
    except ValueError:
        return "it is no IP address, so liblsl leaves the whole file out"


def judge(config: LslConfig) -> list[Finding]:
    subject = "LSL config"
    findings = []
    for path, why in config.unreadable.items():
        whose = "LSLAPICFG names it" if path == config.named else "it comes first"
        findings.append(
            fault(
                subject,
                f"liblsl leaves {path} out, though {whose}: {clean(why)}",
                "mend the file, or unset LSLAPICFG" if config.named else "mend or remove the file",
            )
        )
    if config.path is None:
        return findings or [ok(subject, "none: liblsl goes by its defaults")]
    where = f"{config.path}{' (LSLAPICFG)' if config.named and not config.unreadable else ''}"
    for what, why in config.absent.items():
        findings.append(
            fault(
                subject,
                f"{where} names the {clean(what)}: {why}",
                "the file is out of date, or that computer is off or behind a firewall: correct "
                "[lab] KnownPeers, [multicast] Interfaces and ListenAddress there, or remove them",
            )
        )
    scope = config.values.get("multicast.ResolveScope", "site")
    if scope not in _SCOPES:
        findings.append(
            fault(
                subject,
                f"{where}: ResolveScope {clean(scope)} is none of {', '.join(_SCOPES)}, so liblsl "
                "leaves the file out",
                "set it to site, the default, or remove it",
            )
        )
    elif scope == "machine":
        findings.append(
            warning(
                subject,
                f"{where}: ResolveScope machine, so streams of other computers are not found",
                "remove it, or set it to site, unless amplifier and daemon are both on this one",
            )
        )
    session = config.values.get("lab.SessionID", "default")
    if session != "default":
        findings.append(
            warning(
                subject,
                f"{where}: SessionID {clean(session)}; only streams of computers with the same "
                "one are seen, all others stay invisible",
                "remove [lab] SessionID, or give the amplifier's computer the same",
            )
        )
    for key, usual in (("MulticastPort", 16571), ("BasePort", 16572), ("PortRange", 32)):
        number = config.number(f"ports.{key}", usual)
        if not 0 < number < _PORTS:
            findings.append(
                fault(
                    subject,
                    f"{where}: {key} {number} is none that there is",
                    f"remove [ports] {key}: LSL's own is {usual}",
                )
            )
        elif number != usual:
            findings.append(
                warning(
                    subject,
                    f"{where}: {key} is {number}, not LSL's {usual}; only computers with the same "
                    "ports find each other",
                    f"remove [ports] {key}, or give all computers the same",
                )
            )
    return findings or [ok(subject, where)]
