"""The essentials in a terminal of 80 columns: a screen that is kept up, or a line per answer.

Rules that hold here:

- What is decided in `daemon.views.standing` is said in the same words as on the page.
- The terminal is given back as it was, whatever ends the view. Where there is none (a pipe, a
  file), nothing but plain lines is written.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from daemon.views.observer import Observer, Snapshot
from daemon.views.standing import SIGNS, Kind, abstentions, classes_of, facts, standing

_REFRESH = 0.5  # seconds
_COLOURS: dict[Kind, str] = {"good": "32", "waiting": "36", "abstaining": "33", "lost": "31"}
_NAME = 16  # columns of a class's name


def watch(observer: Observer, stop: threading.Event, out: TextIO = sys.stdout) -> None:
    """Show what ``observer`` sees until ``stop``."""
    if hasattr(out, "reconfigure"):
        out.reconfigure(errors="replace")  # a terminal that has no such signs
    if out.isatty() and os.environ.get("TERM") != "dumb":
        _screen(observer, stop, out)
    else:
        _lines(observer, stop, lambda line: print(line, file=out, flush=True))


def _screen(observer: Observer, stop: threading.Event, out: TextIO) -> None:
    coloured = "NO_COLOR" not in os.environ
    with _own_screen(out):
        while not stop.wait(_REFRESH):
            width, height = shutil.get_terminal_size()
            shown = screen(observer.snapshot(), observer.clock(), min(width, 100), coloured)
            # Each line is cleared to its end, then what is below: nothing flickers.
            out.write("\x1b[H" + "".join(f"{line}\x1b[K\r\n" for line in shown[: height - 1]))
            out.write("\x1b[J")
            out.flush()


@contextmanager
def _own_screen(out: TextIO) -> Iterator[None]:
    out.write("\x1b[?1049h\x1b[?25l")
    try:
        yield
    finally:
        out.write("\x1b[?25h\x1b[?1049l")
        out.flush()


def screen(seen: Snapshot, now: float, width: int, coloured: bool) -> list[str]:
    """Lines of at most ``width`` columns, escape sequences aside; ``now`` on the stamps' clock."""
    state, said, last = standing(seen), facts(seen), seen.last
    live = state.kind == "good"

    def mark(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if coloured else text

    def row(*cells: tuple[str, str]) -> str:
        return "  ".join(f"{name:<10}{said[key]}" for name, key in cells)[:width]

    headline = f"{SIGNS[state.kind]} {state.whole}"[:width]
    lines = [
        f"{seen.name[: width - 10]:<{width - 9}} {time.strftime('%H:%M:%S')}",
        mark(headline, f"1;{_COLOURS[state.kind]}"),
        state.detail[:width],
    ]
    probabilities = (last.probabilities or {}) if last is not None and live else {}
    bar = max(width - _NAME - 12, 10)
    for name in classes_of(seen):
        p = probabilities.get(name)
        filled = round(bar * min(max(p or 0.0, 0.0), 1.0))
        share = "  –" if p is None else f"{p:4.0%}"
        best = last is not None and live and name == last.label
        line = f"{'▶' if best else ' '} {name[:_NAME]:<{_NAME}} {share:>5} "
        line += "█" * filled + "·" * (bar - filled)
        lines.append(mark(line, "1") if best else line)
    age = f"{now - last.stamp:.0f} s ago" if last is not None else "–"
    lines += [
        "",
        f"last answer {age}; latency p50 {said['p50']}, p95 {said['p95']}, p99 {said['p99']}",
        row(
            ("rate", "rate"), ("gaps", "gaps"), ("filled", "samples_filled"), ("backlog", "backlog")
        ),
        row(("amplifier", "amplifier")),
        row(("stream", "stream")),
        f"contract  {said['fit']}" + (f": {said['difference']}" if said["difference"] else ""),
        row(("bad", "bad")),
        row(("model", "model"), ("sha256", "sha256")),
        row(("verdict", "verdict")),
        row(("metrics", "metrics")),
    ]
    for found in abstentions(seen, 3):
        lines.append(f"▲ {now - found.last:4.0f} s ago ({found.count}) {found.reason}")
    lines += ["", "Ctrl-C ends the view; the daemon goes on."]
    return [line if "\x1b" in line else line[:width] for line in lines]


def _lines(observer: Observer, stop: threading.Event, say: Callable[[str], object]) -> None:
    received, before = observer.snapshot().received, ("", "")
    while not stop.wait(_REFRESH):
        seen = observer.snapshot()
        state = standing(seen)
        new, received = seen.received - received, seen.received
        for marker in seen.markers[len(seen.markers) - min(new, len(seen.markers)) :]:
            p = (marker.probabilities or {}).get(marker.label or "")
            share = f" {p:.0%}" if p is not None else ""
            what = marker.label or "undecided" if marker.status == "ok" else "abstains"
            why = f": {marker.reason}" if marker.reason else ""
            say(f"{time.strftime('%H:%M:%S')} {marker.sequence} {what}{share}{why}")
        changed, before = before != (state.kind, state.headline), (state.kind, state.headline)
        # That there are answers, or abstentions, the markers' own lines have said.
        if changed and not (new and state.kind in ("good", "abstaining")):
            say(f"{time.strftime('%H:%M:%S')} {state.whole}: {state.detail}".rstrip(": "))
