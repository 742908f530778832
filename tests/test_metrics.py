"""Metrics as Prometheus, and those who would harm the daemon by asking, meet them."""

from __future__ import annotations

import logging
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from prometheus_client.parser import text_string_to_metric_families

from daemon.errors import UsageError
from daemon.pipeline import Counts
from daemon.reasons import Code
from daemon.runtime.metrics import CONNECTIONS, PATIENCE, Metrics

NONE = dict.fromkeys(Code, 0)


@dataclass
class Fixed:
    counts: Counts = field(
        default_factory=lambda: Counts(
            samples=5, filled=1, ok=3, abstentions={**NONE, Code.FLAT: 2}, skipped=7
        )
    )
    gaps: int = 4
    connected: bool = True
    reconnects: int = 6
    effective_rate: float = 159.5
    backlog: int = 8
    window_full: bool = True
    fullness: float = 0.25


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def metrics(port: int) -> Iterator[Metrics]:
    metrics = Metrics("127.0.0.1", port)
    yield metrics
    metrics.close()


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def scrape(port: int) -> dict[str, float]:
    families = text_string_to_metric_families(get(port, "/metrics")[1])
    return {
        sample.name + "".join(f" {label}" for label in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_every_figure_has_its_name(metrics: Metrics, port: int) -> None:
    metrics.serve(Fixed())
    metrics.observe(0.0015, 0.0003)
    metrics.observe(700.0, 0.0003)
    found = scrape(port)
    buckets = {name for name in found if "_bucket" in name}
    assert {name: value for name, value in found.items() if name not in buckets} == {
        "eegd_samples_total": 5,
        "eegd_predictions_total ok": 3,
        "eegd_predictions_total abstain": 2,
        **{f"eegd_abstentions_total {code}": 0 for code in Code},
        "eegd_abstentions_total flat": 2,
        "eegd_windows_skipped_total": 7,
        "eegd_gaps_total": 4,
        "eegd_samples_filled_total": 1,
        "eegd_stream_connected": 1,
        "eegd_stream_reconnects_total": 6,
        "eegd_effective_rate_hz": 159.5,
        "eegd_backlog_samples": 8,
        "eegd_window_ratio": 0.25,
        "eegd_latency_seconds_count": 2,
        "eegd_latency_seconds_sum": 700.0015,
        "eegd_compute_seconds_count": 2,
        "eegd_compute_seconds_sum": 0.0006,
    }
    assert found["eegd_latency_seconds_bucket 0.001"] == 0
    assert found["eegd_latency_seconds_bucket 0.002"] == 1
    assert found["eegd_latency_seconds_bucket 10.0"] == 1
    assert found["eegd_latency_seconds_bucket +Inf"] == 2


def test_alive_and_ready_are_two_things(metrics: Metrics, port: int) -> None:
    figures = Fixed(connected=False, window_full=False)
    metrics.serve(figures)
    assert get(port, "/healthz") == (200, "alive\n")
    assert get(port, "/readyz") == (503, "no stream is connected\n")
    figures.connected = True
    assert get(port, "/readyz") == (503, "the window is not full yet\n")
    figures.window_full = True
    assert get(port, "/readyz") == (200, "ready\n")
    assert get(port, "/")[0] == 404


def test_a_port_in_use_is_a_line_that_says_what_to_do(metrics: Metrics, port: int) -> None:
    with pytest.raises(UsageError, match=rf"metrics\.port: .*127\.0\.0\.1:{port}.*or null"):
        Metrics("127.0.0.1", port)
    with pytest.raises(UsageError, match=r"metrics\.port: cannot listen on 127\.0\.0\.\.1:"):
        Metrics("127.0.0..1", port)


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_a_host_beyond_this_machine_is_warned_about(
    host: str, warned: bool, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        Metrics(host, port).close()
    assert ("metrics.host" in caplog.text) == warned


def test_those_who_ask_and_never_listen_keep_nobody_waiting(metrics: Metrics, port: int) -> None:
    """Fewer than there may be at once hang; the others are answered, and counting goes on."""
    metrics.serve(Fixed())
    idlers = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS - 1)]
    idlers[0].sendall(b"GET /metrics HTTP/1.1\r\n")  # and never the end of it
    assert get(port, "/healthz")[0] == 200
    start = time.perf_counter()
    for _ in range(1000):
        metrics.observe(0.001, 0.001)
    assert time.perf_counter() - start < 0.5
    for idler in idlers:
        idler.close()


def test_who_asks_a_byte_at_a_time_is_hung_up_on(
    metrics: Metrics, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.runtime.metrics.PATIENCE", 0.5)
    metrics.serve(Fixed())
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.settimeout(0.1)
        begin = time.perf_counter()
        while True:
            assert time.perf_counter() - begin < 10
            try:
                slow.sendall(b"X")
                if not slow.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break  # it was hung up on between the two
    assert get(port, "/healthz")[0] == 200


def test_more_than_it_takes_at_once_are_turned_away(metrics: Metrics, port: int) -> None:
    metrics.serve(Fixed())
    before = threading.active_count()
    idlers = [socket.create_connection(("127.0.0.1", port)) for _ in range(3 * CONNECTIONS)]
    idlers[-1].settimeout(PATIENCE / 2)
    assert idlers[-1].recv(1) == b""  # closed at once
    assert threading.active_count() <= before + CONNECTIONS
    for idler in idlers:
        idler.close()
