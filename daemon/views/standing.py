"""How things stand: a snapshot → one state in plain words, and the facts beside it.

Pure. The page and the terminal say the same, since both say what is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, islice
from typing import Literal

from daemon.errors import ContractError
from daemon.pick import pick_for
from daemon.reasons import CONNECTION, kind
from daemon.text import clean
from daemon.views.announcement import MAX_CLASSES
from daemon.views.observer import Link, Snapshot

Kind = Literal["good", "waiting", "abstaining", "lost"]

SIGNS: dict[Kind, str] = {"good": "●", "waiting": "◔", "abstaining": "▲", "lost": "✕"}
"""Never by colour alone."""

UNKNOWN = "–"
_SILENT = 2.0  # seconds without a sample until the amplifier is called silent
_LATE = 250.0  # ms from which on an answer is called late
_PATIENCE = 3.0  # seconds beside five hops until a daemon that should answer is called silent


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of the whole: a headline, how long or how far it is, and why.

    ``headline`` and ``kind`` change only with the state itself.
    """

    kind: Kind
    headline: str
    detail: str
    lasting: str = ""

    @property
    def whole(self) -> str:
        """Headline and ``lasting`` in one."""
        return f"{self.headline} {self.lasting}".rstrip()


def ago(seconds: float) -> str:
    """A length of time in a few characters."""
    seconds = max(seconds, 0.0)
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
    )


def standing(seen: Snapshot) -> Standing:
    """The first that applies, from the worst to the best."""
    since = ago(seen.now - seen.daemon.since)
    if seen.daemon.state == "lost":
        return Standing(
            "lost", "Daemon gone", "its streams have ended; `eegd run` opens them", f"{since} ago"
        )
    if seen.daemon.state != "connected":
        why = seen.daemon.why or f"no stream {seen.name!r} on LSL; `eegd run` opens it"
        return Standing("waiting", "No daemon", why, f"for {since}")
    last, said = seen.last, seen.said
    abstains = last is not None and last.status == "abstain"
    reason = (last.reason or "") if last is not None else ""
    if amplifier := _amplifier(seen):
        headline, lasting = amplifier
        return Standing("lost", headline, reason or seen.amplifier.why, lasting)
    full = seen.figures.get("eegd_window_ratio")
    if full is not None and full < 1:
        whole = said.window_seconds if said else None
        share = f"{full:.0%}"
        if whole:
            digits = 0 if whole >= 2 else 1
            share = f"{full * whole:.{digits}f} of {whole:.{digits}f} s"
        return Standing("waiting", "Filling the window", reason, share)
    quiet = seen.now - seen.daemon.heard
    patience = _PATIENCE + 5 * (said.hop_seconds if said else 1.0)
    if last is None or (abstains and quiet > patience):
        # It may be filling its window, from its last word or the amplifier's return on.
        filling = seen.now - max(seen.daemon.heard, seen.amplifier.since)
        whole = said.window_seconds if said else None
        if whole is None or filling <= whole + patience:
            return Standing("waiting", "Waiting for a full window", reason)
    elif abstains:
        return Standing("abstaining", "Abstaining", reason)
    if last is None or quiet > patience:
        before = f"; its last word: {reason}" if reason else ""
        return Standing("lost", "No answer", f"the daemon is silent{before}", f"for {ago(quiet)}")
    if last.age_ms > _LATE:
        return Standing("good", "Live", f"the answers are {milliseconds(last.age_ms)} late")
    below = "no class reaches the threshold" if last.label is None else ""
    return Standing("good", "Live", below)


def _amplifier(seen: Snapshot) -> tuple[str, str] | None:
    """What is wrong with the amplifier and how long; the daemon's word counts more than ours."""
    connected = seen.figures.get("eegd_stream_connected")
    here = seen.amplifier
    if connected == 0 or (connected is None and here.state == "lost"):
        if here.state == "lost":
            return "Amplifier lost", f"{ago(seen.now - here.since)} ago"
        return ("No amplifier" if here.state != "connected" else "Amplifier not taken"), ""
    if connected is None and here.state == "looking" and seen.last is None:
        return "No amplifier", ""
    if here.state == "connected" and seen.now - here.heard > _SILENT:
        return "Amplifier silent", f"for {ago(seen.now - here.heard)}"
    return None


def fit(seen: Snapshot) -> tuple[bool | None, str]:
    """Whether the stream fits the contract (None: not known), and the exact difference."""
    said, traces = seen.said, seen.traces
    if said is None:
        return None, ""
    if said.contract is None or said.wanted is None:
        return None, "the daemon does not say its contract"
    if traces is None:
        return None, "no stream seen yet"
    try:
        pick = pick_for(said.contract, traces.stream, said.wanted, hop=said.hop or None)
    except ContractError as error:
        return False, str(error)
    return True, "; ".join(pick.assumptions)


@dataclass(frozen=True, slots=True)
class Abstention:
    """Abstentions for one reason in a row: stamps of the first and the last, and how many.

    One reason is one code with the same channels; ``reason`` are the words of the last of them.
    """

    reason: str
    first: float
    last: float
    count: int


def abstentions(seen: Snapshot, most: int = 4) -> list[Abstention]:
    """The latest ones, newest first."""
    rows = groupby(
        reversed(seen.markers),
        key=lambda marker: (
            marker.status == "abstain" and kind(marker.code, marker.channels, marker.reason)
        ),
    )
    alike = (list(row) for abstained, row in rows if abstained)
    return [
        Abstention(row[0].reason or "", row[-1].stamp, row[0].stamp, len(row))
        for row in islice(alike, most)
    ]


def classes_of(seen: Snapshot) -> tuple[str, ...]:
    """In the contract's order; without a contract, as the latest marker has them."""
    if seen.said and seen.said.contract:
        return tuple(map(clean, seen.said.contract.classes))[:MAX_CLASSES]
    for marker in reversed(seen.markers):
        if marker.probabilities is not None:
            return tuple(marker.probabilities)
    return ()


def bad_channels(seen: Snapshot) -> dict[str, str]:
    """What is wrong with which channel: as the daemon's last word says, else as seen here."""
    last = seen.last
    if last is None or last.code is None or last.code in CONNECTION:
        return seen.bad
    return {**dict.fromkeys(last.channels, last.code.replace("_", " ")), **seen.bad}


def _bad_text(seen: Snapshot) -> str:
    channels: dict[str, list[str]] = {}
    for label, what in bad_channels(seen).items():
        channels.setdefault(what, []).append(label)
    return "; ".join(f"{what}: {', '.join(labels)}" for what, labels in channels.items())


def latencies(seen: Snapshot) -> tuple[float, ...]:
    """Milliseconds of the answered windows that are kept, sorted."""
    return tuple(sorted(marker.age_ms for marker in seen.markers if marker.status == "ok"))


def quantile(ordered: tuple[float, ...], q: float) -> float:
    """Of ``ordered``, not empty, the value that the share ``q`` does not exceed."""
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)]


def milliseconds(value: float) -> str:
    """In three digits or so."""
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 100 else f"{value:#.3g} ms"


def link_text(link: Link, now: float) -> str:
    """A source's state in a few words."""
    words = {"off": "not known", "looking": "looking", "connected": "connected", "lost": "lost"}
    since = f" for {ago(now - link.since)}" if link.state != "off" else ""
    return words[link.state] + since + (f": {link.why}" if link.why else "")


def facts(seen: Snapshot) -> dict[str, str]:
    """Everything else that a view shows, in words, by name; – where it is not known."""
    said, traces, figures = seen.said, seen.traces, seen.figures
    contract = said.contract if said else None
    stream = traces.stream if traces else None
    fits, difference = fit(seen)
    ordered = latencies(seen)

    def count(name: str, unit: str = "") -> str:
        return f"{figures[name]:,.0f}{unit}" if name in figures else UNKNOWN

    shown = {
        "name": seen.name,
        "daemon": link_text(seen.daemon, seen.now),
        "amplifier": link_text(seen.amplifier, seen.now),
        "metrics": link_text(seen.metrics, seen.now),
        "model": (said.model if said else "") or UNKNOWN,
        "sha256": (said.sha256 if said else "") or UNKNOWN,
        "verdict": said.verdict or "no report with this model" if said else "",
        "engine": (said.engine if said else "") or UNKNOWN,
        "stream": str(stream) if stream else UNKNOWN,
        "fit": {True: "fits", False: "does not fit", None: "not known"}[fits],
        "difference": difference,
        "needs_channels": f"{len(contract.channels)}" if contract else UNKNOWN,
        "needs_rate": f"{contract.sample_rate:g} Hz" if contract else UNKNOWN,
        "needs_unit": contract.unit if contract else UNKNOWN,
        "has_channels": f"{stream.channel_count}" if stream else UNKNOWN,
        "has_rate": f"{stream.sample_rate:g} Hz" if stream else UNKNOWN,
        "has_unit": ", ".join(sorted(set(filter(None, stream.units)))[:3]) if stream else UNKNOWN,
        "window": f"{contract.window} steps, {said.window_seconds:g} s"
        if contract and said
        else UNKNOWN,
        "hop": f"{said.hop} steps, {said.hop_seconds:g} s" if said and said.hop else UNKNOWN,
        "rate": f"{rate:.2f} Hz" if (rate := rate_of(seen)) else UNKNOWN,
        "gaps": count("eegd_gaps_total"),
        "samples_filled": count("eegd_samples_filled_total"),
        "skipped": count("eegd_windows_skipped_total"),
        "reconnects": count("eegd_stream_reconnects_total"),
        "backlog": count("eegd_backlog_samples", " samples"),
        "filled": f"{seen.last.filled:.1%}" if seen.last else UNKNOWN,
        "bad": _bad_text(seen)
        or ("none" if traces and seen.amplifier.state == "connected" else UNKNOWN),
        "answers": f"of {len(ordered)} answers",
    }
    for q in (0.5, 0.95, 0.99):
        name = f"p{q * 100:.0f}"
        shown[name] = milliseconds(quantile(ordered, q)) if ordered else UNKNOWN
    return shown


def rate_of(seen: Snapshot) -> float | None:
    """Hz that the stream really has: the daemon's figure, else what is counted here."""
    known = seen.figures.get("eegd_effective_rate_hz")
    return known if known is not None and known > 0 else seen.effective_rate
