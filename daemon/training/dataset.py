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
from pathlib import Path

import numpy as np

from daemon.contract import Contract
from daemon.errors import ContractError, UsageError
from daemon.per_window import PerWindow
from daemon.pick import Pick, pick_for
from daemon.reasons import Code, Reason
from daemon.recordings.files import recording_files
from daemon.recordings.reading import read_for_model
from daemon.recordings.recording import Recording
from daemon.records import Float32
from daemon.text import clean, nearly, quoted
from daemon.training.settings import Split, Training
from daemon.training.stretches import Stretch, stretches
from daemon.training.trials import Trial, trials
from daemon.training.windows import Dataset

log = logging.getLogger(__name__)

TOO_SHORT = "trial shorter than a window"
CHANGE = "class change inside"
GAP = "gap inside"
FAULT = "quality fault"

_LISTED = 12
_COMPARED = 5.0  # seconds of two recordings
_ALIKE = 0.01  # of their size, by which copies may differ


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
    return gathered.dataset(_names(files, training.split))


def _names(files: Sequence[Path], split: Split) -> tuple[str, ...]:
    """Short names: the file's own, with as many of its folders as tell all apart.

    And with as many as the patterns of ``split`` name.
    """
    parts = 1 + max((p.count("/") for p in (*(split.test or ()), *split.together)), default=0)
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
        # Tolerance for stamps that were rounded, and what a step lasts beside its last sample.
        self._half = 0.5 / training.sample_rate
        self._within = (self._contract.samples_per_step - 1) / training.sample_rate
        self._signals: list[Float32] = []
        self._eeg: list[Float32] = []
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
        self._eeg += [piece.eeg for piece in pieces if piece.eeg is not None]
        for trial in trials(recording, training, self._unused):
            self._trial += 1
            if self._before != (number, trial.target):
                self._block += 1
                self._before = (number, trial.target)
            for piece_number, end in self._windows(recording.path.name, pick, pieces, trial):
                stamps = pieces[piece_number].stamps
                ids = (number, self._trial, self._block)
                self._rows.append((first + piece_number, end, trial.target, *ids))
                first_stamp = stamps[end - training.steps] - self._within
                self._times.append((first_stamp, stamps[end - 1]))
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
            rate=self._contract.step_rate,
            steps=training.steps,
            per_window=PerWindow(self._contract.per_window, self._contract.step_rate),
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
            per_step=self._contract.samples_per_step,
            eeg=tuple(self._eeg),
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
        rate, steps = self._contract.step_rate, training.steps
        hop = training.hop or steps
        trial = trial._replace(start=self._on_a_step(pieces, trial.start))
        length = int((trial.stop - trial.start + self._half) * rate)
        starts = np.arange(0, length - steps + 1, hop)
        if not len(starts):
            self._leave_out(TOO_SHORT, 1, file, trial.start)
        begins = trial.start + starts / rate
        changed = (begins + steps / rate > trial.change + self._half) | (
            begins < trial.since - self._half
        )
        self._leave_out(CHANGE, int(changed.sum()), file, trial.start)
        for start in starts[~changed]:
            at = trial.start + start / rate
            found = self._placed(pieces, at, steps)
            if found is None:
                self._leave_out(GAP, 1, file, at)
                continue
            number, first = found
            fault = self._fault(pick, pieces[number], first, steps)
            if fault is not None:
                self._leave_out(FAULT, 1, file, at, fault.text)
                continue
            yield number, first + steps

    def _on_a_step(self, pieces: Sequence[Stretch], at: float) -> float:
        """``at``, or where the next step begins, where steps are several samples."""
        if self._within:
            for piece in pieces:
                begins = piece.stamps - self._within
                first = int(np.searchsorted(begins, at - self._half))
                if first < len(begins):
                    return max(at, float(begins[first]))
        return at

    def _placed(self, pieces: Sequence[Stretch], at: float, steps: int) -> tuple[int, int] | None:
        """The piece that holds ``steps`` from time ``at`` on, and where in it they begin."""
        for number, piece in enumerate(pieces):
            begins = piece.stamps - self._within
            if len(begins) < steps or at < begins[0] - self._half:
                continue
            first = int(np.searchsorted(begins, at - self._half))
            if first + steps <= len(begins):
                return number, first
        return None

    def _is_deployable(self, pick: Pick, piece: Stretch, end: int) -> bool:
        """Whether the daemon would answer the deployed window that ends where a good one does."""
        window = self._training.window
        if window == self._training.steps:
            return True
        return end >= window and self._fault(pick, piece, end - window, window) is None

    def _fault(self, pick: Pick, piece: Stretch, first: int, steps: int) -> Reason | None:
        """Why the daemon would abstain from the window of ``steps`` that begins there."""
        filled = piece.filled_share(self._contract, pick, first, steps)
        if filled > self._training.quality.max_filled:
            return Reason(Code.FILLED, f"{filled:.1%} of the window was missing and is filled")
        return piece.fault(self._contract, pick, first, steps)
