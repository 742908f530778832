"""Synthetic 32-channel EEG whose classes differ in what real ones differ in: rhythm and place.

Rules that hold here:

- Only the seed, the rate, the classes and the block lengths decide the signal. It is made in
  pieces of a fixed length inside, so how it is cut by ``next`` changes no sample.
- A class changes the strength of rhythms and nothing else: mu (10 Hz) and beta (20 Hz) of the hand
  and foot areas weaken when that part moves (event-related desynchronisation), alpha grows behind
  when the eyes close. Rhythms are narrow-band noise; every class block is a bit different.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from daemon.errors import UsageError
from daemon.records import Float32, Float64
from daemon.rehearsal.rhythms import CLASSES, LABELS, RHYTHMS, class_gains, filters, mixing

__all__ = ["CLASSES", "LABELS", "Simulator"]

_SENSOR = 0.8  # µV rms, white, independent per channel
_LINE = 2.0  # µV, median amplitude over channels
_DRIFT = 15.0  # µV rms, per electrode
_DRIFT_SECONDS = 20.0
_TRANSITION = 0.25  # seconds in which a rhythm follows the class
_BLOCK_VARIATION = 0.1  # sd of the log gain between blocks of one class
_PIECE = 2  # seconds made at once, and the length of the shaping filters
_MINIMUM_RATE = 64.0  # beta has to fit below half of it


class Simulator:
    """An endless simulated EEG.

    Parameters
    ----------
    rate : float
        Hz, at least 64.
    seed : int
        The same seed gives the same samples.
    classes : sequence of str
        Which of ``CLASSES`` occur; one alone lasts for ever.
    block_seconds : (float, float)
        Shortest and longest time that one class lasts.
    line_frequency : float or None
        Mains hum in Hz; none where None, or at or above half the rate.

    Attributes
    ----------
    labels : tuple of str
        The 32 BioSemi labels in BioSemi's order.
    rate : float
    classes : tuple of str

    Raises
    ------
    UsageError
        A rate, seed, class or block length that makes no sense.
    """

    labels = LABELS

    def __init__(
        self,
        rate: float = 160.0,
        seed: int = 0,
        classes: Sequence[str] = CLASSES,
        block_seconds: tuple[float, float] = (20.0, 40.0),
        *,
        line_frequency: float | None = 50.0,
    ) -> None:
        _check(rate, seed, classes, block_seconds)
        self.rate = float(rate)
        self.classes = tuple(classes)
        noise, schedule, body = (
            np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)
        )
        self._noise = noise
        self._blocks = _blocks(schedule, self.classes, block_seconds, self.rate)
        self._length = round(_PIECE * self.rate)
        self._filters = filters(self.rate, self._length)
        self._mixing = mixing()
        with_line = line_frequency is not None and line_frequency < self.rate / 2
        self._line_frequency = line_frequency if with_line else None
        self._line_amplitude = _LINE * np.exp(body.normal(0, 0.5, len(LABELS)))
        self._line_phase = body.normal(0, 0.4, len(LABELS))
        self._drift = body.normal(0, _DRIFT, len(LABELS))
        self._tail = np.zeros((self._length, self._filters.shape[1]))
        self._gains = np.ones(len(RHYTHMS))
        self._targets = np.ones(len(RHYTHMS))
        self._changes: list[tuple[int, str]] = []
        self._next_change, self._next_class, self._next_targets = next(self._blocks)
        self._made = 0
        self._given = 0
        self._ready: Float32 = np.empty((0, len(LABELS)), np.float32)
        self._sources()  # the filters' run-in

    def next(self, n: int) -> tuple[Float32, list[tuple[int, str]]]:
        """The next ``n`` samples.

        Returns
        -------
        samples : float32 array, shape (n, 32)
            Microvolts.
        changes : list of (int, str)
            The classes that begin in them, each with the index of its first sample counted from
            the simulator's start. The first class begins at sample 0.
        """
        pieces = [self._ready]
        missing = n - len(self._ready)
        while missing > 0:
            pieces.append(self._piece())
            missing -= len(pieces[-1])
        ready = np.concatenate(pieces) if len(pieces) > 1 else self._ready
        samples, self._ready = ready[:n], ready[n:]
        self._given += n
        begun = [change for change in self._changes if change[0] < self._given]
        self._changes = self._changes[len(begun) :]
        return samples, begun

    def _piece(self) -> Float32:
        first = self._made
        sources = self._sources()
        sources[:, len(LABELS) :] *= self._envelope(first)
        eeg = sources @ self._mixing
        eeg += self._noise.normal(0, _SENSOR, eeg.shape)
        eeg += self._wander()
        if self._line_frequency is not None:
            # The fraction of a turn, so that precision holds after days.
            turns = (np.arange(first, first + len(eeg)) * (self._line_frequency / self.rate)) % 1.0
            phase = 2 * np.pi * turns[:, None] + self._line_phase
            eeg += self._line_amplitude * np.sin(phase)
        self._made += len(eeg)
        return eeg.astype(np.float32)

    def _sources(self) -> Float64:
        """Background and rhythms of one piece, (length, sources), each of rms 1 (overlap-add)."""
        n = self._length
        white = self._noise.normal(size=(n, self._filters.shape[1]))
        shaped = np.fft.irfft(np.fft.rfft(white, 2 * n, axis=0) * self._filters, 2 * n, axis=0)
        sources = shaped[:n] + self._tail
        self._tail = shaped[n:]
        return sources

    def _envelope(self, first: int) -> Float64:
        """Gains of the rhythms, (length, rhythms): each follows its class's target smoothly."""
        gains = np.empty((self._length, len(RHYTHMS)))
        at = 0
        while at < self._length:
            if self._next_change == first + at:
                self._changes.append((self._next_change, self._next_class))
                self._targets = self._next_targets
                if first + at == 0:
                    self._gains = self._targets.copy()
                self._next_change, self._next_class, self._next_targets = next(self._blocks)
            end = min(self._length, self._next_change - first)
            steps = np.arange(1, end - at + 1)[:, None] / (_TRANSITION * self.rate)
            gains[at:end] = self._targets + (self._gains - self._targets) * np.exp(-steps)
            self._gains = gains[end - 1].copy()
            at = end
        return gains

    def _wander(self) -> Float64:
        """Electrode drift, (length, 32): a random walk that is drawn back to zero."""
        keep = np.exp(-1 / (_DRIFT_SECONDS * self.rate))
        pushes = self._noise.normal(0, _DRIFT * np.sqrt(1 - keep**2), (self._length, len(LABELS)))
        powers = keep ** np.arange(1, self._length + 1)[:, None]
        drift: Float64 = powers * (self._drift + np.cumsum(pushes / powers, axis=0))
        self._drift = drift[-1].copy()
        return drift


def _check(
    rate: float, seed: int, classes: Sequence[str], block_seconds: tuple[float, float]
) -> None:
    if seed < 0:
        raise UsageError(f"the simulator's seed cannot be negative ({seed})")
    if not _MINIMUM_RATE <= rate < np.inf:
        raise UsageError(
            f"the simulator needs a rate of at least {_MINIMUM_RATE:g} Hz, not {rate:g}"
        )
    unknown = [name for name in classes if name not in CLASSES]
    if unknown or not classes or len(set(classes)) != len(classes):
        raise UsageError(
            f"the simulator's classes are {', '.join(CLASSES)}, each at most once; "
            f"not {', '.join(classes) or 'none at all'}"
        )
    low, high = block_seconds
    if not 1 / rate <= low <= high < np.inf:
        raise UsageError(f"a class cannot last between {low:g} and {high:g} seconds")


def _blocks(
    random: np.random.Generator,
    classes: tuple[str, ...],
    block_seconds: tuple[float, float],
    rate: float,
) -> Iterator[tuple[int, str, Float64]]:
    """Class blocks for ever: first sample, class, gains of the rhythms.

    Every class comes once a round, in a random order, and never twice in a row.
    """
    first, last = 0, ""
    while True:
        order = list(random.permutation(len(classes)))
        if len(classes) > 1 and classes[order[0]] == last:
            order.append(order.pop(0))
        for name in (classes[index] for index in order):
            mean = class_gains(name)
            yield first, name, mean * np.exp(random.normal(0, _BLOCK_VARIATION, len(mean)))
            last = name
            first += max(1, round(random.uniform(*block_seconds) * rate))
            if len(classes) == 1:
                first = np.iinfo(np.int64).max
