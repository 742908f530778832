"""What can go wrong with an amplifier: the kinds of fault, how they are written, when they come.

Times are the source's: seconds since its first sample, which ``speed`` shortens like the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from daemon.errors import UsageError
from daemon.records import Float64
from daemon.rehearsal.simulator import LABELS

Values = dict[str, float | str]

# Kind → what it does, and its fields with their defaults; `at` has none.
KINDS: dict[str, tuple[str, Values]] = {
    "gap": ("samples are lost on the way", {"seconds": 1.5}),
    "jitter": ("stamps are off by up to ± ms", {"seconds": 10.0, "ms": 20.0}),
    "batch": ("`size` samples go out together, all with one stamp", {"seconds": 10.0, "size": 12}),
    "jump": ("the clock steps by `by` seconds, and stays there", {"by": 2.0}),
    "drift": ("the clock runs fast by so many millionths", {"seconds": 60.0, "ppm": 500.0}),
    "nan": ("a channel delivers no numbers", {"seconds": 0.05, "channel": 0}),
    "flat": ("a channel keeps its value", {"seconds": 5.0, "channel": 0}),
    "burst": ("so much is delivered at once, and late until then", {"seconds": 600.0}),
    "freeze": ("the process is stopped, its sockets stay open", {"seconds": 20.0}),
    "crash": ("the process is killed (kill -9) and started again", {"seconds": 3.0}),
    "other": (
        "killed, and another comes in its place: what=rate, labels, unit or channels",
        {"seconds": 10.0, "what": "rate"},
    ),
    "duplicate": ("a second stream of the same name and type beside it", {"seconds": 10.0}),
}
DEATHS = ("crash", "other")  # another life follows
PROCESS = ("freeze", *DEATHS, "duplicate")
# Seconds after a random duplicate: it must not live into another fault and be taken for the
# amplifier there, however slow its start.
PEACE = 120.0
# Seconds from a start of the amplifier to a random duplicate: a consumer that is still connecting
# refuses both, and what it refuses nobody counts. A duplicate at a restart is planned by hand.
HELLO = 60.0
OTHERS = ("rate", "labels", "unit", "channels")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes
    ----------
    kind : str
        One of ``KINDS``.
    at : float
        When it begins.
    values : mapping of str to float or str
        The kind's fields.
    """

    kind: str
    at: float
    values: Values = field(hash=False)

    def __getitem__(self, key: str) -> float:
        return float(self.values.get(key, 0.0))

    @property
    def end(self) -> float:
        return self.at + self["seconds"]

    def since(self, begin: float) -> Fault:
        """The same fault, as a life of the amplifier that began at ``begin`` counts the time."""
        return replace(self, at=self.at - begin)

    def within(self, times: Float64) -> npt.NDArray[np.bool_]:
        return (times >= self.at - 1e-9) & (times < self.end - 1e-9)


def spelling() -> str:
    """How faults are written, for ``--help``."""
    lines = [
        f"  {kind}:at=S{''.join(f',{key}={value}' for key, value in values.items())}  ({what})"
        for kind, (what, values) in KINDS.items()
    ]
    return "\n".join(
        [*lines, "  random:every=30.0  (all of them, on average so many seconds apart)"]
    )


def parse(text: str) -> Fault:
    """``gap:at=20,seconds=1.5`` as a Fault.

    Raises
    ------
    UsageError
        Names the part that makes no sense.
    """
    kind, _, rest = text.partition(":")
    defaults = {"every": 30.0} if kind == "random" else {"at": 0.0, **KINDS.get(kind, ("", {}))[1]}
    if kind not in KINDS and kind != "random":
        raise UsageError(f"fault {text!r}: {kind!r} is none of {', '.join(KINDS)}, random")
    values: Values = dict(defaults)
    for part in rest.split(",") if rest else ():
        key, _, value = part.partition("=")
        if key not in defaults:
            raise UsageError(f"fault {text!r}: {kind} takes {', '.join(defaults)}, not {key!r}")
        try:
            values[key] = value if isinstance(defaults[key], str) else float(value)
        except ValueError:
            raise UsageError(f"fault {text!r}: {key}={value!r} is no number") from None
    numbers = [v for k, v in values.items() if not isinstance(v, str) and k not in ("by", "ppm")]
    if not all(map(math.isfinite, numbers)) or min(numbers, default=0) < 0:
        raise UsageError(f"fault {text!r}: numbers have to be 0 or more")
    if float(values.get("size", 1)) < 1 or float(values.get("channel", 0)) >= len(LABELS):
        raise UsageError(f"fault {text!r}: a batch has a sample or more, channels are 0 to 31")
    if values.get("what", "rate") not in OTHERS:
        raise UsageError(f"fault {text!r}: what is one of {', '.join(OTHERS)}")
    return Fault(kind, float(values.pop("at", 0.0)), values)


def planned(texts: Sequence[str], seconds: float | None, seed: int) -> list[Fault]:
    """The faults that ``texts`` spell, ``random`` ones drawn for ``seconds``.

    Raises
    ------
    UsageError
        As ``parse``; or random faults without an end.
    """
    faults: list[Fault] = []
    for text in texts:
        fault = parse(text)
        if fault.kind != "random":
            faults.append(fault)
        elif seconds is None:
            raise UsageError(f"fault {text!r} needs --seconds")
        else:
            faults += drawn(max(fault["every"], 1.0), seconds, seed)
    return faults


def drawn(every: float, seconds: float, seed: int) -> list[Fault]:
    """Faults of every kind at random, with ``every`` seconds of peace between two on average."""
    random = np.random.default_rng(seed)
    ranges: dict[str, tuple[float, float]] = {
        **{"gap": (0.01, 3), "nan": (0.01, 0.2), "flat": (0.5, 10), "burst": (30, 120)},
        **dict.fromkeys(PROCESS, (4.0, 24.0)),
    }
    faults: list[Fault] = []
    at, start = every, 0.0
    while at < seconds:
        kind = str(random.choice(list(KINDS)))
        if kind == "duplicate":
            at = max(at, start + HELLO)
            if at >= seconds:
                break
        values = dict(KINDS[kind][1])
        if kind in ranges:
            values["seconds"] = float(random.uniform(*ranges[kind]))
        if kind == "jump":
            values["by"] = float(random.uniform(-5, 5))
        if kind == "other":
            values["what"] = str(random.choice(OTHERS))
        faults.append(Fault(kind, at, values))
        at = faults[-1].end + float(random.exponential(every))
        if kind == "duplicate":
            at += PEACE
        elif kind in DEATHS:
            start = faults[-1].end
    return faults
