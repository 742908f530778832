"""One daemon for one output name, as LSL and this machine know it."""

from __future__ import annotations

import sys

import pytest
from programs import open_outlet, unique

from daemon.errors import UsageError
from daemon.ops.claim import Claim


@pytest.mark.parametrize("same", ["name", "source_id"])
def test_a_name_or_identity_on_the_network_is_refused_with_its_host(same: str) -> None:
    ours = {"name": unique("Out"), "source_id": unique("identity")}
    other = {**ours, "name": unique("Other"), "source_id": unique("other"), same: ours[same]}
    outlet = open_outlet(other["name"], 0, [""], kind="Markers", source_id=other["source_id"])
    claim = Claim(**ours)
    with pytest.raises(
        UsageError, match=rf"output\.{same}: '{ours[same]}' is already published on {host(outlet)};"
    ):
        claim.confirm()
    claim.close()
    del outlet


def host(outlet: object) -> str:
    name: str = outlet.get_info().hostname()  # type: ignore[attr-defined]
    return name


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's kernel keeps the names")
def test_of_two_that_start_at_once_one_has_the_name() -> None:
    name = unique("Out")
    first = Claim(name, "first")
    with pytest.raises(UsageError, match=rf"output\.name: '{name}' is already published on"):
        Claim(name, "second")
    first.confirm()
    first.close()
    Claim(name, "second").close()
