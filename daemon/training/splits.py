"""Which windows train, which stop the training, and which the model is judged by.

Rules that hold here:

- What is left out is left out whole: a recording, or a contiguous part of one. No two windows of
  one group stand on different sides.
- Every class is on every side, or there is no split.
- Windows that share samples with another group's are in no group at all.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from daemon.errors import UsageError
from daemon.training.scores import Indices
from daemon.training.settings import Split
from daemon.training.windows import Dataset

NONE = -1

_TRIES = 50


@dataclass(frozen=True)
class Fold:
    """Numbers of windows: to train on, to stop early and calibrate by, and to judge by."""

    training: Indices
    validation: Indices
    test: Indices


@dataclass(frozen=True)
class Groups:
    """What is left out together.

    Attributes
    ----------
    of : int64 array, shape (windows,)
        Each window's group; -1 for a window that shares samples with another group's.
    names : tuple of str
    cut : tuple of str
        Recordings that are not left out whole.
    """

    of: Indices
    names: tuple[str, ...]
    cut: tuple[str, ...]


def grouped(data: Dataset, split: Split) -> Groups:
    """Whole recordings; contiguous parts of one where ``split.block`` or too few ask for it.

    A recording is cut by itself where it holds a class that too few recordings hold for every
    side to have one. Those that ``split.together`` names are one, and never cut.

    Raises
    ------
    UsageError
        A pattern of ``split.together`` fits no recording, or two fit the same one.
    """
    united = _united(data.recordings, split.together)
    unit = np.arange(len(data.recordings))
    for numbers in united:
        unit[numbers] = numbers[0]
    of = np.full(len(data.targets), NONE, np.int64)
    names: list[str] = []
    cut: list[str] = []
    scarce = [
        c
        for c in range(len(data.classes))
        if split.test is None
        and len(np.unique(unit[data.recording[data.targets == c]])) < _needed(split.folds)
    ]
    for pattern, numbers in zip(split.together, united, strict=True):
        inside = np.flatnonzero(np.isin(data.recording, numbers))
        if len(inside):
            of[inside] = len(names)
            names.append(pattern)
    for number, name in enumerate(data.recordings):
        inside = np.flatnonzero(data.recording == number)
        if not len(inside) or any(number in numbers for numbers in united):
            continue
        parts = 1
        if split.block is not None:
            span = data.time[inside].max() - data.start_time[inside].min()
            parts = max(1, round(span / split.block))
        elif np.isin(data.targets[inside], scarce).any():
            parts = 2 * _needed(split.folds)
        if parts == 1:
            of[inside] = len(names)
            names.append(name)
            continue
        cut.append(name)
        for n, part in enumerate(_parts(data, inside, parts)):
            of[part] = len(names)
            names.append(f"{name} part {n + 1}")
    return Groups(of, tuple(names), tuple(cut))


def _united(names: Sequence[str], patterns: Sequence[str]) -> list[list[int]]:
    """For each pattern, the numbers of the recordings that it fits."""
    found: list[list[int]] = []
    for p, pattern in enumerate(patterns):
        fitting = [n for n, name in enumerate(names) if fnmatch.fnmatchcase(name, pattern)]
        if not fitting:
            raise UsageError(
                f"split.together: {pattern!r} fits none of the recordings {', '.join(names[:20])}"
            )
        for before, numbers in zip(patterns[:p], found, strict=True):
            for n in set(numbers) & set(fitting):
                raise UsageError(f"split.together: {pattern!r} and {before!r} both fit {names[n]}")
        found.append(fitting)
    return found


def _needed(folds: int) -> int:
    """Groups that a class has to be in: one is tested, one validates, one trains."""
    return max(folds, 3)


def _parts(data: Dataset, inside: Indices, parts: int) -> Iterator[Indices]:
    """Contiguous parts of one recording's windows, without those that reach into the next."""
    inside = inside[np.argsort(data.start_time[inside], kind="stable")]
    blocks = data.block[inside]
    units = np.unique(blocks)
    if len(units) >= 2 * parts:
        # Between two blocks of a class, so that none of them has an end on either side.
        pieces = [inside[np.isin(blocks, unit)] for unit in np.array_split(units, parts)]
    else:
        pieces = [piece for piece in np.array_split(inside, parts) if len(piece)]
    for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
        if after is not None:
            piece = piece[data.time[piece] < data.start_time[after[0]]]
        yield piece


def folds(data: Dataset, groups: Groups, split: Split, seed: int) -> list[Fold]:
    """One fold for each part that is left out in turn; one alone with ``split.test``.

    Raises
    ------
    UsageError
        No such split has every class on every side; names the class and what to do.
    """
    usable = np.flatnonzero(groups.of != NONE)
    targets, of = data.targets[usable], groups.of[usable]
    tests = (
        [np.flatnonzero(_named(groups, split.test)[of])]
        if split.test is not None
        else _tests(targets, of, split.folds, seed, data.classes)
    )
    found = []
    for test in tests:
        rest = np.setdiff1d(np.arange(len(usable)), test)
        _require_every_class(targets[test], data.classes, "split.test leaves", "to test on")
        _require_every_class(targets[rest], data.classes, "split.test leaves", "to train on")
        training, validation = _validation(targets, of, rest, split.validation, seed, data.classes)
        found.append(Fold(usable[training], usable[validation], usable[test]))
    return found


def final(data: Dataset, groups: Groups, split: Split, seed: int) -> Fold:
    """All groups train the model that is kept, but for those that stop it early; none tests."""
    usable = np.flatnonzero(groups.of != NONE)
    training, validation = _validation(
        data.targets[usable],
        groups.of[usable],
        np.arange(len(usable)),
        split.validation,
        seed,
        data.classes,
    )
    return Fold(usable[training], usable[validation], np.empty(0, np.int64))


def members(data: Dataset, groups: Groups, fold: Fold, count: int, seed: int) -> list[Fold]:
    """``fold`` for each of ``count`` encoders, each stopped by another part of what is not tested.

    Fewer where there are not so many parts with every class each.
    """
    rest = np.union1d(fold.training, fold.validation)
    for fewer in range(count, 1, -1):
        parts = _stratified(data.targets[rest], groups.of[rest], fewer, seed)
        if parts is not None:
            return [Fold(np.delete(rest, part), rest[part], fold.test) for part in parts]
    return [fold]


def random_folds(data: Dataset, folds: int, validation: float, seed: int) -> list[Fold]:
    """The split that over-states: windows of one recording, even of one trial, on both sides."""
    every = np.arange(len(data.targets))
    found = []
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for rest, test in splitter.split(every[:, None], data.targets):
        inner = StratifiedKFold(max(2, round(1 / validation)), shuffle=True, random_state=seed)
        training, stopping = next(inner.split(rest[:, None], data.targets[rest]))
        found.append(Fold(rest[training], rest[stopping], test))
    return found


def _named(groups: Groups, patterns: Sequence[str]) -> np.ndarray:
    for pattern in patterns:
        if not fnmatch.filter(groups.names, pattern):
            raise UsageError(
                f"split.test: {pattern!r} fits none of the groups {', '.join(groups.names[:20])}"
            )
    return np.array([any(fnmatch.fnmatchcase(n, p) for p in patterns) for n in groups.names])


def _tests(
    targets: Indices, of: Indices, count: int, seed: int, classes: Sequence[str]
) -> list[Indices]:
    tests = _stratified(targets, of, count, seed)
    if tests is None:
        raise UsageError(
            f"split.folds: no {count} parts of the {len(np.unique(of))} groups (recordings, or "
            f"blocks of them) have every class each: {_spread(targets, of, classes)}; ask for "
            "fewer folds, set split.block (seconds) to cut recordings into more groups, or add "
            "recordings"
        )
    return tests


def _validation(
    targets: Indices,
    of: Indices,
    rest: Indices,
    fraction: float,
    seed: int,
    classes: Sequence[str],
) -> tuple[Indices, Indices]:
    """``rest``, parted into training and about ``fraction`` of it for validation."""
    for count in range(max(2, round(1 / fraction)), 1, -1):
        parts = _stratified(targets[rest], of[rest], count, seed)
        if parts is not None:
            return np.delete(rest, parts[0]), rest[parts[0]]
    raise UsageError(
        "split: what is not tested on cannot be parted into groups to train on and groups to stop "
        f"the training by, each with every class: {_spread(targets[rest], of[rest], classes)}; "
        "set split.block (seconds) to cut recordings into more groups, or add recordings"
    )


def _stratified(targets: Indices, of: Indices, count: int, seed: int) -> list[Indices] | None:
    """``count`` disjoint parts that keep groups whole and hold every class each."""
    every = np.unique(targets)
    fewest = min(len(np.unique(of[targets == c])) for c in every)
    if fewest < count:
        return None
    for attempt in range(_TRIES):
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=(seed + attempt) % 2**32)
        parts = [part for _, part in splitter.split(targets[:, None], targets, of)]
        if all(len(np.unique(targets[part])) == len(every) for part in parts):
            return parts
    return None


def _require_every_class(targets: Indices, classes: Sequence[str], what: str, purpose: str) -> None:
    missing = [name for c, name in enumerate(classes) if not (targets == c).any()]
    if missing:
        raise UsageError(f"{what} no window of {', '.join(missing)} {purpose}")


def _spread(targets: Indices, of: Indices, classes: Sequence[str]) -> str:
    return ", ".join(
        f"{name} is in {len(np.unique(of[targets == c]))}" for c, name in enumerate(classes)
    )
