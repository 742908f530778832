"""Writes the XDF files that tests need."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

import numpy as np


class XdfWriter:
    """Just enough of XDF 1.0 to write what a test needs."""

    def __init__(self) -> None:
        self.content = b"XDF:" + chunk(
            1, b"<?xml version='1.0'?><info><version>1.0</version></info>"
        )

    def stream(self, stream: int, name: str, kind: str, fmt: str, **more: object) -> None:
        labels, said = more.pop("labels", ()), more.pop("said", "")
        encoding = str(more.pop("encoding", "utf-8"))
        fields = {
            "name": name,
            "type": kind,
            "channel_count": len(labels) or 1,
            "nominal_srate": 100,
            "channel_format": fmt,
            "source_id": "",
            "hostname": "here",
            **more,
        }
        xml = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in fields.items())
        channels = "".join(
            f"<channel><label>{label}</label><unit>microvolts</unit></channel>" for label in labels
        )
        inner = f"<channels>{channels}</channels>" if labels else ""
        desc = f"<desc>{inner}{said}</desc>" if inner or said else "<desc/>"
        header = f"<?xml version='1.0'?><info>{xml}{desc}</info>"
        self.add(2, stream, header.encode(encoding))

    def samples(self, stream: int, stamps: Iterable[float], values: Iterable[bytes]) -> None:
        """``values``: the bytes of each sample."""
        stamps = [*stamps]
        body = b"\x04" + struct.pack("<I", len(stamps))
        for stamp, value in zip(stamps, values, strict=True):
            body += b"\x08" + struct.pack("<d", stamp) + value
        self.add(3, stream, body)

    def numbers(self, stream: int, stamps: Iterable[float], values: np.ndarray) -> None:
        """``values``: (n, channels), of the stream's format."""
        rows = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        self.samples(stream, stamps, [row.tobytes() for row in rows])

    def strings(self, stream: int, stamps: Iterable[float], *channels: Sequence[str]) -> None:
        """``channels``: a text a sample, of each channel."""
        coded = [[text.encode() for text in texts] for texts in zip(*channels, strict=True)]
        rows = (b"".join(b"\x01" + bytes([len(c)]) + c for c in row) for row in coded)
        self.samples(stream, stamps, rows)

    def offset(self, stream: int, at: float, value: float) -> None:
        self.add(4, stream, struct.pack("<dd", at, value))

    def add(self, tag: int, stream: int, body: bytes) -> None:
        self.content += chunk(tag, struct.pack("<I", stream) + body)


def chunk(tag: int, body: bytes) -> bytes:
    return b"\x04" + struct.pack("<IH", len(body) + 2, tag) + body
