"""The last minutes: a row for each class, a bar for each window, hatched where it abstained.

And how late the answers were, as bars over a logarithmic scale.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, FixedTicker, Range1d
from bokeh.plotting import figure

from daemon.views.announcement import Marker
from daemon.views.observer import Snapshot
from daemon.views.page.controls import Controls
from daemon.views.page.scope import clock, colours, plain
from daemon.views.standing import latencies

SECONDS = 300.0
_ROW = 34  # pixels; as in page.css
_FINEST = 0.5  # seconds: of more windows than that the last is drawn
_BARS = round(SECONDS / _FINEST)
_HIGH = 0.84  # of a row
_QUAD = ("left", "right", "bottom", "top")
# Milliseconds; the last bar holds everything beyond.
_EDGES = np.geomspace(0.1, 1000, 25)


class History:
    """Its ``figure``, kept up by `tick`."""

    def __init__(self) -> None:
        self.figure = _figure("history", frame_height=_ROW, x_axis_type="datetime")
        self.figure.xaxis.formatter = clock("%H:%M")
        self.figure.xaxis.ticker.desired_num_ticks = 3  # on a narrow page more would touch
        self.figure.yaxis.ticker = FixedTicker(ticks=[])
        self._sources = {
            name: ColumnDataSource({key: [] for key in _QUAD})
            for name in ("others", "decided", "abstained")
        }
        self._glyphs = {
            name: self.figure.quad(*_QUAD, source=source, line_color=None).glyph
            for name, source in self._sources.items()
        }
        self._glyphs["abstained"].update(
            fill_alpha=0.15, hatch_pattern="right_diagonal_line", hatch_scale=8.0, hatch_alpha=0.7
        )
        self._classes: tuple[str, ...] = ()
        self._received = 0
        self._drawn_at = -math.inf
        self._controls: Controls | None = None

    def tick(
        self,
        seen: Snapshot,
        classes: tuple[str, ...],
        now: float,
        controls: Controls,
        to_page: float,
    ) -> None:
        """Draw the markers that are new; ``now`` is LSL's clock, ``to_page`` as in the scope."""
        if classes != self._classes:
            self._classes, self._received = classes, max(seen.received - len(seen.markers), 0)
            self._drawn_at = -math.inf
            for source in self._sources.values():
                source.data = {key: [] for key in _QUAD}
            self.figure.frame_height = _ROW * max(len(classes), 1)
            self.figure.y_range.update(start=0, end=max(len(classes), 1))
            # Lines between the rows.
            self.figure.yaxis.ticker = FixedTicker(ticks=list(range(len(classes))))
        if controls != self._controls:
            self._controls = controls
            colours(self.figure, controls)
            self.figure.ygrid.grid_line_color = controls.line
            self._glyphs["others"].fill_color = controls.muted
            self._glyphs["decided"].fill_color = controls.accent
            self._glyphs["abstained"].update(fill_color=controls.warn, hatch_color=controls.warn)
        new = seen.received - self._received
        self._received = seen.received
        width = seen.said.hop_seconds if seen.said else 1.0
        quads: dict[str, list[tuple[float, ...]]] = {name: [] for name in self._sources}
        for marker in seen.markers[len(seen.markers) - min(new, len(seen.markers)) :]:
            if marker.stamp < self._drawn_at:
                self._drawn_at = -math.inf  # the clock has stepped back
            if marker.stamp - self._drawn_at < _FINEST * 0.9 and marker.status == "ok":
                continue
            left = max(marker.stamp - max(width, _FINEST), self._drawn_at)
            self._drawn_at = marker.stamp
            x = (left + to_page) * 1e3, (marker.stamp + to_page) * 1e3
            for name, bottom, top in self._bars(marker):
                quads[name].append((*x, bottom, top))
        for name, rows in quads.items():
            if rows:
                columns = zip(*rows, strict=True)
                rollover = _BARS * (len(classes) if name == "others" else 1)
                self._sources[name].stream(
                    {key: list(column) for key, column in zip(_QUAD, columns, strict=True)},
                    rollover=rollover,
                )
        end = (now + to_page) * 1e3
        self.figure.x_range.update(start=end - SECONDS * 1e3, end=end)

    def _bars(self, marker: Marker) -> list[tuple[str, float, float]]:
        """Glyph, bottom and top of each bar of ``marker``; the first class is on top."""
        if marker.probabilities is None:
            return [("abstained", 0.0, float(len(self._classes)))]
        bars = []
        for row, name in enumerate(reversed(self._classes)):
            p = min(max(marker.probabilities.get(name, 0.0), 0.0), 1.0)
            kind = "decided" if name == marker.label else "others"
            bars.append((kind, float(row), row + _HIGH * p))
        return bars


class Latency:
    """Its ``figure``, kept up by `tick`."""

    def __init__(self) -> None:
        self.figure = _figure("latency", height=72, x_axis_type="log")
        self.figure.x_range.update(start=_EDGES[0], end=_EDGES[-1])
        self.figure.xaxis.ticker = FixedTicker(ticks=[0.1, 1, 10, 100, 1000])
        self.figure.xaxis.major_label_overrides = {
            0.1: "0.1",
            1: "1",
            10: "10",
            100: "100",
            1000: "1000",
        }
        self.figure.xaxis.major_label_text_align = "center"
        self._source = ColumnDataSource(
            {"left": _EDGES[:-1], "right": _EDGES[1:], "top": np.zeros(len(_EDGES) - 1)}
        )
        self._glyph = self.figure.quad(
            "left", "right", 0, "top", source=self._source, line_color=None
        ).glyph
        self._received = -1
        self._controls: Controls | None = None

    def tick(self, seen: Snapshot, controls: Controls) -> None:
        if controls != self._controls:
            self._controls = controls
            colours(self.figure, controls)
            self._glyph.fill_color = controls.accent
        if seen.received == self._received:
            return
        self._received = seen.received
        late = np.clip(latencies(seen), _EDGES[0], _EDGES[-1])
        counts, _ = np.histogram(late, _EDGES)
        self._source.patch({"top": [(slice(len(counts)), counts.tolist())]})
        self.figure.y_range.update(start=0, end=max(int(counts.max()), 1) * 1.1)


def _figure(name: str, **options: Any) -> Any:
    shown = figure(
        name=name,
        x_range=Range1d(0, 1),
        y_range=Range1d(0, 1),
        tools="",
        toolbar_location=None,
        sizing_mode="stretch_width",
        **options,
    )
    plain(shown)
    shown.yaxis.visible = False
    shown.ygrid.grid_line_color = None
    return shown
