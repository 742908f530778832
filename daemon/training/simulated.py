"""Simulated EEG with its classes: to learn from, and to be examined on.

Rule that holds here: an examination is the daemon's own way, from a stream's chunks through intake,
engine and decision to predictions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from daemon.conditioning import Conditioning
from daemon.contract import Contract
from daemon.decision import Decision
from daemon.intake import Intake
from daemon.offline.ground_truth import intervals
from daemon.offline.performance import Comparison, compare
from daemon.pick import pick_for
from daemon.pipeline import Engine, Pipeline
from daemon.records import Float32, Prediction
from daemon.rehearsal.simulator import CLASSES, LABELS, Simulator
from daemon.rehearsal.sources import simulator_source
from daemon.steps import Step
from daemon.training.examples import NO_CLASS, Examples, Int64

_CHUNK = 1024


@dataclass(frozen=True, slots=True)
class Material:
    """A stretch of EEG as the model sees it, and what it is.

    Attributes
    ----------
    samples : float32 array, shape (n, channels)
    targets : int64 array, shape (n,)
        The class at each sample, `NO_CLASS` where it has only just begun.
    """

    samples: Float32
    targets: Int64


def material(
    steps: Sequence[Step],
    *,
    rate: float,
    seed: int,
    seconds: float,
    block_seconds: tuple[float, float],
    settle: float,
) -> Material:
    """What the simulator makes of ``seed``, conditioned by ``steps``.

    Parameters
    ----------
    steps : sequence of Step
    rate : float
        Hz.
    seed : int
    seconds : float
    block_seconds : (float, float)
        Shortest and longest time of one class.
    settle : float
        Seconds of each class that it is not asked for.
    """
    simulator = Simulator(rate, seed, block_seconds=block_seconds)
    samples, changes = simulator.next(round(seconds * rate))
    conditioned, _ = Conditioning(steps, rate, LABELS, len(LABELS)).apply(samples)
    targets = np.full(len(samples), NO_CLASS)
    ends = [first for first, _ in changes[1:]] + [len(samples)]
    for (first, name), end in zip(changes, ends, strict=True):
        targets[first + round(settle * rate) : end] = CLASSES.index(name)
    return Material(conditioned, targets)


def examples(materials: Sequence[Material], steps: int, unasked: int) -> Examples:
    """Windows of ``steps`` one after another; their first ``unasked`` steps have no class."""
    windows, targets = [], []
    for one in materials:
        count = len(one.samples) // steps
        windows.append(one.samples[: count * steps].reshape(count, steps, -1))
        targets.append(one.targets[: count * steps].reshape(count, steps))
    asked = np.concatenate(targets)
    asked[:, :unasked] = NO_CLASS
    return Examples(np.concatenate(windows), asked)


@dataclass(frozen=True, slots=True)
class Examination:
    """What an encoder made of one simulated session.

    Attributes
    ----------
    comparison : Comparison
        Of its predictions with the simulated classes.
    settled, settled_right : int
        Windows that end `after` seconds or more after a change of class, and the right ones.
    """

    comparison: Comparison
    settled: int
    settled_right: int


def examine(
    engine: Engine,
    contract: Contract,
    *,
    hop: int,
    seed: int,
    seconds: float,
    block_seconds: tuple[float, float],
    after: float,
) -> Examination:
    """Let ``engine`` run over what the simulator makes of ``seed``.

    Parameters
    ----------
    engine : Engine
        For windows of the contract's length, every ``hop`` steps.
    contract : Contract
    hop : int
    seed : int
    seconds : float
    block_seconds : (float, float)
        Shortest and longest time of one class.
    after : float
        Seconds after a change of class from which on its windows count as settled.
    """
    rate, classes = contract.sample_rate, contract.classes
    simulator = Simulator(rate, seed, block_seconds=block_seconds)
    source = simulator_source(simulator, chunk=_CHUNK)
    pick = pick_for(contract, source.stream, hop=hop)
    pipeline = Pipeline(engine=engine, decision=Decision(classes), classes=classes, max_filled=0.0)
    pipeline.connect(Intake(contract, pick, hop=hop, fill_up_to=0.0))
    predictions: list[Prediction] = []
    markers: list[tuple[float, str]] = []
    for chunk, begun in source.pieces:
        if chunk.stamps[0] > seconds:
            break
        markers += begun
        predictions += pipeline.feed(chunk)
    truth, _ = intervals(markers, classes, {})
    comparison = compare(predictions, truth, classes, window=contract.window / rate, hop=hop / rate)
    settled = [
        prediction.label == interval.label
        for interval in truth
        for prediction in predictions
        if interval.begin + after <= prediction.window_end < interval.end
    ]
    return Examination(comparison, len(settled), sum(settled))
