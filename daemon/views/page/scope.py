"""The scope: the last seconds of every picked channel, a row each.

Rules that hold here:

- Time runs with the clock, not with the samples: what no longer comes leaves an empty place.
- A trace that leaves its row is cut a row further, so that one bad channel hides no other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, FixedTicker, Range1d
from bokeh.plotting import figure

from daemon.records import Float32, Float64
from daemon.text import normal_label
from daemon.views.observer import Observer, Snapshot
from daemon.views.page.controls import Controls
from daemon.views.standing import bad_channels
from daemon.views.traces import SECONDS, Traces

ROWS = 64  # shown at once, at most
_CUT = 1.5  # rows
_LAG = 0.25  # seconds from a sample to its place on the page


class Scope:
    """Its ``figure``, kept up by `tick`."""

    def __init__(self) -> None:
        self.figure = figure(
            name="scope",
            x_axis_type="datetime",
            y_range=Range1d(0, 1),
            x_range=Range1d(0, 1),
            tools="",
            toolbar_location=None,
            sizing_mode="stretch_both",
        )
        plain(self.figure)
        self.figure.xaxis.formatter = clock("%H:%M:%S")
        self.figure.yaxis.ticker = FixedTicker(ticks=[])
        self._source = ColumnDataSource()
        self._traces: Traces | None = None
        self._rows: tuple[int, ...] = ()
        self._count = 0
        self._drawn = Controls(paused=True)
        self._bad: dict[str, str] = {}

    @property
    def rows(self) -> tuple[int, ...]:
        """The channels that are shown, by their places in the stream."""
        return self._rows

    def tick(self, observer: Observer, seen: Snapshot, controls: Controls, to_page: float) -> None:
        """Draw what is new; ``to_page`` goes from LSL's clock, in seconds, to the page's."""
        bad = bad_channels(seen)
        if controls.paused:
            self._drawn = controls
            return
        now = (observer.clock() + to_page - _LAG) * 1e3
        traces = seen.traces
        if traces is not None:
            rows = _rows(seen, traces, controls)
            if traces is not self._traces or rows != self._rows:
                self._rebuild(traces, rows)
                self._paint(traces, controls, bad)
                self._reload(observer, traces, controls, to_page)
            elif self._drawn.paused or self._drawn.gain != controls.gain:
                self._reload(observer, traces, controls, to_page)
            else:
                self._append(observer, traces, controls, to_page)
            if bad != self._bad or controls != self._drawn:
                self._paint(traces, controls, bad)
        if controls != self._drawn:
            colours(self.figure, controls)
        self._drawn = controls
        self.figure.x_range.update(start=now - SECONDS * 1e3, end=now)

    def _rebuild(self, traces: Traces, rows: tuple[int, ...]) -> None:
        self._traces, self._rows = traces, rows
        shown = self.figure
        self._source = ColumnDataSource({"t": [], **{f"c{n}": [] for n in rows}})
        shown.renderers = []
        for n in rows:
            shown.line("t", f"c{n}", source=self._source, line_width=1.0, name=f"c{n}")
        shown.y_range.update(start=-0.5, end=len(rows) + 0.5)

    def _paint(self, traces: Traces, controls: Controls, bad: dict[str, str]) -> None:
        self._bad = bad
        places = self._places()
        axis = self.figure.yaxis[0]
        axis.ticker = FixedTicker(ticks=[float(place) for place in places])
        axis.major_label_overrides = {
            float(place): f"✕ {traces.labels[n]}" if traces.labels[n] in bad else traces.labels[n]
            for place, n in zip(places, self._rows, strict=True)
        }
        axis.major_label_text_font_size = "11px" if len(self._rows) <= 36 else "9px"
        for renderer, n in zip(self.figure.renderers, self._rows, strict=True):
            wrong = traces.labels[n] in bad
            renderer.glyph.line_color = controls.warn if wrong else controls.ink
            renderer.glyph.line_dash = [4, 3] if wrong else []

    def _places(self) -> list[float]:
        return [len(self._rows) - row - 0.5 for row in range(len(self._rows))]

    def _columns(self, values: Float32, controls: Controls) -> Float32:
        picked = np.clip(values[list(self._rows)] / np.float32(controls.gain), -_CUT, _CUT)
        placed: Float32 = picked + np.array(self._places(), np.float32)[:, None]
        return placed

    def _reload(
        self, observer: Observer, traces: Traces, controls: Controls, to_page: float
    ) -> None:
        self._count = traces.count
        stamps, values = observer.latest(traces, 1 << 30)
        self._source.data = self._data(stamps, self._columns(values, controls), to_page)

    def _append(
        self, observer: Observer, traces: Traces, controls: Controls, to_page: float
    ) -> None:
        new = traces.count - self._count
        if new <= 0:
            return
        self._count += new
        stamps, values = observer.latest(traces, new)
        data = self._data(stamps, self._columns(values, controls).round(3), to_page)
        # Lists of a few numbers are smaller on the way than arrays of their own.
        lists = {name: column.tolist() for name, column in data.items()}
        self._source.stream(lists, rollover=traces.steps)

    def _data(self, stamps: Float64, columns: Float32, to_page: float) -> dict[str, Any]:
        named = {f"c{n}": column for n, column in zip(self._rows, columns, strict=True)}
        return {"t": (stamps + to_page) * 1e3, **named}


def _rows(seen: Snapshot, traces: Traces, controls: Controls) -> tuple[int, ...]:
    there = range(len(traces.labels))
    if controls.picked is not None:
        return tuple(n for n in controls.picked if n in there)[:ROWS]
    contract = seen.said.contract if seen.said else None
    wanted = [normal_label(label) for label in contract.channels] if contract else []
    offered = [normal_label(label) for label in traces.labels]
    rows = tuple(offered.index(label) for label in wanted if label in offered)
    return (rows or tuple(there))[:ROWS]


def plain(shown: Any) -> None:
    """Nothing on ``shown`` but what is drawn."""
    shown.min_border = 0
    shown.min_border_top = 2  # what Bokeh leaves there of grid lines is cut off by page.css
    shown.background_fill_alpha = 0
    shown.border_fill_alpha = 0
    shown.outline_line_color = None
    shown.axis.minor_tick_line_color = None
    shown.axis.major_tick_line_color = None
    shown.axis.axis_line_color = None
    shown.axis.major_label_text_font = "system-ui, sans-serif"


def clock(form: str) -> Any:
    """Times of day along an axis, whatever the distance of its ticks."""
    return DatetimeTickFormatter(
        **dict.fromkeys(("milliseconds", "seconds", "minsec", "minutes", "hourmin"), form)
    )


def colours(shown: Any, controls: Controls) -> None:
    """Axes and grid of ``shown`` as ``controls`` say."""
    shown.axis.major_label_text_color = controls.dim
    shown.grid.grid_line_color = controls.line
    shown.ygrid.grid_line_color = None
