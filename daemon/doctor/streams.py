"""The streams that LSL finds: who they are, whether they can be reached, and what they send.

Every stream is subscribed to for a few seconds, all at once, each in a thread that may hang.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import pylsl

from daemon.discovery import Anything, describe, find_streams
from daemon.doctor.finding import Finding, fault, ok, warning
from daemon.errors import ContractError
from daemon.inlet import Inlet, StreamLostError, now
from daemon.records import Chunk, Float64, Samples, StreamDescription

MOST = 32  # streams that are subscribed to
_SEARCH = 1.0
_PULL = 0.1


def _none() -> Float64:
    return np.empty(0)


@dataclass(frozen=True)
class Heard:
    """A stream, and what came of a few seconds' subscription.

    Attributes
    ----------
    stream : StreamDescription
        With labels and units if it was reached.
    port : int
        TCP port that it sends from.
    here : bool
        Whether it is this computer's.
    reached : bool
        Over TCP.
    synchronised : bool
        Its clock could be asked, over UDP.
    samples : array, shape (n, channels)
    stamps : float64 array, shape (n,)
        On the sender's clock.
    age : float or None
        Seconds from the newest sample's stamp to its arrival, by this host's clock; None where
        that is not known.
    """

    stream: StreamDescription
    port: int = 0
    here: bool = True
    reached: bool = True
    synchronised: bool = True
    samples: Samples = field(default_factory=_none)
    stamps: Float64 = field(default_factory=_none)
    age: float | None = None

    def __str__(self) -> str:
        return str(self.stream)


def listen(seconds: float) -> tuple[list[Heard], list[str]]:
    """Every stream found, after ``seconds`` of its samples; and why others were left out."""
    heard, absurd = [], []
    with ThreadPoolExecutor(MOST) as pool:
        infos = find_streams(Anything(), _SEARCH)
        for answer in [pool.submit(_subscribe, info, seconds) for info in infos[:MOST]]:
            try:
                heard.append(answer.result())
            except ContractError as error:
                absurd.append(str(error))
    if len(infos) > MOST:
        absurd.append(f"{len(infos)} streams are found, only {MOST} of them were looked at")
    return sorted(heard, key=str), absurd


def _subscribe(info: pylsl.StreamInfo, seconds: float) -> Heard:
    said = describe(info)
    # Only the announcement's XML tells the port.
    _, _, rest = info.as_xml().partition("<v4data_port>")
    port = rest.partition("<")[0]
    heard = Heard(
        said,
        int(port) if port.isdigit() else 0,
        said.hostname == socket.gethostname(),
        reached=False,
        synchronised=False,
    )
    try:
        inlet = Inlet(info)
        inlet.open()
    except StreamLostError:
        return heard
    chunks: list[Chunk] = []
    age = None
    until = time.monotonic() + seconds
    try:
        while (left := until - time.monotonic()) > 0:
            if inlet.stream.channel_format == "string":
                time.sleep(left)
            elif (chunk := inlet.pull(min(left, _PULL))) is not None:
                chunks.append(chunk)
                age = now() - float(chunk.stamps[-1]) - chunk.offset
    except StreamLostError:
        pass  # what it has sent until then is judged
    synchronised = inlet.synchronised
    inlet.close()
    heard = replace(heard, stream=inlet.stream, reached=True, synchronised=synchronised)
    if not chunks:
        return heard
    whole = Chunk.joined(chunks)
    known = age if synchronised or heard.here else None
    return replace(heard, samples=whole.samples, stamps=whole.stamps, age=known)


def judge_found(heard: Sequence[Heard], chosen: Sequence[Heard], wanted: str) -> Finding:
    """``chosen`` of them are those that match ``wanted``, the config's words for it."""
    subject = "streams"
    if len(chosen) == 1:
        return ok(subject, f"one matches {wanted}: {chosen[0]}")
    if chosen:
        return fault(
            subject,
            f"{len(chosen)} match {wanted}: {'; '.join(map(str, chosen))}",
            "add name, source_id or hostname under stream in the config until only one does",
        )
    there = "; ".join(map(str, heard)) or "none at all is found"
    return fault(
        subject,
        f"none matches {wanted}; there: {there}",
        "correct stream in the config (`eegd streams` shows what there is)"
        if heard
        else "start streaming in the amplifier's program; if it does, the reason is among the "
        "findings on network, firewall and LSL config, here or on its computer",
    )


def judge_identities(heard: Sequence[Heard]) -> list[Finding]:
    subject = "source_id"
    findings = []
    for key in sorted({one.stream.source_id for one in heard} - {""}):
        same = [one for one in heard if one.stream.source_id == key]
        kinds = {one.stream.type for one in same}
        if len(same) > 1:
            # A device's EEG and its markers may share one: they are told apart by type.
            level = fault if len(kinds) < len(same) else warning
            findings.append(
                level(
                    subject,
                    f"{len(same)} streams have the source_id {key!r}: "
                    f"{'; '.join(map(str, same))}; LSL takes one for the other after a loss",
                    "close the one that is left over from before, or give each amplifier's "
                    "program an id of its own (its serial number)",
                )
            )
    for one in heard:
        if not one.stream.source_id:
            findings.append(
                warning(
                    subject,
                    f"{one} has none: after a restart nothing tells that it is the same",
                    "set one in the amplifier's program",
                )
            )
    return findings


def judge_reach(one: Heard, ports: range, important: bool) -> list[Finding]:
    """Whether what was announced can be had. ``important``: the config's stream."""
    level = fault if important else warning
    host = one.stream.hostname or "its computer"
    if not one.reached:
        return [
            level(
                "TCP",
                f"{one} answers the search, but nothing comes from its TCP port {one.port}",
                f"allow TCP {ports.start} to {ports.stop} in the firewall of {host}; if it is "
                "open, the program hangs: start it anew",
            )
        ]
    findings = []
    if not one.synchronised:
        # On one computer both clocks are the same, and nothing is lost by it.
        level = warning if one.here else level
        harm = "both are on this computer, so its stamps are right all the same"
        if not one.here:
            harm = f"its stamps are taken for this computer's, however the clock of {host} differs"
        findings.append(
            level(
                "time service",
                f"{one} does not answer LSL's clock queries over UDP; {harm}",
                f"allow UDP {ports.start} to {ports.stop} in the firewalls of both computers",
            )
        )
    if one.port and one.port not in ports:
        findings.append(
            warning(
                "LSL ports",
                f"{one} sends from TCP port {one.port}, beyond LSL's {ports.start} to "
                f"{ports.stop - 1}: all were taken, and a firewall opened for them shuts it out",
                f"close other programs that publish streams on {host}, then start it anew",
            )
        )
    return findings
