"""How a window lies in a model's input: the words of ``contract.layout``.

A layout names the axes of the input but the first, which counts windows. It is said, never
guessed: an input (22, 1000) fits both orders, and a model that has taken time for channels runs
without an error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Layout = tuple[str, ...]
"""The axes in order: ``steps``, ``channels``, ``1``, or both in one, as ``steps * channels``."""

STANDARD: Layout = ("steps", "channels")
PER_CHANNEL: Layout = ("steps", "1")
"""One input of it for each channel: for a model of several inputs, and said by their number."""

LAYOUTS: tuple[Layout, ...] = (
    STANDARD,
    ("channels", "steps"),
    ("channels", "steps", "1"),
    ("1", "channels", "steps"),
    ("steps", "channels", "1"),
    ("steps", "1", "channels"),
    ("steps * channels",),
    ("channels * steps",),
)

Shape = tuple["int | None", ...]
"""Of an input or output without the axis of windows; None takes any length."""


def layout_of(written: object) -> Layout:
    """Read a layout as YAML has it, a list as ``[channels, steps, 1]``.

    Raises
    ------
    ValueError
        It is none of `LAYOUTS`.
    """
    if isinstance(written, Sequence) and not isinstance(written, str):
        axes = tuple(" ".join(str(axis).replace("*", " * ").split()).lower() for axis in written)
        if axes in LAYOUTS:
            return axes
    raise ValueError(f"is none of {', '.join(map(layout_text, LAYOUTS))}")


def layout_text(layout: Layout) -> str:
    """The layout as it is written in YAML."""
    return f"[{', '.join(layout)}]"


def shape_of(layout: Layout, steps: int, channels: int) -> tuple[int, ...]:
    """Shape of one window's input, without the axis of windows."""
    length = {"steps": steps, "channels": channels, "1": 1}
    return tuple(math.prod(length[name] for name in axis.split(" * ")) for axis in layout)


def fits(shape: Shape, layout: Layout, steps: int, channels: int) -> bool:
    """Whether an input of this shape takes windows that lie so; only steps may be left open."""
    expected = shape_of(layout, steps, channels)
    return len(shape) == len(layout) and all(
        length == needed or (length is None and axis == "steps")
        for length, needed, axis in zip(shape, expected, layout, strict=True)
    )


def candidates(shape: Shape, steps: int, channels: int) -> list[Layout]:
    """All layouts in which an input of this shape takes windows of these lengths."""
    return [layout for layout in LAYOUTS if fits(shape, layout, steps, channels)]


def readings(shape: Shape) -> list[tuple[Layout, int | None, int]]:
    """What an input of this shape may take: layout, steps and channels, the likeliest first.

    Steps are None where the input takes any number. A flat input, which may be cut into steps and
    channels in many ways, has none. EEG has more steps than channels, so such readings come first.
    """
    found = []
    for layout in LAYOUTS:
        if len(layout) != len(shape) or len(layout) == 1:
            continue
        length = dict(zip(layout, shape, strict=True))
        steps, channels = length["steps"], length["channels"]
        if channels is not None and length.get("1", 1) == 1:
            found.append((layout, steps, channels))
    return sorted(found, key=lambda one: one[1] is not None and one[1] < one[2])
