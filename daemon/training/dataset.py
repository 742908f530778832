"""Recordings and what their markers mean → windows of EEG, each with its class and its place.

Rules that hold here:

- The samples are what the model would be given live: the same timeline, the same conditioning.
- A window lies within one trial and holds nothing that would make the daemon abstain. What is left
  out is counted, by reason.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from daemon.contract import Contract
from daemon.errors import ContractError, UsageError
from daemon.pick import Pick, pick_for
from daemon.reasons import Code, Reason
from daemon.recordings.files import recording_files
from daemon.recordings.reading import read_for_model
from daemon.recordings.recording import Recording
from daemon.records import Float32, Float64
from daemon.text import clean, nearly, quoted
from daemon.training.scores import Indices
from daemon.training.settings import Training
from daemon.training.stretches import Stretch, stretches
from daemon.training.trials import Trial, trials

log = logging.getLogger(__name__)

TOO_SHORT = "trial shorter than a window"
CHANGE = "class change inside"
GAP = "gap inside"
FAULT = "quality fault"

_LISTED = 12
_COMPARED = 5.0  # seconds of two recordings
_ALIKE = 0.01  # of their size, by which copies may differ


@dataclass(frozen=True)
class Dataset:
    """Windows of ``steps`` samples, and what is known of each.

    Attributes
    ----------
    classes, recordings : tuple of str
    rate : float
        Hz.
    steps : int
    signals : tuple of float32 arrays, shape (n, channels)
        Conditioned stretches of the recordings that the windows are cut from.
    signal, end : int64 arrays, shape (windows,)
        Which of them, and one past the window's last sample in it.
    targets, recording, trial, block : int64 arrays, shape (windows,)
        Class, number in ``recordings``, and numbers that count trials and blocks over all
        recordings. A block is a stretch of a recording with trials of one class alone.
    start_time, time : float64 arrays, shape (windows,)
        Stamps of the window's first and last sample, in seconds of the recording.
    deployable : bool array, shape (windows,)
        Whether the daemon would answer a window of the deployed length with the same end.
    left_out : mapping of str to int
        Windows (or trials, as the reason says) that were not taken, by reason.
    first_left_out : mapping of str to str
        For each reason, the first of them in words.
    unused : mapping of str to int
        Markers that begin no class, and how often they occur.
    assumptions : tuple of str
        What was taken for granted because a recording does not say it.
    """

    classes: tuple[str, ...]
    recordings: tuple[str, ...]
    rate: float
    steps: int
    signals: tuple[Float32, ...]
    signal: Indices
    end: Indices
    targets: Indices
    recording: Indices
    trial: Indices
    block: Indices
    start_time: Float64
    time: Float64
    deployable: npt.NDArray[np.bool_]
    left_out: dict[str, int] = field(default_factory=dict)
    first_left_out: dict[str, str] = field(default_factory=dict)
    unused: dict[str, int] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()

    def windows(self, which: Indices, steps: int | None = None) -> Float32:
        """The samples of windows ``which``, (n, steps, channels), those of each up to its end.

        ``steps`` other than the windows' own begin earlier or later; see `reaches`.
        """
        steps = steps or self.steps
        found = np.empty((len(which), steps, self.signals[0].shape[1]), np.float32)
        for n, window in enumerate(which):
            end = self.end[window]
            found[n] = self.signals[self.signal[window]][end - steps : end]
        return found

    def reaches(self, which: Indices, steps: int, beside: Indices) -> Indices:
        """Those of ``which`` that are `deployable` and share no sample with windows ``beside``.

        ``steps`` samples long, as they are deployed.
        """
        found = which[self.deployable[which]]
        taken = [np.zeros(len(signal) + 1, np.int64) for signal in self.signals]
        for window in beside:
            taken[self.signal[window]][self.end[window] - self.steps + 1 : self.end[window] + 1] = 1
        before = [counts.cumsum() for counts in taken]
        places = zip(self.signal[found], self.end[found], strict=True)
        free = np.array([before[s][end] == before[s][end - steps] for s, end in places], bool)
        reaching: Indices = found[free]
        return reaching


def read_dataset(training: Training, advance: Callable[[int], object] = lambda n: None) -> Dataset:
    """All windows of ``training``'s recordings.

    Parameters
    ----------
    training : Training
    advance : function of int
        Told that one more of `recording_files` is read.

    Raises
    ------
    UsageError
        A recording cannot be read, contradicts the channels, rate or unit; or a class has no
        window. Names the recording or the class, and what there is.
    """
    files = recording_files(training.recordings)
    contract = training.contract()
    gathered = _Gathered(training, contract)
    for number, file in enumerate(files):
        recording = read_for_model(
            file, contract, training.stream, training.markers, strict=training.strict
        )
        gathered.take(number, recording)
        advance(1)
    names = _names(files)
    return gathered.dataset(names)


def _names(files: Sequence[Path]) -> tuple[str, ...]:
    """Short names: the file's own, with as many of its folders as tell all apart."""
    parts = 1
    while True:
        short = tuple(clean("/".join(file.parts[-parts:])) for file in files)
        if len(set(short)) == len(short) or parts > max(len(file.parts) for file in files):
            return short
        parts += 1


class _Gathered:
    """Windows of one recording after another."""

    def __init__(self, training: Training, contract: Contract) -> None:
        self._training = training
        self._contract = contract
        self._signals: list[Float32] = []
        self._rows: list[tuple[int, ...]] = []
        self._times: list[tuple[float, float]] = []
        self._deployable: list[bool] = []
        self._begins: list[tuple[Path, Float32]] = []
        self._left_out: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._unused: Counter[str] = Counter()
        self._assumptions: Counter[str] = Counter()
        self._trial = self._block = -1
        self._before: tuple[int, int] | None = None

    def take(self, number: int, recording: Recording) -> None:
        training = self._training
        try:
            pick = pick_for(self._contract, recording.stream, training.stream)
        except ContractError as error:
            raise UsageError(f"recording {recording.path}: {error}") from None
        for assumption in pick.assumptions:
            self._assumptions[assumption] += 1
        fill_up_to = training.quality.fill_up_to
        pieces = list(stretches(self._contract, pick, recording, fill_up_to=fill_up_to))
        self._require_new(recording.path, pieces)
        first = len(self._signals)
        self._signals += [piece.samples for piece in pieces]
        for trial in trials(recording, training, self._unused):
            self._trial += 1
            if self._before != (number, trial.target):
                self._block += 1
                self._before = (number, trial.target)
            for piece_number, end in self._windows(recording.path.name, pick, pieces, trial):
                stamps = pieces[piece_number].stamps
                ids = (number, self._trial, self._block)
                self._rows.append((first + piece_number, end, trial.target, *ids))
                self._times.append((stamps[end - training.steps], stamps[end - 1]))
                self._deployable.append(self._is_deployable(pick, pieces[piece_number], end))

    def _require_new(self, path: Path, pieces: Sequence[Stretch]) -> None:
        """Refuse a recording that begins as another one did: it would train and test the model."""
        if not pieces:
            return
        begin = pieces[0].raw[: round(_COMPARED * self._contract.sample_rate)]
        for other, theirs in self._begins:
            n = min(len(begin), len(theirs))
            mine = begin[:n] - begin[:n].mean(axis=0)
            apart = mine - (theirs[:n] - theirs[:n].mean(axis=0))
            # As near as two formats' rounding; a dead recording tells nothing.
            if 0 <= np.linalg.norm(apart) < _ALIKE * np.linalg.norm(mine):
                raise UsageError(
                    f"recordings: {path} and {other} begin with the same EEG: leave one out, or "
                    "what is tested on would be trained on"
                )
        self._begins.append((path, begin))

    def dataset(self, recordings: tuple[str, ...]) -> Dataset:
        training = self._training
        classes = tuple(training.classes)
        rows = np.array(self._rows, np.int64).reshape(-1, 6)
        times = np.array(self._times, np.float64).reshape(-1, 2)
        count = np.bincount(rows[:, 2], minlength=len(classes))
        missing = [name for name, n in zip(classes, count, strict=True) if not n]
        if missing:
            raise UsageError(
                f"classes: no window of {', '.join(missing)} in {len(recordings)} recordings"
                f"{self._why_none()}"
            )
        for text in self._near():
            log.warning("classes: the marker %s", text)
        return Dataset(
            classes=classes,
            recordings=recordings,
            rate=training.sample_rate,
            steps=training.steps,
            signals=tuple(self._signals),
            signal=rows[:, 0],
            end=rows[:, 1],
            targets=rows[:, 2],
            recording=rows[:, 3],
            trial=rows[:, 4],
            block=rows[:, 5],
            start_time=times[:, 0],
            time=times[:, 1],
            deployable=np.array(self._deployable, bool),
            left_out=dict(self._left_out.most_common()),
            first_left_out=self._first,
            unused=dict(self._unused.most_common(_LISTED)),
            assumptions=tuple(self._assumptions),
        )

    def _why_none(self) -> str:
        said = "".join(
            f"; {count} left out, {reason} (first: {self._first[reason]})"
            for reason, count in self._left_out.items()
        )
        listed = self._unused.most_common(_LISTED)
        markers = ", ".join(f"{quoted(text)} ({n})" for text, n in listed)
        said += f"; markers that no class uses: {markers or 'none'}"
        return said + "".join(f"; {text}" for text in self._near())

    def _near(self) -> list[str]:
        """Markers that no class uses though one was probably meant to."""
        return nearly(self._unused, self._training.markers_meant)

    def _leave_out(self, reason: str, count: int, file: str, at: float, what: str = "") -> None:
        if count:
            self._left_out[reason] += count
            self._first.setdefault(reason, f"{file} at {at:.1f} s" + f": {what}" * bool(what))

    def _windows(
        self, file: str, pick: Pick, pieces: Sequence[Stretch], trial: Trial
    ) -> Iterator[tuple[int, int]]:
        """Number of the piece and end in it, of each of a trial's windows that can be used."""
        training = self._training
        rate, steps = training.sample_rate, training.steps
        hop = training.hop or steps
        # Half a sample of tolerance, for stamps that were rounded.
        length = int((trial.stop - trial.start) * rate + 0.5)
        starts = np.arange(0, length - steps + 1, hop)
        if not len(starts):
            self._leave_out(TOO_SHORT, 1, file, trial.start)
        begins = trial.start + starts / rate
        changed = (begins + steps / rate > trial.change + 0.5 / rate) | (
            begins < trial.since - 0.5 / rate
        )
        self._leave_out(CHANGE, int(changed.sum()), file, trial.start)
        for start in starts[~changed]:
            at = trial.start + start / rate
            found = _placed(pieces, at, steps, rate)
            if found is None:
                self._leave_out(GAP, 1, file, at)
                continue
            number, first = found
            fault = self._fault(pick, pieces[number], first, steps)
            if fault is not None:
                self._leave_out(FAULT, 1, file, at, fault.text)
                continue
            yield number, first + steps

    def _is_deployable(self, pick: Pick, piece: Stretch, end: int) -> bool:
        """Whether the daemon would answer the deployed window that ends where a good one does."""
        window = self._training.window
        if window == self._training.steps:
            return True
        return end >= window and self._fault(pick, piece, end - window, window) is None

    def _fault(self, pick: Pick, piece: Stretch, first: int, steps: int) -> Reason | None:
        """Why the daemon would abstain from the window of ``steps`` that begins there."""
        bridged = piece.bridged(first, steps)
        if bridged > self._training.quality.max_filled:
            return Reason(Code.FILLED, f"{bridged:.1%} of the window is bridged")
        return piece.fault(self._contract, pick, first, steps)


def _placed(
    pieces: Sequence[Stretch], at: float, steps: int, rate: float
) -> tuple[int, int] | None:
    """The piece that holds ``steps`` samples from time ``at`` on, and where in it they begin."""
    for number, piece in enumerate(pieces):
        if len(piece.stamps) < steps or at < piece.stamps[0] - 0.5 / rate:
            continue
        first = int(np.searchsorted(piece.stamps, at - 0.5 / rate))
        if first + steps <= len(piece.stamps):
            return number, first
    return None
