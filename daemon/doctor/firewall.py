"""This computer's firewall, as far as it can be read: does it let LSL through?

A judgement by the rules' words. It knows no sets, jumps or order of rules, so it says what to look
at rather than what will happen; whether data pass, the streams themselves show.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping

from daemon.doctor.finding import Finding, fault, ok, warning
from daemon.text import clean

# nft shows iptables' rules too, where both are there.
TOOLS = {
    "ufw": ("ufw", "status"),
    "firewalld": ("firewall-cmd", "--list-all"),
    "nft": ("nft", "list", "ruleset"),
    "iptables": ("iptables", "-S"),
}
NEEDS = "UDP 16571, and TCP and UDP 16572 to 16604"
_PATIENCE = 5.0
_PORTS = re.compile(r"\b(\d{4,5})(?:[-:](\d{4,5}))?\b")
_DROPS = re.compile(r"\b(drop|reject|deny)\b", re.IGNORECASE)
_COUNTED = re.compile(r"\bpackets \d+ bytes \d+")  # nft's counters, which are no ports
_DROPS_ALL = re.compile(r"hook input .*policy drop|^-P INPUT DROP", re.MULTILINE)
_MENDS = {
    "ufw": "`ufw allow 16571:16604/udp && ufw allow 16572:16604/tcp`",
    "firewalld": "`firewall-cmd --permanent --add-port=16571-16604/udp "
    "--add-port=16572-16604/tcp && firewall-cmd --reload`",
}


def read() -> dict[str, str | None]:
    """What each firewall tool here says; None where it refuses to."""
    said: dict[str, str | None] = {}
    for tool, command in TOOLS.items():
        if shutil.which(command[0]) is None:
            continue
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
                env={**os.environ, "LC_ALL": "C"},
            )
        except (OSError, subprocess.TimeoutExpired):
            said[tool] = None
        else:
            said[tool] = done.stdout if done.returncode == 0 else None
    return said


def judge(said: Mapping[str, str | None], ports: range, multicast_port: int) -> list[Finding]:
    """``ports`` and ``multicast_port`` are LSL's."""
    subject = "firewall"
    if not said:
        return [ok(subject, "none of ufw, firewalld, nftables and iptables is here to be asked")]
    low, high = min(multicast_port, ports.start), max(multicast_port, ports.stop)
    findings = []
    for tool, rules in said.items():
        mend = _MENDS.get(tool, "let them through") + f" (LSL needs {NEEDS})"
        if rules is None:
            continue
        about_lsl = [line.strip() for line in rules.splitlines() if _concerns(line, low, high)]
        against = [line for line in about_lsl if _DROPS.search(line)]
        if against:
            text = f"{tool} has a rule against LSL's ports: {clean(against[0])}"
            findings.append(fault(subject, text, mend))
        elif _is_closed(tool, rules) and not about_lsl:
            text = f"{tool} drops what it has no rule for, and has none for LSL's ports"
            findings.append(warning(subject, text, mend))
    heard = ", ".join(tool for tool, rules in said.items() if rules is not None)
    silent = ", ".join(tool for tool, rules in said.items() if rules is None)
    shown = [f"{heard}: nothing against LSL's ports"] if heard else []
    shown += [f"{silent} can be read by root only"] if silent else []
    return findings or [ok(subject, "; ".join(shown))]


def _is_closed(tool: str, rules: str) -> bool:
    if tool == "ufw":
        return "Status: active" in rules
    return tool == "firewalld" or bool(_DROPS_ALL.search(rules))


def _concerns(line: str, low: int, high: int) -> bool:
    return any(
        int(first) <= high and int(last or first) >= low
        for first, last in _PORTS.findall(_COUNTED.sub("", line))
    )
