"""The last seconds of an EEG stream, made fit to be looked at.

Rules that hold here:

- What is shown is thinned to at most `SHOWN` values a second (means of neighbours) and freed of
  drift (high-pass at 0.5 Hz, causal). What is judged is the same thinned signal before the filter.
- Memory is fixed by the stream's description.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import lfilter

from daemon.overrides import NO_OVERRIDES, Overrides, labels_of, rate_of
from daemon.quality import RAIL, STILL, SWING
from daemon.records import Float32, Float64, Samples, StreamDescription
from daemon.ring import Ring
from daemon.units import MICROVOLTS, Unit, unit_of

SECONDS = 10.0
SHOWN = 200.0  # Hz
MAX_CHANNELS = 128  # that are kept
_CORNER = 0.5  # Hz
_JUDGED = 2.0  # seconds
_RATE = 5.0  # seconds from which on a rate is told


class Traces:
    """Samples of ``stream`` as they come in, thinned, filtered, in microvolts.

    Parameters
    ----------
    stream : StreamDescription
    overrides : Overrides
        What the daemon's config says of it.
    own : str
        The model's unit, in which channels are taken of which nobody says one. A channel in
        something else stays as it is.

    Attributes
    ----------
    stream : StreamDescription
    labels : tuple of str
        Of the channels that are kept, as the model has them; a number where there is none.
    count : int
        Thinned samples so far.
    steps : int
        Thinned samples that are kept.
    """

    def __init__(
        self,
        stream: StreamDescription,
        overrides: Overrides = NO_OVERRIDES,
        own: Unit = "microvolts",
    ) -> None:
        self.stream = stream
        channels = min(stream.channel_count, MAX_CHANNELS)
        labels = labels_of(stream, overrides)[:channels]
        self.labels = tuple(label or f"{n + 1}" for n, label in enumerate(labels))
        rate = rate_of(stream, overrides) or 100.0
        self._every = max(math.ceil(rate / SHOWN), 1)
        self._rate = rate / self._every
        units = [unit_of(said, overrides.unit, own) for said in stream.units[:channels]]
        self._scales = np.array([MICROVOLTS[known] if known else 1.0 for known in units])
        self.steps = max(round(SECONDS * self._rate), 2)
        self._raw = Ring(channels, self.steps, np.float32)
        self._shown = Ring(channels, self.steps, np.float32)
        self._stamps = Ring(1, self.steps, np.float64)
        self._rest = (np.empty((0, channels)), np.empty(0))
        self._pole = math.exp(-2 * math.pi * _CORNER / self._rate)
        self._state: Float64 | None = None
        self.count = 0
        self._received = 0
        self._first = 0.0
        self._last = 0.0

    def push(self, samples: Samples, stamps: Float64) -> None:
        """Take ``samples`` (n, channels of the stream), ``stamps`` on this host's clock."""
        if not len(stamps):
            return
        if self._received == 0 or stamps[0] < self._last:
            self._first, self._received = float(stamps[0]), 0  # a clock that stepped back
        self._received += len(stamps)
        self._last = float(stamps[-1])
        kept = np.concatenate(
            [self._rest[0], samples[:, : len(self.labels)].astype(np.float64) * self._scales]
        )
        times = np.concatenate([self._rest[1], stamps])
        whole = len(times) // self._every * self._every
        self._rest = (kept[whole:], times[whole:])
        if not whole:
            return
        with np.errstate(invalid="ignore", over="ignore"):
            thinned = kept[:whole].reshape(-1, self._every, len(self.labels)).mean(axis=1)
        self._raw.push(thinned.astype(np.float32))
        self._shown.push(self._filtered(thinned).astype(np.float32))
        self._stamps.push(times[: whole : self._every, None])
        self.count += len(thinned)

    def _filtered(self, samples: Float64) -> Float64:
        """High-passed; NaN where a sample is no voltage, which the filter then does not see."""
        strange = ~(np.abs(samples) < 1e9)
        samples = np.where(strange, 0.0, samples)
        if self._state is None:
            self._state = -samples[:1]  # so that an offset makes no step
        shown, self._state = lfilter(
            [1.0, -1.0], [1.0, -self._pole], samples, axis=0, zi=self._state
        )
        shown[strange] = np.nan
        return np.asarray(shown)

    def latest(self, n: int) -> tuple[Float64, Float32]:
        """The last ``n`` thinned samples at most: stamps (m,) and values (channels, m), copies."""
        n = min(n, self.steps, self.count)
        first = self.steps - n
        return self._stamps.window()[0, first:].copy(), self._shown.window()[:, first:].copy()

    @property
    def effective_rate(self) -> float | None:
        """Hz, by count and stamps since the stream was taken; None before it can be told."""
        span = self._last - self._first
        return (self._received - 1) / span if span >= _RATE else None

    def bad(self) -> dict[str, str]:
        """What is wrong with which channel in the last two seconds, in a word or two."""
        n = min(round(_JUDGED * self._rate), self.count)
        if n < round(_JUDGED * self._rate):
            return {}
        raw = self._raw.window()[:, self.steps - n :]
        finite = np.isfinite(raw).all(axis=1)
        raw = np.where(np.isfinite(raw), raw, np.float32(0))
        top, bottom = raw.max(axis=1), raw.min(axis=1)
        swing = top.astype(np.float64) - bottom
        at_extremes = np.maximum(
            (raw == top[:, None]).mean(axis=1), (raw == bottom[:, None]).mean(axis=1)
        )
        found: dict[str, str] = {}
        for word, which in {
            "no numbers": ~finite,
            "flat": swing <= STILL,
            "too large": swing > SWING,
            "at a rail": at_extremes >= RAIL,
        }.items():
            for channel in np.flatnonzero(which):
                found.setdefault(self.labels[channel], word)
        return found
