"""A daemon's metrics, asked for over HTTP once in a while.

Rules that hold here:

- Only `/metrics` is asked for, redirects are not followed, and an answer has a size limit: the port
  is what a stream says, and anybody can publish a stream.
"""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from daemon.errors import UsageError

_PATIENCE = 2.0
_MOST = 1 << 20


def address(url: str) -> tuple[str, int]:
    """Host and port of a metrics URL.

    Raises
    ------
    UsageError
    """
    try:
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname and parts.path in ("", "/", "/metrics"):
            return parts.hostname, parts.port or 80
    except ValueError:
        pass
    raise UsageError(f"--metrics: {url!r} is no address like http://127.0.0.1:9464/metrics")


def scrape(host: str, port: int) -> dict[str, float]:
    """Every sample of `/metrics` but the histograms' buckets: ``name`` or ``name label`` → value.

    Raises
    ------
    OSError, ValueError
        Nobody answers, or not with metrics.
    """
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read(_MOST).decode()
        if answer.status != 200:
            raise ValueError(f"it answers {answer.status}")
    except http.client.HTTPException as error:
        raise ValueError(f"it does not speak HTTP: {error!r}") from None
    finally:
        connection.close()
    return {
        " ".join([sample.name, *sample.labels.values()]): float(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }
