"""EDF and BDF files that tests make up, byte by byte, as other programs write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Channel:
    """One signal: all of its digital values, and what the header says of it.

    ``limits`` are the digital minimum and maximum, None for those of the format.
    """

    label: str
    digital: Sequence[int]
    unit: bytes = b"uV"
    physical: tuple[str, str] = ("-3276.8", "3276.7")
    limits: tuple[str, str] | None = None


def timekeeping(onsets: Sequence[float | None], *notes: tuple[int, bytes]) -> list[bytes]:
    """An annotation signal, a record each: its onset, then the TALs that are noted for it."""
    return [
        (b"" if onset is None else b"+%s\x14\x14\0" % f"{onset:.9g}".encode())
        + b"".join(tal for record, tal in notes if record == n)
        for n, onset in enumerate(onsets)
    ]


def edf(
    channels: Sequence[Channel],
    *annotations: Sequence[bytes],
    records: int = 20,
    duration: str = "1",
    said: str | None = None,
    kind: str = "",
    bdf: bool = False,
    pad: bytes = b" ",
) -> bytes:
    """The content of a file of ``records`` records, each of ``duration`` (as its header says it).

    ``annotations`` are annotation signals, with the bytes of each record. ``said`` is the number
    of records in the header, ``kind`` its reserved field, ``pad`` what fills its fields.
    """
    width = 3 if bdf else 2
    top = 2 ** (8 * width - 1)
    rows = [
        (c.label, c.unit, *c.physical, *(c.limits or (str(-top), str(top - 1)))) for c in channels
    ]
    name = "BDF Annotations" if bdf else "EDF Annotations"
    rows += [(name, b"", "-1", "1", str(-top), str(top - 1))] * len(annotations)
    counts = [len(c.digital) // records for c in channels]
    counts += [max(map(len, told)) // width + 1 for told in annotations]

    def field(length: int, *values: object) -> bytes:
        coded = [v if isinstance(v, bytes) else str(v).encode() for v in values]
        return b"".join(v[:length].ljust(length, pad) for v in coded)

    labels, units, *limits = zip(*rows, strict=True)
    blank = [""] * len(rows)
    head = (b"\xffBIOSEMI" if bdf else b"0       ") + field(80, "X X X X", "X") + b"01.01.20" * 2
    head += field(8, 256 * (len(rows) + 1)) + field(44, kind)
    head += field(8, records if said is None else said, duration) + field(4, len(rows))
    head += field(16, *labels) + field(80, *blank) + field(8, *units)
    head += b"".join(field(8, *values) for values in limits)
    head += field(80, *blank) + field(8, *counts) + field(32, *blank)
    body = b""
    for n in range(records):
        for channel, count in zip(channels, counts, strict=False):
            part = channel.digital[n * count : (n + 1) * count]
            body += b"".join(int(v).to_bytes(width, "little", signed=True) for v in part)
        for told, count in zip(annotations, counts[len(channels) :], strict=True):
            body += told[n].ljust(count * width, b"\0")
    return head + body
