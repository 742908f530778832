"""A browser's page: figures, and all that is said in words as one JSON text.

Rules that hold here:

- Words reach the page as text (``textContent`` in ``page.js``), never as markup.
- What a browser sends changes only how its own page is drawn.
- A browser that is slow, hidden or asleep gets no more than it has shown, so that nothing piles up.
"""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from bokeh.models import ColumnDataSource, CustomJS
from jinja2 import Environment, FileSystemLoader

from daemon.views.observer import Observer, Snapshot
from daemon.views.page.controls import Controls, read
from daemon.views.page.history import History, Latency
from daemon.views.page.scope import Scope
from daemon.views.standing import SIGNS, abstentions, bad_channels, classes_of, facts, fit, standing

_TICK = 125  # ms
_WORDS = 4  # ticks between two looks at what is said in words
_AHEAD = 2  # news that a browser may still have to show
_HERE = Path(__file__).parent
_TEMPLATE = Environment(loader=FileSystemLoader(_HERE)).get_template("page.html")


def build(observer: Observer, document: Any) -> None:
    """Make ``document`` the page of what ``observer`` sees, kept up until the browser leaves."""
    page = Page(observer)
    document.title = f"{observer.name} – eegd"
    document.template = _TEMPLATE
    for file in ("page.css", "page.js"):
        document.template_variables[file.replace(".", "_")] = (_HERE / file).read_text("utf-8")
    for shown in (page.history.figure, page.scope.figure, page.latency.figure):
        document.add_root(shown)
    document.add_periodic_callback(page.tick, _TICK)


class Page:
    """One browser's view."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.history = History()
        self.scope = Scope()
        self.latency = Latency()
        self._controls = Controls()
        self._ticks = 0
        self._told = 0
        self._shown = 0
        self._said = ColumnDataSource({"json": [""]})
        self._said.js_on_change(
            "data", CustomJS(code="window.eegd.show(JSON.parse(cb_obj.data.json[0]))")
        )
        self._chosen = ColumnDataSource({"json": [""]}, name="controls")
        self._chosen.on_change("data", self._choose)
        # Models that are not drawn belong to the document through one that is.
        self.scope.figure.tags = [self._said, self._chosen]

    def _choose(self, attribute: str, old: Any, new: Any) -> None:
        text = new.get("json", [""])
        if len(text) == 1 and isinstance(text[0], str):
            chosen = read(text[0], self._controls)
            self._shown = chosen.seen
            self._controls = chosen.model_copy(update={"seen": 0})

    def tick(self) -> None:
        if self._told - self._shown > _AHEAD:
            return
        seen = self._observer.snapshot()
        now = self._observer.clock()
        zone = datetime.now().astimezone().utcoffset()
        to_page = time.time() - now + (zone.total_seconds() if zone else 0.0)
        self.scope.tick(self._observer, seen, self._controls, to_page)
        if self._ticks % _WORDS == 0:
            classes = classes_of(seen)
            self.history.tick(seen, classes, now, self._controls, to_page)
            self.latency.tick(seen, self._controls)
            self._told += 1
            self._said.data = {"json": [json.dumps(self._words(seen, classes, now))]}
        self._ticks += 1

    def _words(self, seen: Snapshot, classes: tuple[str, ...], now: float) -> dict[str, Any]:
        state, last = standing(seen), seen.last
        wall = time.time() - now
        fits, _ = fit(seen)
        probabilities = (last.probabilities if last else None) or {}
        return {
            "number": self._told,
            "state": {
                "kind": state.kind,
                "sign": SIGNS[state.kind],
                "headline": state.headline,
                "lasting": state.lasting,
                "detail": state.detail,
            },
            "decision": {
                "status": last.status if last else None,
                "label": last.label if last else None,
                "sequence": last.sequence if last else None,
                "stamp": last.stamp if last else None,
                "age": now - last.stamp if last else None,
            },
            "classes": [[name, probabilities.get(name)] for name in classes],
            "facts": facts(seen),
            "fits": fits,
            "abstentions": [
                [_clock(a.first + wall), _clock(a.last + wall), a.count, a.reason]
                for a in abstentions(seen)
            ],
            "channels": list(seen.traces.labels) if seen.traces else [],
            "shown": list(self.scope.rows),
            "bad": bad_channels(seen),
            "paused": self._controls.paused,
            "gain": self._controls.gain,
            "clock": _clock(time.time()),
        }


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
