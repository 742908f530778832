import socket

import pytest
from tornado.httputil import HTTPHeaders

from daemon.views.page.doors import own_names, refused


@pytest.mark.parametrize(
    ("mine", "given", "host"),
    [
        ("lab", "", "lab"),
        ("lab", "", "LAB.local"),
        ("lab.uni.example", "", "lab"),
        ("lab.uni.example", "", "lab.uni.example"),
        ("lab", "eeg-page", "eeg-page"),
        ("lab", "lab.uni.example", "lab.uni.example"),
        ("lab", "", "localhost"),
        ("lab", "", "192.0.2.7"),
    ],
)
def test_this_host_is_known_by_its_names(
    mine: str, given: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: mine)
    assert refused(HTTPHeaders({"Host": f"{host}:9465"}), own_names(given)) is None


@pytest.mark.parametrize("host", ["uni.example", "lab.evil.example", "192.0.2.7.evil", "", "["])
def test_and_by_no_other(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "lab.uni.example")
    assert refused(HTTPHeaders({"Host": host}), own_names("192.0.2.7")) is not None
