"""The page in a real browser, against the real daemon and amplifier; and who may see it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import keras
import pylsl
import pytest
from pages import PATIENCE, Tab, chromium, free_port, needs_chromium
from programs import eegd, finish, open_inlet, unique, write_config, write_contract

from daemon.encoders.architectures import channel_lstm
from daemon.errors import UsageError
from daemon.views.observer import Observer
from daemon.views.page.server import serve
from daemon.views.scrape import address as metrics_address

RATE, WINDOW, HOP = 100, 60, 50
CHANNELS = ("Fp1", "Cz", "O2", "Pz")
CLASSES = ("rest", "left", "<b>right</b>")  # a page must show it as it is


class Listener:
    """Everything on the daemon's streams, by the markers' sequence."""

    def __init__(self, output: str) -> None:
        self.markers: dict[int, dict[str, Any]] = {}
        self.probabilities: dict[float, list[float]] = {}
        self._ended = threading.Event()
        self._inlets = [open_inlet(output, PATIENCE), open_inlet(f"{output}-probabilities")]
        self.since = pylsl.local_clock()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        markers, probabilities = self._inlets
        while not self._ended.is_set():
            text, stamp = markers.pull_sample(timeout=0.1)
            if text is not None:
                marker = json.loads(text[0])
                self.markers[marker["sequence"]] = {**marker, "stamp": stamp}
            values, stamp = probabilities.pull_sample(timeout=0.0)
            if values is not None:
                self.probabilities[stamp] = values

    def close(self) -> None:
        self._ended.set()
        self._thread.join()


def compare(tab: Tab, heard: Listener, looks: int) -> None:
    """As many different answers on the page are those of the LSL streams."""
    seen: dict[int, dict[str, Any]] = {}
    for _ in range(400):
        tab.page.wait_for_timeout(100)
        look = tab.decision()
        if look["stamp"] < heard.since:
            continue  # from before the test's own inlet was there
        seen[look["sequence"]] = look
        if len(seen) == looks:
            break
    tab.page.wait_for_timeout(300)  # the test's own inlet may be behind the page's
    assert len(seen) == looks
    for sequence, look in seen.items():
        marker = heard.markers[sequence]
        assert look["probabilities"] == marker["probabilities"]
        assert (look["label"], look["best"]) == (marker["label"], [marker["label"]])
        # One host, one clock: what is left is what LSL's estimate of its offset is off by.
        assert look["stamp"] == pytest.approx(marker["stamp"], abs=1e-3)
        published = heard.probabilities[marker["stamp"]]
        assert [*look["probabilities"].values()] == pytest.approx(published, abs=1e-7)
        assert look["percents"] == [f"{100 * p:.0f} %" for p in look["probabilities"].values()]


@needs_chromium
def test_the_page_shows_what_lsl_carries_and_survives_every_loss(tmp_path: Path) -> None:
    """One tab, never reloaded: amplifier and daemon go and come back, one after the other."""
    keras.utils.set_random_seed(5)
    channel_lstm(WINDOW, len(CHANNELS), len(CLASSES), units=(12, 8)).save(tmp_path / "model.keras")
    write_contract(tmp_path, sample_rate=RATE, window=WINDOW, channels=CHANNELS, classes=CLASSES)
    name, output, port = unique("Amp"), unique("Out"), free_port()
    config = {
        "stream": {"name": name},
        "model": {"path": str(tmp_path)},
        "window": {"hop": HOP},
        "output": {"name": output},
        "metrics": {"port": free_port()},
    }
    run = ("run", "-c", str(write_config(tmp_path, config)))
    amplifier = ("simulate", "--name", name, "--rate", str(RATE))
    page = ("dashboard", "--name", output, "--port", str(port))
    with ExitStack() as stack:
        daemon = stack.enter_context(eegd(tmp_path, *run))
        stack.enter_context(eegd(tmp_path, *page))
        lines = stack.enter_context((tmp_path / "lines").open("w+", encoding="utf-8"))
        command = [sys.executable, "-m", "daemon", "watch", "--name", output]
        terminal = stack.enter_context(subprocess.Popen(command, stdout=lines))
        stack.callback(terminal.terminate)
        browser = stack.enter_context(chromium())
        tab = Tab(browser, f"http://127.0.0.1:{port}/")
        tab.page.evaluate("window.neverReloaded = true")
        tab.wait_for("waiting", "No daemon")
        heard = Listener(output)
        stack.callback(heard.close)
        tab.wait_for("lost", "No amplifier")
        first = stack.enter_context(eegd(tmp_path, *amplifier))
        tab.wait_for("good", "Live")
        compare(tab, heard, looks=4)
        facts = ("fit", "needs_channels", "has_channels", "has_rate", "has_unit", "gaps", "model")
        assert [tab.fact(fact) for fact in facts if fact != "fit"] == [
            *("4", "32", "100 Hz", "microvolts", "0", tmp_path.name)
        ]
        assert tab.page.inner_text("#fit") == "✓ fits"
        assert float(tab.fact("rate").removesuffix(" Hz")) == pytest.approx(RATE, rel=0.01)

        first.stop()
        tab.wait_for("lost", "Amplifier lost")
        assert tab.page.inner_text("#label") == "no answer"
        assert "lost" in tab.page.inner_text("#abstentions")
        stack.enter_context(eegd(tmp_path, *amplifier))
        tab.wait_for("good", "Live")
        compare(tab, heard, looks=2)

        daemon.process.kill()
        tab.wait_for("lost", "Daemon gone")
        heard.close()
        stack.enter_context(eegd(tmp_path, *run))
        heard = Listener(output)
        stack.callback(heard.close)
        tab.wait_for("good", "Live")
        compare(tab, heard, looks=2)

        said = (tmp_path / "lines").read_text(encoding="utf-8").splitlines()
        terminal_saw = [line.split(" ", 3)[1:3] for line in said if line.endswith("%")]
        known = {(str(s), str(m["label"])) for s, m in heard.markers.items()}
        assert known & {tuple(pair) for pair in terminal_saw}
        assert any("Amplifier lost" in line or "was lost" in line for line in said)
        assert any("Daemon gone" in line for line in said)
        assert tab.page.evaluate("window.neverReloaded")
        assert tab.complaints == []
        # Nothing is fetched from anywhere else: labs are offline.
        assert all(url.startswith((f"http://127.0.0.1:{port}/", "data:")) for url in tab.requests)


@pytest.fixture(params=[None, "a-token-of-some-length"])
def token(request: pytest.FixtureRequest) -> str | None:
    return request.param


@pytest.fixture
def address(token: str | None) -> Iterator[str]:
    """Of a page that watches nothing."""
    told: list[str] = []
    ready, stop = threading.Event(), threading.Event()

    def say(url: str) -> None:
        told.append(url)
        ready.set()

    server = threading.Thread(
        target=serve, args=(Observer(unique("None")), "127.0.0.1", 0, token, stop, say)
    )
    server.start()
    assert ready.wait(PATIENCE)
    yield told[0].partition("?")[0]
    stop.set()
    server.join(10)
    assert not server.is_alive()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def ask(url: str, **headers: str) -> tuple[int, dict[str, str]]:
    request = urllib.request.Request(
        url, headers={key.replace("_", "-"): value for key, value in headers.items()}
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=PATIENCE) as answer:
            return answer.status, dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers)


def cookie(address: str, token: str | None) -> dict[str, str]:
    """What a browser sends once it has seen the page's address."""
    if token is None:
        return {}
    code, headers = ask(f"{address}?token={token}")
    assert (code, headers["Location"]) == (303, ".")
    assert "HttpOnly; SameSite=Lax" in headers["Set-Cookie"]
    return {"Cookie": headers["Set-Cookie"].partition(";")[0]}


SOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec_WebSocket_Version": "13",
}


@pytest.mark.parametrize("path", ["", "ws", "static/js/bokeh.min.js", "autoload.js"])
def test_foreign_pages_and_names_are_refused_everywhere(
    address: str, token: str | None, path: str
) -> None:
    own = cookie(address, token)
    port = address.rstrip("/").rpartition(":")[2]
    foreign: list[dict[str, str]] = [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{int(port) + 1}"},
        {"Host": f"evil.example:{port}"},
        {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"},
        {"Host": f"127.0.0.1.evil.example:{port}"},
        {"Host": "["},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "iframe"},
    ]
    for headers in foreign:
        for more in ({}, SOCKET):
            assert ask(address + path, **own, **more, **headers)[0] == 403, headers


def test_own_pages_are_served(address: str, token: str | None) -> None:
    own = cookie(address, token)
    origin = address.rstrip("/")
    port = origin.rpartition(":")[2]
    assert ask(address, **own)[0] == 200
    assert ask(address, **own, Origin=origin)[0] == 200
    assert ask(address + "static/js/bokeh.min.js", **own)[0] == 200
    # Through ssh -L the same page has another port and name, of this machine all the same.
    assert (
        ask(address, **own, Host=f"localhost:{port}", Origin=f"http://localhost:{port}")[0] == 200
    )
    if own:  # beside what other sites of this host have left
        assert ask(address, Cookie='x={"a":1}; a[b]=1; ' + own["Cookie"])[0] == 200
    linked = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "document"}
    assert ask(address, **own, **linked)[0] == 200


@needs_chromium
@pytest.mark.parametrize("token", [None], indirect=True)
def test_a_browser_that_takes_its_time_is_served(address: str) -> None:
    """The server has stopped to tell it news by then, and goes on as it is heard."""

    with chromium() as browser:
        tab = Tab(browser, address, delay=2.5)
        tab.wait_for("waiting", "No daemon")
        before = tab.page.inner_text("#clock")
        tab.page.wait_for_function(
            "before => document.getElementById('clock').textContent !== before",
            arg=before,
            timeout=PATIENCE * 1e3,
        )
        assert tab.complaints == []


@pytest.mark.parametrize("token", ["a-token-of-some-length"], indirect=True)
def test_without_its_token_nothing_is_served(address: str, token: str) -> None:
    for path in ("", "ws", "static/js/bokeh.min.js", "?token=", "?token=a-token-of-some-lengt"):
        assert ask(address + path)[0] == 401, path
    wrong = {"Cookie": cookie(address, token)["Cookie"] + "x"}
    assert ask(address, **wrong)[0] == 401
    assert ask(address, Cookie="[;=")[0] == 401


def test_a_port_that_is_taken_or_a_weak_token_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = finish("dashboard", "--port", str(port), seconds=PATIENCE)
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in err
    assert "choose a free port" in err
    for host, token, said in (
        ("127.0.0.1", "short", "--token: 16 to 128 letters"),
        ("127.0.0..1", None, r"cannot listen on 127\.0\.0\.\.1:0"),
    ):
        with pytest.raises(UsageError, match=said):
            serve(Observer(unique("None")), host, 0, token, threading.Event(), print)
    with pytest.raises(UsageError, match="is no address like"):
        metrics_address("ftp://x")
