"""Network cards, multicast and LSL's ports: what streams need to be found and read.

What is sent here comes back to this computer at most, so it shows cards, routes and this
computer's own firewall. Whether a switch lets it through only a stream from another computer tells.
"""

from __future__ import annotations

import errno
import secrets
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from daemon.doctor.finding import Finding, fault, ok, warning

GROUPS = ("239.255.172.215", "224.0.0.183")  # LSL's own, of site and link
OUTLETS = 3  # that the daemon opens
_PER_OUTLET = 2  # ports, one each for IPv4 and IPv6
_ANSWER = 0.3  # seconds
_FLAGS, _ADDRESS = 0x8913, 0x8915  # ioctls of Linux: SIOCGIFFLAGS, SIOCGIFADDR
_UP, _LOOPBACK, _MULTICAST = 1 << 0, 1 << 3, 1 << 12


@dataclass(frozen=True, slots=True)
class Card:
    """A network card that is up, other than loopback.

    Attributes
    ----------
    name, address : str
        The address is the first of IPv4.
    multicast : bool
        Whether it has the flag; liblsl leaves out cards that have not.
    lost : str
        Why a multicast datagram did not come back through it, or nothing.
    """

    name: str
    address: str
    multicast: bool = True
    lost: str = ""


def cards(port: int) -> list[Card]:
    """This computer's, each tried with LSL's multicast groups on ``port``.

    Where the system does not tell them (others than Linux), the one that it chooses by itself.
    """
    found = []
    for name, address, flags in _listed():
        multicast = bool(flags & _MULTICAST)
        lost = _lost(address, port) if multicast else "it is switched off for this card"
        found.append(Card(name, address, multicast, lost))
    return found


def _listed() -> list[tuple[str, str, int]]:
    if sys.platform != "linux":
        return [("the default card", "0.0.0.0", _MULTICAST)]
    import fcntl

    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode())
            try:
                (flags,) = struct.unpack_from("H", fcntl.ioctl(probe, _FLAGS, request), 16)
                address = socket.inet_ntoa(fcntl.ioctl(probe, _ADDRESS, request)[20:24])
            except OSError:  # it has no address
                continue
            if flags & _UP and not flags & _LOOPBACK:
                found.append((name, address, flags))
    return found


def _lost(address: str, port: int) -> str:
    """Why a datagram to any of the groups does not come back, or nothing."""
    sent = f"eegd doctor {secrets.token_hex(8)}\r\n".encode()
    card = socket.inet_aton(address)
    for group in GROUPS:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth,
        ):
            try:
                # As liblsl does it, so that its outlets and this can both listen.
                ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                ear.bind(("", port))
                ear.setsockopt(
                    socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + card
                )
                mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, card)
                mouth.sendto(sent, (group, port))
                until = time.monotonic() + _ANSWER
                while (left := until - time.monotonic()) > 0:
                    ear.settimeout(left)
                    if ear.recv(len(sent)) == sent:
                        break
            except TimeoutError:
                return f"nothing sent to {group} comes back (a firewall of this computer?)"
            except OSError as error:
                return f"{group}: {error.strerror}"
    return ""


def free_ports(ports: range) -> tuple[int, int]:
    """How many of ``ports`` nobody has, for TCP and for UDP."""
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    tcp, udp = (sum(_is_free(kind, port) for port in ports) for kind in kinds)
    return tcp, udp


def _is_free(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM and sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that ended
        try:
            probe.bind(("", port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def judge_multicast(cards: Sequence[Card]) -> Finding:
    subject = "multicast"
    if not cards:
        return warning(
            subject,
            "no network card but loopback has an address: only streams of this computer are found",
            "connect the cable or the wireless network, unless everything runs on this computer",
        )
    lost = [card for card in cards if card.lost]
    if not lost:
        return ok(subject, "comes back through " + ", ".join(card.name for card in cards))
    text = "; ".join(f"not through {card.name} ({card.address}): {card.lost}" for card in lost)
    first = lost[0].name
    mend = (
        "allow UDP 16571 to 16604 in this computer's firewall"
        if lost[0].multicast
        else f"`ip link set {first} multicast on`, or connect by another card"
    ) + "; where the network forbids it, name the amplifier's computer in [lab] KnownPeers"
    level = warning if len(lost) < len(cards) else fault
    return level(subject, text, mend)


def judge_cards(cards: Sequence[Card]) -> Finding:
    subject = "network cards"
    named = ", ".join(f"{card.name} ({card.address})" for card in cards)
    if len(cards) < 2:
        return ok(subject, named or "none but loopback")
    return warning(
        subject,
        f"{len(cards)} are up: {named}; liblsl uses all of them and takes the first that answers",
        "if data stutter, make sure that the amplifier comes by cable: switch the other off, or "
        "write its address to [multicast] Interfaces of lsl_api.cfg",
    )


def judge_ports(ports: range, free: tuple[int, int]) -> Finding:
    subject = "LSL ports"
    left = min(free)
    shown = f"{left} of {ports.start} to {ports.stop - 1} are free"
    needed = OUTLETS * _PER_OUTLET
    if left >= needed:
        return ok(subject, shown)
    return fault(
        subject,
        f"{shown}, and the daemon's {OUTLETS} streams take {needed}: those beyond are not found",
        "close programs that publish streams, or raise [ports] PortRange in the lsl_api.cfg of "
        "every computer",
    )
