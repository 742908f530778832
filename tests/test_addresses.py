import pytest

from daemon.addresses import is_here, is_loopback


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.0.2.7", False),
        ("fe80::1%eth0", False),
        ("lab", False),
        ("", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


def test_this_computers_addresses() -> None:
    assert is_here("127.0.0.1")
    assert not is_here("192.0.2.7")  # of the range for documentation
    with pytest.raises(ValueError, match="lab"):
        is_here("lab")
