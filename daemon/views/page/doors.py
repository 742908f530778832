"""Who may see the page: decided for every request before anything else sees it.

Rules that hold here:

- A browser is used by other pages too. A request from one (a foreign ``Origin``), or through a name
  that is made to point here (a foreign ``Host``), is refused, also for websockets.
- With a token, everything needs it: once in the address, from then on in a cookie. It is compared
  in constant time.
"""

from __future__ import annotations

import hmac
import socket
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tornado import httputil
from tornado.iostream import StreamClosedError

from daemon.addresses import is_address

_TOKEN = "token"


class Doors(httputil.HTTPServerConnectionDelegate):
    """Hands the requests that may pass to ``inside``, and answers the others itself.

    Parameters
    ----------
    inside : tornado application
    token : str or None
    name : str
        One more that this host goes by.
    """

    def __init__(self, inside: Any, token: str | None, name: str = "") -> None:
        self._inside = inside
        self._token = token
        self._names = own_names(name)

    def start_request(
        self, server_conn: object, request_conn: httputil.HTTPConnection
    ) -> httputil.HTTPMessageDelegate:
        delegate = self._inside.start_request(server_conn, request_conn)
        return _Request(delegate, request_conn, self._token, self._names)

    def on_close(self, server_conn: object) -> None:
        self._inside.on_close(server_conn)


class _Request(httputil.HTTPMessageDelegate):
    def __init__(
        self,
        inside: httputil.HTTPMessageDelegate,
        connection: Any,
        token: str | None,
        names: set[str],
    ) -> None:
        self._inside = inside
        self._connection = connection
        self._token = token
        self._names = names
        self._passed = False

    def headers_received(self, start_line: Any, headers: httputil.HTTPHeaders) -> Any:
        path, refusal = start_line.path, refused(headers, self._names)
        if refusal:
            return self._answer(403, "Forbidden", f"{refusal}\n")
        if self._token is not None and not self._has_cookie(headers):
            parts = urlsplit(path)
            query = parse_qs(parts.query)
            given = query.pop(_TOKEN, [""])[-1]
            if not _same(given, self._token):
                return self._answer(
                    401, "Unauthorized", "this page needs the address that eegd printed\n"
                )
            # Relative, so that it stays on this host; the token leaves the address bar.
            to = "?" + urlencode(query, doseq=True) if query else "."
            cookie = f"{_cookie(headers)}={self._token}; HttpOnly; SameSite=Lax; Path=/"
            return self._answer(303, "See Other", "", {"Location": to, "Set-Cookie": cookie})
        self._passed = True
        return self._inside.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        return self._inside.data_received(chunk) if self._passed else None

    def finish(self) -> None:
        if self._passed:
            self._inside.finish()

    def on_connection_close(self) -> None:
        if self._passed:
            self._inside.on_connection_close()

    def _has_cookie(self, headers: httputil.HTTPHeaders) -> bool:
        assert self._token is not None
        # As lenient as browsers: other sites of this host leave cookies of every kind.
        cookies = httputil.parse_cookie(headers.get("Cookie", ""))
        return _same(cookies.get(_cookie(headers), ""), self._token)

    def _answer(self, code: int, reason: str, text: str, more: Any = None) -> None:
        body = text.encode()
        headers = httputil.HTTPHeaders(
            {
                "Content-Type": "text/plain; charset=utf-8",
                "Content-Length": str(len(body)),
                "Connection": "close",
                **(more or {}),
            }
        )
        line = httputil.ResponseStartLine("HTTP/1.1", code, reason)
        try:
            self._connection.write_headers(line, headers, body)
            self._connection.finish()
        except StreamClosedError:
            pass  # whoever asked is gone


def refused(headers: httputil.HTTPHeaders, names: set[str]) -> str | None:
    """Why a request with ``headers`` is refused, or None; ``names`` are this host's.

    An address in numbers cannot be a name that is made to point here.
    """
    host = headers.get("Host", "").lower()
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    if not (is_address(name) or name in names):
        return "this host is not known here by that name"
    origin = headers.get("Origin")
    if origin is not None and origin.lower() != f"http://{host}":
        return "requests from other pages are refused"
    foreign = headers.get("Sec-Fetch-Site") == "cross-site"
    if foreign and headers.get("Sec-Fetch-Dest") != "document":
        return "requests from other pages are refused"
    return None


def own_names(more: str) -> set[str]:
    """With and without the domain."""
    names = {name.lower() for name in (socket.gethostname(), more) if name}
    short = {name.partition(".")[0] for name in names if not is_address(name)}
    return names | short | {f"{name}.local" for name in short} | {"localhost"}


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _cookie(headers: httputil.HTTPHeaders) -> str:
    # Cookies know no ports: two pages on one machine must not take each other's.
    port = headers.get("Host", "").rpartition(":")[2]
    return f"eegd-{port}" if port.isdigit() else "eegd"
