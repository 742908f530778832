"""One daemon for one output name, as LSL and this machine know it."""

from __future__ import annotations

import sys

import pytest
from programs import open_outlet, unique

from daemon.errors import UsageError
from daemon.runtime.name_lock import Claim


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


def test_what_this_process_publishes_is_no_other_daemons() -> None:
    """A reload may change one of name and source_id, and back."""
    names, ids = (unique("Out"), unique("Out")), (unique("identity"), unique("identity"))
    claims = [Claim(names[0], ids[0])]
    claims[0].confirm()
    outlet = open_outlet(names[0], 0, [""], kind="Markers", source_id=ids[0])
    for name, identity in ((names[0], ids[1]), (names[1], ids[0]), (names[0], ids[0])):
        claims.append(Claim(name, identity, before=claims[-1]))
        claims[-1].confirm()
        claims[-2].close(but=claims[-1])
    strange = open_outlet(names[1], 0, [""], kind="Markers", source_id=unique("strange"))
    claims.append(Claim(names[1], ids[1], before=claims[-1]))
    with pytest.raises(UsageError, match=rf"output\.name: '{names[1]}' is already published on"):
        claims[-1].confirm()
    claims[-1].close(but=claims[-2])
    if sys.platform == "linux":
        with pytest.raises(UsageError):
            Claim(names[0], "another")
    claims[-2].close()
    Claim(names[0], "another").close()
    del outlet, strange
