"""The view without a terminal: a line for each marker, and one for each change of state."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from test_standing import LOST, NO_FIGURES, NOW, abstain, ok, seen

from daemon.views.observer import Link, Snapshot
from daemon.views.watch import watch


class Shown:
    """Stands for observer and stop: each look sees the next of ``snapshots``, then it ends."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._snapshots = list(snapshots)

    def snapshot(self) -> Snapshot:
        return self._snapshots.pop(0)

    def wait(self, seconds: float) -> bool:
        return not self._snapshots


def lines(*snapshots: Snapshot) -> list[str]:
    shown: Any = Shown(snapshots)
    out = io.StringIO()
    watch(shown, shown, out)
    return [line.split(" ", 1)[1] for line in out.getvalue().splitlines()]


def test_a_state_that_lasts_is_said_once() -> None:
    gone = [seen(daemon=LOST, now=NOW + second) for second in range(200)]
    assert lines(gone[0], *gone) == [
        "Daemon gone 12 s ago: its streams have ended; `eegd run` opens them"
    ]


def test_a_loss_beside_the_last_marker_is_said() -> None:
    before = seen(figures=NO_FIGURES)
    answered = seen(ok(7), figures=NO_FIGURES)
    lost = seen(ok(7), abstain("was lost"), amplifier=LOST, figures=NO_FIGURES)
    again = replace(lost, amplifier=Link("connected", NOW, NOW))
    assert lines(before, before, answered, lost, lost, again) == [
        "Waiting for a full window",
        "7 left 75%",
        "0 abstains: was lost",
        "Amplifier lost 12 s ago: was lost",
        "Abstaining: was lost",
    ]
