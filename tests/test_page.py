"""What the server sends to a browser: bounded, and no more than the browser has shown."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
from bokeh.document import Document
from test_standing import CLASSES, abstain, ok, seen, stream

from daemon.views.observer import Snapshot
from daemon.views.page.controls import Controls, read
from daemon.views.page.document import Page, build
from daemon.views.page.history import SECONDS
from daemon.views.traces import Traces

RATE = 100


class Seen:
    """An observer of a stream that goes on as `run` says."""

    name = "Out"

    def __init__(self) -> None:
        self.traces = Traces(stream(RATE))
        self.whole = seen(traces=self.traces)
        self.at = 0.0

    def run(self, seconds: float) -> None:
        n = int(seconds * RATE)
        stamps = self.at + np.arange(n) / RATE
        self.traces.push(np.random.default_rng(n).normal(size=(n, 2)), stamps)
        self.at += seconds
        new = max(round(seconds), 1)
        received = self.whole.received + new
        said = [ok(received - back, stamp=self.at - back) for back in range(new - 1, -1, -1)]
        markers = (*self.whole.markers, *said)[-600:]
        self.whole = replace(self.whole, markers=markers, received=received)

    def snapshot(self) -> Snapshot:
        return self.whole

    def clock(self) -> float:
        return self.at

    def latest(self, traces: Traces, n: int) -> Any:
        return traces.latest(n)


def page_of(observer: Seen) -> tuple[Page, Any, Any]:
    page = Page(observer)  # type: ignore[arg-type]
    said, chosen = page.scope.figure.tags
    return page, said, chosen


def news(said: Any) -> dict[str, Any]:
    (text,) = said.data["json"]
    found: dict[str, Any] = json.loads(text)
    return found


def choose(chosen: Any, **choices: Any) -> None:
    chosen.data = {"json": [json.dumps(choices)]}


def test_a_browser_that_shows_nothing_gets_nothing_more() -> None:
    observer = Seen()
    page, said, chosen = page_of(observer)
    for _ in range(100):
        observer.run(0.1)
        page.tick()
    stuck = news(said)["number"]
    assert stuck <= 3
    drawn = len(page.scope.figure.renderers[0].data_source.data["t"])
    choose(chosen, seen=stuck)
    for _ in range(4):
        observer.run(0.1)
        page.tick()
    assert news(said)["number"] > stuck
    # What it has missed comes at once.
    assert len(page.scope.figure.renderers[0].data_source.data["t"]) > drawn + 400


def test_an_hour_of_it_is_no_more_than_its_last_minutes() -> None:
    observer = Seen()
    page, said, chosen = page_of(observer)
    sizes = []
    for minute in range(60):
        observer.run(60.0)
        page._ticks = 0
        page.tick()
        choose(chosen, seen=news(said)["number"])
        if minute in (25, 59):
            sources = [*page.history._sources.values(), page.scope._source]
            sizes.append([len(column) for s in sources for column in s.data.values()])
    assert sizes[0] == sizes[1]
    others = page.history._sources["others"].data["left"]
    assert len(others) >= SECONDS * (len(CLASSES) - 1)
    assert page.scope._source.data["t"][-1] > page.scope._source.data["t"][0]


def test_junk_from_a_browser_changes_nothing() -> None:
    before = Controls(gain=20.0)
    for junk in (
        "",
        "{}x",
        '{"gain": -1}',
        '{"gain": 1e300}',
        '{"ink": "url(http://evil.example)"}',
        '{"picked": [' + "1," * 200 + "1]}",
        '{"unknown": 1}',
    ):
        assert read(junk, before) == before, junk
    assert read('{"gain": 50, "picked": [9999, -5]}', before).picked == [9999, -5]
    observer = Seen()
    observer.run(1.0)
    page, said, chosen = page_of(observer)
    choose(chosen, picked=[9999, -5, 1])
    page.tick()
    assert news(said)["shown"] == [1]
    chosen.data = {"json": []}
    chosen.data = {"other": [3]}


def test_a_paused_scope_stands_still_and_goes_on_where_time_is() -> None:
    observer = Seen()
    page, _, chosen = page_of(observer)
    observer.run(5.0)
    page.tick()
    end, drawn = page.scope.figure.x_range.end, len(page.scope._source.data["t"])
    choose(chosen, paused=True)
    observer.run(3.0)
    page.tick()
    assert (page.scope.figure.x_range.end, len(page.scope._source.data["t"])) == (end, drawn)
    choose(chosen, paused=False)
    page.tick()
    assert page.scope.figure.x_range.end > end
    assert len(page.scope._source.data["t"]) == drawn + 300


def test_an_abstention_is_drawn_over_all_classes() -> None:
    observer = Seen()
    page, _, _ = page_of(observer)
    observer.whole = seen(ok(0, 1.0), abstain("flat", 2.0))
    page.tick()
    abstained = page.history._sources["abstained"].data
    assert (abstained["bottom"], abstained["top"]) == ([0.0], [2.0])
    assert len(page.history._sources["decided"].data["top"]) == 1


def test_the_page_is_built_with_everything_in_it() -> None:
    document = Document()
    build(Seen(), document)  # type: ignore[arg-type]
    assert {root.name for root in document.roots} == {"history", "scope", "latency"}
    for asset in ("page_css", "page_js"):
        text = document.template_variables[asset]
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in text
