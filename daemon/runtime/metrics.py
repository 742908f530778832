"""What the daemon counts, for Prometheus: `/metrics`, `/healthz` (alive) and `/readyz`.

Rules that hold here:

- Figures are read when somebody asks for them. The hot loop only counts, as it does anyway, and
  notes two times for each prediction.
- Whoever asks is answered by a thread of its own, which may hang without harm. There are at most
  `CONNECTIONS` at once, and each is over after `PATIENCE`, however slowly the other side goes.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Protocol

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from daemon.addresses import is_loopback
from daemon.errors import UsageError

if TYPE_CHECKING:  # it would bring SciPy, before the daemon has looked for its stream
    from daemon.pipeline import Counts

log = logging.getLogger(__name__)

CONNECTIONS = 8
PATIENCE = 5.0  # seconds

# From what a streamed answer takes to what no live consumer waits for.
_BUCKETS = (*(n * scale for scale in (1e-4, 1e-3, 1e-2, 1e-1, 1.0) for n in (1, 2, 5)), 10.0)


class Figures(Protocol):
    """What there is to count; see `daemon.service.Service`. Read from other threads."""

    @property
    def counts(self) -> Counts: ...
    @property
    def gaps(self) -> int: ...
    @property
    def connected(self) -> bool: ...
    @property
    def reconnects(self) -> int: ...
    @property
    def effective_rate(self) -> float: ...
    @property
    def backlog(self) -> int: ...
    @property
    def window_full(self) -> bool: ...
    @property
    def fullness(self) -> float: ...


class Metrics(Collector):
    """Serves ``figures`` on ``host``:``port`` from `serve` to `close`.

    Raises
    ------
    UsageError
        Nothing can listen there.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            self._server = _Server(host, port, self)
        except (OSError, OverflowError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(
                f"metrics.port: cannot listen on {host}:{port}: {reason}; choose a free port of "
                "this machine, or null for no metrics"
            ) from None
        if not is_loopback(str(self._server.server_address[0])):
            log.warning(
                "metrics.host: %s can be reached from the network, where everybody may read how "
                "this daemon fares; 127.0.0.1 keeps it to this machine",
                host,
            )
        self._figures: Figures | None = None
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = prometheus.CollectorRegistry()
        self._latency = prometheus.Histogram(
            "eegd_latency_seconds",
            "From a window's last sample to its marker.",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._compute = prometheus.Histogram(
            "eegd_compute_seconds",
            "From taking up samples to the prediction they lead to.",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._registry.register(self)
        # The interval, in seconds, is how long `close` may take.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="metrics", daemon=True
        )

    def serve(self, figures: Figures) -> None:
        """Answer from now on, with ``figures``."""
        self._figures = figures
        self._thread.start()
        log.info("metrics on http://%s:%d/metrics", *self._server.server_address[:2])

    def observe(self, latency: float, compute: float) -> None:
        """Note a prediction's two times, in seconds. For the hot loop: takes microseconds."""
        self._latency.observe(latency)
        self._compute.observe(compute)

    def close(self) -> None:
        """Listen no more."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return prometheus.generate_latest(self._registry)

    def unready(self) -> str | None:
        """Why no prediction can be expected yet, or None when it can."""
        if self._figures is None or not self._figures.connected:
            return "no stream is connected"
        return None if self._figures.window_full else "the window is not full yet"

    def collect(self) -> Iterator[Metric]:
        if self._figures is None:
            return
        figures, counts = self._figures, self._figures.counts
        by_code = dict(counts.abstentions)  # the hot loop goes on counting
        predictions = CounterMetricFamily(
            "eegd_predictions", "Markers published.", labels=["status"]
        )
        predictions.add_metric(["ok"], counts.ok)
        predictions.add_metric(["abstain"], sum(by_code.values()))
        yield predictions
        abstentions = CounterMetricFamily(
            "eegd_abstentions", "Abstentions, by the code of their reason.", labels=["code"]
        )
        for code, count in by_code.items():
            abstentions.add_metric([code], count)
        yield abstentions
        for name, what, count in (
            ("samples", "EEG samples received and taken.", counts.samples),
            ("windows_skipped", "Windows that ended and were not answered.", counts.skipped),
            ("gaps", "Places where samples were missing from the stream.", figures.gaps),
            ("samples_filled", "Missing samples that were filled.", counts.filled),
            ("stream_reconnects", "Streams taken after the first one.", figures.reconnects),
        ):
            yield CounterMetricFamily(f"eegd_{name}", what, count)
        for name, what, value in (
            ("stream_connected", "1 while a stream is subscribed to.", figures.connected),
            ("effective_rate_hz", "Samples a second by their stamps.", figures.effective_rate),
            ("backlog_samples", "Samples received and not answered yet.", figures.backlog),
            ("window_ratio", "Received share of a window since it started over.", figures.fullness),
        ):
            yield GaugeMetricFamily(f"eegd_{name}", what, value)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = CONNECTIONS

    def __init__(self, host: str, port: int, metrics: Metrics) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.metrics = metrics
        self._free = threading.Semaphore(CONNECTIONS)
        self._until: dict[socket.socket, float] = {}
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            self._until[request] = time.monotonic() + PATIENCE
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._until.pop(request, None)
            self._free.release()

    def service_actions(self) -> None:
        """Ten times a second. A socket's own time-out would begin anew with each byte."""
        for request, until in tuple(self._until.items()):
            if time.monotonic() > until:
                with suppress(OSError):  # it is over already
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked went away; that is theirs to mend."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        metrics = self.server.metrics
        if self.path == "/metrics":
            self._answer(200, metrics.text(), prometheus.CONTENT_TYPE_LATEST)
        elif self.path == "/healthz":
            self._answer(200, b"alive\n")
        elif self.path == "/readyz":
            reason = metrics.unready()
            self._answer(503 if reason else 200, f"{reason or 'ready'}\n".encode())
        else:
            self._answer(404, b"there are /metrics, /healthz and /readyz\n")

    def _answer(self, code: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the log is for what the daemon does."""
