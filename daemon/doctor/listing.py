"""The streams that LSL offers, as a table, and whether each fits the config's model."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from daemon.config import Config
from daemon.contract import Contract
from daemon.discovery import matches
from daemon.errors import ContractError
from daemon.pick import pick_for
from daemon.records import StreamDescription
from daemon.text import clean, listed

_HEADS = ("NAME", "TYPE", "HOST", "CH", "RATE", "FORMAT", "UNIT", "MODEL")
_TEXTS = 3  # columns whose text others chose, and which give way to the width
_LEAST = 8
_LABELS = 64
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Offer:
    """A stream, and what it is to the config.

    Attributes
    ----------
    stream : StreamDescription
    fits : bool or None
        Whether it is the config's stream and fits its model; None without a config.
    why : str
        Why it does not, or what was assumed.
    """

    stream: StreamDescription
    fits: bool | None = None
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self.stream), "fits": self.fits, "why": self.why}


def judged(stream: StreamDescription, config: Config, contract: Contract) -> Offer:
    """``stream`` beside what ``config`` wants and ``contract``, its model's, needs."""
    wanted = config.stream
    if not matches(stream, wanted):
        return Offer(stream, False, f"the config asks for {wanted}")
    try:
        pick = pick_for(contract, stream, wanted, hop=config.window.hop)
    except ContractError as error:
        return Offer(stream, False, "; ".join(error.differences))
    return Offer(stream, True, "; ".join(pick.assumptions))


def table(offers: Sequence[Offer], width: int | None = None) -> str:
    """``offers`` for people; a row each, and below it labels, source_id and what does not fit.

    Rows take ``width`` characters (None: the terminal's) where that leaves names readable.
    """
    width = width or shutil.get_terminal_size().columns
    columns = len(_HEADS) - all(offer.fits is None for offer in offers)
    rows = [_HEADS[:columns], *(_row(offer)[:columns] for offer in offers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    excess = sum(widths) + len(_GAP) * (columns - 1) - width
    while excess > 0 and max(widths[:_TEXTS]) > _LEAST:
        widths[widths.index(max(widths[:_TEXTS]))] -= 1
        excess -= 1
    lines = []
    for n, row in enumerate(rows):
        cells = [clean(cell, size).ljust(size) for cell, size in zip(row, widths, strict=True)]
        lines.append(_GAP.join(cells).rstrip())
        if n:
            # A name is copied to the config, so it is told whole.
            whole = (("name: ", row[0]),) if len(row[0]) > widths[0] else ()
            for head, text in (*whole, *_details(offers[n - 1])):
                lines += _wrapped(head + text, width)
    return "\n".join(lines)


def _row(offer: Offer) -> tuple[str, ...]:
    stream = offer.stream
    return (
        *(stream.name, stream.type, stream.hostname, str(stream.channel_count)),
        f"{stream.sample_rate:g} Hz" if stream.sample_rate else "irregular",
        stream.channel_format,
        ", ".join(sorted(set(filter(None, stream.units)))) or "none",
        "fits" if offer.fits else "does not fit",
    )


def _details(offer: Offer) -> list[tuple[str, str]]:
    stream = offer.stream
    labels = list(filter(None, stream.labels))
    said = [("source_id: ", stream.source_id or "none")]
    if labels or stream.channel_count > 1:
        said.insert(0, ("labels: ", listed(labels, _LABELS) or "none"))
    if offer.why:
        said.append(("assumed: " if offer.fits else "does not fit: ", offer.why))
    return said


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent="    ",
        subsequent_indent="      ",
        break_on_hyphens=False,
    )
