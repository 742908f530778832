"""Serves the page over HTTP and websocket until stopped; Bokeh brings all JavaScript with it."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import socket
import threading
from collections.abc import Callable
from functools import partial

from bokeh.application import Application
from bokeh.application.handlers import FunctionHandler
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets

from daemon.addresses import is_loopback
from daemon.errors import UsageError
from daemon.text import clean
from daemon.views.observer import Observer
from daemon.views.page.document import build
from daemon.views.page.doors import Doors

log = logging.getLogger(__name__)

_MESSAGE = 1 << 20  # bytes that a browser may send at once
_STOP_POLL = 100  # ms
_UNUSED = 60_000  # ms that a browser on a loaded machine may take from a page to its websocket


def serve(
    observer: Observer,
    host: str,
    port: int,
    token: str | None,
    stop: threading.Event,
    ready: Callable[[str], object],
) -> None:
    """Show what ``observer`` sees on ``host``:``port`` until ``stop``.

    Parameters
    ----------
    token : str or None
        None: none on loopback, a new one beyond it.
    ready : function of str
        Told the page's address, token included, once it can be opened.

    Raises
    ------
    UsageError
        Nothing can listen there, or the token cannot be one.
    """
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    if token is not None and not re.fullmatch(r"[A-Za-z0-9_.~-]{16,128}", token):
        raise UsageError("--token: 16 to 128 letters, digits or any of _ . ~ -")
    for library in ("bokeh", "tornado"):
        logging.getLogger(library).setLevel(logging.ERROR)
    sockets = _listen(host, port)
    port = sockets[0].getsockname()[1]
    asyncio.set_event_loop(asyncio.new_event_loop())
    application = Application(FunctionHandler(partial(build, observer)))
    # Origins are checked by the doors, against the address that the browser itself uses.
    inside = BokehTornado(
        {"/": application},
        extra_websocket_origins=["*"],
        unused_session_lifetime_milliseconds=_UNUSED,
        websocket_max_message_size_bytes=_MESSAGE,
        use_index=False,
        stats_log_frequency_milliseconds=3_600_000,
    )
    http = HTTPServer(Doors(inside, token, host), max_buffer_size=_MESSAGE)
    http.add_sockets(sockets)
    loop = IOLoop.current()
    server = BaseServer(loop, inside, http)
    server.start()
    server.io_loop.add_callback(ready, _address(host, port, token))

    async def watch() -> None:
        while not stop.is_set():
            await asyncio.sleep(_STOP_POLL / 1e3)
        loop.stop()

    loop.add_callback(watch)
    try:
        loop.start()
    finally:
        server.stop(wait=False)


def _listen(host: str, port: int) -> list[socket.socket]:
    try:
        sockets: list[socket.socket] = bind_sockets(port, host)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"--host, --port: cannot listen on {clean(host)}:{port}: {reason}; choose a free port "
            "of this machine with --port, 0 takes any"
        ) from None
    return sockets


def _address(host: str, port: int, token: str | None) -> str:
    if host in ("0.0.0.0", "::", ""):
        host = socket.gethostname()
    elif ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}/" + (f"?token={token}" if token else "")
