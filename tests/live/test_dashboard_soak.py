"""An hour in front of the page: neither the browser's heap nor the server grows."""

import os
import statistics
import time
from pathlib import Path

import pytest
from pages import Tab, chromium, free_port, needs_chromium
from programs import eegd, unique, write_config
from test_soak import BUNDLE, resident

SECONDS = float(os.environ.get("EEGD_SOAK_SECONDS", "3600"))
EVERY = 15.0


@pytest.mark.slow
@needs_chromium
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_neither_page_nor_server_grows(tmp_path: Path) -> None:
    name, output, port = unique("Amp"), unique("Out"), free_port()
    config = {
        "stream": {"name": name},
        "model": {"path": str(BUNDLE)},
        "output": {"name": output},
        "metrics": {"port": free_port()},
    }
    path = write_config(tmp_path, config)
    amplifier = ("simulate", "--name", name, "--burst", "96", "--wait", "120")
    with (
        eegd(tmp_path, "run", "-c", str(path)),
        eegd(tmp_path, *amplifier),
        eegd(tmp_path, "dashboard", "--name", output, "--port", str(port)) as server,
        chromium() as browser,
    ):
        tab = Tab(browser, f"http://127.0.0.1:{port}/")
        tab.wait_for("good")
        session = tab.page.context.new_cdp_session(tab.page)
        begin, figures = time.monotonic(), []
        while (at := time.monotonic() - begin) < SECONDS:
            session.send("HeapProfiler.collectGarbage")
            heap = session.send("Runtime.getHeapUsage")["usedSize"] / 2**20
            nodes = session.send("Memory.getDOMCounters")["nodes"]
            figures.append((at, heap, nodes, resident(server.process.pid) / 1024))
            print("%6.0f s  heap %6.2f MiB  %5d nodes  server %7.2f MiB" % figures[-1], flush=True)  # noqa: T201, UP031
            tab.page.wait_for_timeout(EVERY * 1e3)
        assert tab.complaints == []
        assert tab.page.get_attribute("body", "data-stale") is None
    # What is kept of the last markers is full after ten minutes.
    settled = [figure for figure in figures if figure[0] > 0.2 * SECONDS]
    early, late = settled[: len(settled) // 4], settled[-(len(settled) // 4) :]
    for column, what, more in ((1, "heap", 1.0), (2, "nodes", 50), (3, "server", 2.0)):
        before = statistics.median(figure[column] for figure in early)
        after = statistics.median(figure[column] for figure in late)
        print(f"{what}: {before:.2f} early, {after:.2f} late")  # noqa: T201
        assert after < 1.02 * before + more, what
