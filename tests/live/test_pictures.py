"""Pictures of the page for people to look at: three states, light and dark, two widths."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest
from pages import Tab, chromium, free_port, needs_chromium
from programs import eegd, unique, write_config
from test_soak import BUNDLE

BURST = 400.0  # seconds of EEG before the first in real time, so that the page's minutes are full
FLAT = f"flat:at={BURST - 3}:seconds=900:channel=7"


@pytest.mark.slow
@needs_chromium
def test_pictures_of_the_page(tmp_path: Path) -> None:
    folder = Path(os.environ.get("EEGD_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    name, output, port = unique("Amp"), "EEGClassifier", free_port()
    config = {
        "stream": {"name": name},
        "model": {"path": str(BUNDLE)},
        "output": {"name": output},
        "metrics": {"port": free_port()},
    }
    amplifier = ("simulate", "--name", name, "--burst", str(BURST), "--wait", "300")
    with ExitStack() as stack:
        stack.enter_context(eegd(tmp_path, "run", "-c", str(write_config(tmp_path, config))))
        page = ("dashboard", "--name", output, "--port", str(port))
        stack.enter_context(eegd(tmp_path, *page))
        browser = stack.enter_context(chromium())
        tabs = {
            (scheme, width): Tab(
                browser,
                f"http://127.0.0.1:{port}/",
                viewport={"width": width, "height": 800},
                color_scheme=scheme,
            )
            for scheme in ("light", "dark")
            for width in (1280, 800)
        }
        with eegd(tmp_path, *amplifier) as well:
            take(tabs, folder, "connected", "good", 12)
            well.stop()
        with eegd(tmp_path, *amplifier, "--fault", FLAT) as faulty:
            take(tabs, folder, "abstaining", "abstaining", 5)
            faulty.stop()
        take(tabs, folder, "amplifier-lost", "lost", 4)
        assert [tab.complaints for tab in tabs.values()] == [[]] * len(tabs)


def take(
    tabs: dict[tuple[str, int], Tab], folder: Path, state: str, kind: str, seconds: float
) -> None:
    for tab in tabs.values():
        tab.wait_for(kind)
        tab.page.wait_for_timeout(1e3 * seconds)
    for (scheme, width), tab in tabs.items():
        path = folder / f"dashboard-{state}-{scheme}-{width}.png"
        tab.page.screenshot(path=path, full_page=True)
        assert path.stat().st_size < 400_000
