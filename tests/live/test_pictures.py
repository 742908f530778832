"""Pictures of the page for people to look at: three states, light and dark, two widths."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from pages import Tab, chromium, free_port, needs_chromium
from PIL import Image
from programs import eegd, unique, write_config
from test_soak import BUNDLE

BURST = 96.0  # seconds of EEG before the first in real time: a window
MINUTES = float(os.environ.get("EEGD_PICTURES_MINUTES", "2.5"))  # of answers, before the first
FLAT = f"flat:at={BURST - 3},seconds=900,channel=7"


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
        with eegd(tmp_path, *amplifier) as well:
            time.sleep(60 * MINUTES)
            take(port, folder, "connected", "good")
            well.stop()
        with eegd(tmp_path, *amplifier, "--fault", FLAT) as faulty:
            take(port, folder, "abstaining", "abstaining")
            faulty.stop()
        take(port, folder, "amplifier-lost", "lost")


def take(port: int, folder: Path, state: str, kind: str) -> None:
    with chromium() as browser:
        for scheme in ("light", "dark"):
            for width in (1280, 800):
                size = {"width": width, "height": 800}
                tab = Tab(browser, f"http://127.0.0.1:{port}/", viewport=size, color_scheme=scheme)
                tab.wait_for(kind)
                tab.page.wait_for_timeout(5e3)  # all is drawn, and in the right colours
                path = folder / f"dashboard-{state}-{scheme}-{width}.png"
                tab.page.screenshot(path=path, full_page=True)
                assert tab.complaints == []
                tab.page.close()
                shrink(path)
                if (state, width) == ("connected", 1280):
                    shutil.copy(path, folder / f"page-{scheme}.png")  # the README's


def shrink(path: Path) -> None:
    """A page has few colours."""
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(48, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
