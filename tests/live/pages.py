"""A real browser in front of the real page."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 300.0  # seconds for things that a loaded machine makes slow

needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"the page is tested in Chromium, which is not at {CHROMIUM}"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def chromium() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api", reason="needs the extra 'test'")
    with sync.sync_playwright() as playwright:
        # A sandbox of its own cannot be had by root, nor in most containers.
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


def _later(route: Any, delay: float) -> None:
    time.sleep(delay)
    route.continue_()


class Tab:
    """The dashboard at ``url`` in a tab; ``complaints`` is what the browser had to say.

    Its scripts take ``delay`` seconds to come.
    """

    def __init__(self, browser: Any, url: str, delay: float = 0.0, **options: Any) -> None:
        self.page = browser.new_page(**{"viewport": {"width": 1280, "height": 800}, **options})
        if delay:
            self.page.route("**/bokeh.min.js*", lambda route: _later(route, delay))
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._listen)
        self.page.on("request", lambda request: self.requests.append(request.url))
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.page.goto(url)
                break
            except Exception:  # noqa: BLE001 - it is not up yet
                assert time.monotonic() < deadline, f"nothing answers at {url}"
                time.sleep(0.1)
        self.complaints.clear()

    def _listen(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def wait_for(self, kind: str, headline: str = "") -> None:
        """Until the page says so."""
        self.page.wait_for_function(
            "([kind, words]) => document.body.dataset.kind === kind"
            " && document.getElementById('headline').textContent.startsWith(words)",
            arg=[kind, headline],
            timeout=PATIENCE * 1e3,
        )

    def decision(self) -> dict[str, Any]:
        """What one look at the page shows of the newest answer."""
        seen: dict[str, Any] = self.page.evaluate(
            """() => {
              const label = document.getElementById("label");
              const rows = [...document.querySelectorAll("#bars li")];
              return {
                label: label.textContent,
                sequence: Number(label.dataset.sequence),
                stamp: Number(label.dataset.stamp),
                probabilities: Object.fromEntries(
                  rows.map((row) => [row.dataset.class, Number(row.dataset.p)])),
                percents: rows.map((row) => row.querySelector(".p").textContent),
                best: rows.filter((row) => row.className === "best").map((r) => r.dataset.class),
              };
            }"""
        )
        return seen

    def fact(self, name: str) -> str:
        found: str = self.page.inner_text(f"[data-fact={name}]")
        return found
