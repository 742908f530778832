"""What an address or a host's name says: is it loopback, is it this computer's?"""

from __future__ import annotations

import ipaddress
import socket


def is_address(host: str) -> bool:
    """Whether it is written in numbers."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach ``host``; of names that is known of ``localhost``."""
    address = host.partition("%")[0]
    return ipaddress.ip_address(address).is_loopback if is_address(address) else host == "localhost"


def is_here(address: str) -> bool:
    """Whether a network card of this computer has ``address``, or loopback.

    Raises
    ------
    ValueError
        It is not written in numbers.
    """
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
