"""Makes the engine of a plan.

What comes out has been warmed up: it has compiled all that it needs and has shown on random samples
that its outputs are probabilities, or logits, and the user's own model's.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from daemon.encoders.fused import fused
from daemon.encoders.plan import CPU, MAX_LOAD, Job, Plan
from daemon.encoders.streaming import StreamingEngine
from daemon.encoders.window import WindowEngine
from daemon.errors import EegdError, UsageError
from daemon.per_window import NOTHING
from daemon.pipeline import Engine
from daemon.records import Float32

# Rounding of float32 sums in another order, over the short stretch, for outputs below 1.
AGREEMENT = 1e-5
_STRETCH, _STRETCH_HOP = 16, 6
# Random windows that a window engine is tried with beside the first, as long as they take less.
_TIMED, _TIMING = 5, 0.5


def build(plan: Plan, step_rate: float | None = None) -> tuple[Engine, Plan]:
    """The engine of ``plan``, warmed up, and the plan that it came to.

    Of several devices the one is taken on which it takes the least time, measured here.

    Parameters
    ----------
    plan : Plan
    step_rate : float or None
        Steps a second, in Hz, of a live stream: a streaming engine that could not keep up with it
        gives way to the window engine, which skips windows instead. None, for a recording, lets it
        take its time.

    Raises
    ------
    UsageError
        The model's outputs are no probabilities.
    EegdError
        The engine does not answer what the model answers.
    """
    built = _fastest(plan)
    if plan.kind == "streaming" and step_rate is not None:
        seconds = built.seconds
        if seconds * step_rate > MAX_LOAD:
            least = math.ceil(plan.job.hop * seconds * step_rate / MAX_LOAD)
            why = (
                f"{plan.why}, but a sample takes {seconds * 1e3:.2g} ms of the "
                f"{1e3 / step_rate:.2g} ms until the next; run fused instead, skipping windows "
                f"where it must (a window.hop of about {least} could be streamed)"
            )
            built = _fastest(replace(plan, kind="window", why=why))
    built.engine.restart()
    return built.engine, built.plan


@dataclass(frozen=True, slots=True)
class _Built:
    engine: Engine
    plan: Plan
    seconds: float  # of one sample of all lanes, or of one whole window


def _fastest(plan: Plan) -> _Built:
    """The engine of ``plan`` on that of its devices where it takes least time, checked."""
    found = []
    for device in plan.devices:
        one = replace(plan, devices=(device,))
        engine = _engine(one)
        if plan.stack is not None:
            _require_outputs(one.job, [_require_agreement(one)])
        if isinstance(engine, StreamingEngine):
            seconds = engine.warm_up()
        else:
            seconds = _tried(engine, plan.job)
            one = replace(one, seconds=seconds)
        found.append(_Built(engine, one, seconds))
    best = min(found, key=lambda built: built.seconds)
    if len(found) == 1:
        return best
    what = "a sample of all windows" if plan.kind == "streaming" else "a window"
    times_of = ", ".join(f"{built.seconds * 1e3:.2g} ms on {built.plan.device}" for built in found)
    why = f"{plan.device_why}; {what} takes {times_of}"
    return replace(best, plan=replace(best.plan, device_why=why))


def _tried(engine: Engine, job: Job) -> float:
    """The seconds of a window, by random ones, whose outputs have to be what they should be."""
    noise = np.random.default_rng(0)
    outputs: list[Float32] = []
    times: list[float] = []
    while len(times) <= _TIMED and sum(times[1:]) < _TIMING:
        samples = noise.normal(scale=10.0, size=(job.window, job.channels)).astype(np.float32)
        start = time.perf_counter()
        outputs.append(_answer(engine, samples))
        times.append(time.perf_counter() - start)
    _require_outputs(job, outputs)
    return sorted(times[1:])[(len(times) - 1) // 2]  # the first may compile


def _engine(plan: Plan) -> Engine:
    job = plan.job
    if plan.kind == "streaming":
        assert plan.stack is not None
        return StreamingEngine(plan.stack, job.window, job.hop, plan.device)
    if plan.stack is not None:
        run = fused(plan.stack, job.window, plan.device)
    else:
        run = job.network.run(plan.device, job.layout)
    return WindowEngine(run, job.channels, job.window, job.per_window)


def _require_outputs(job: Job, outputs: list[Float32]) -> None:
    """Refuse a model whose outputs for some windows, (outputs,) each, are not what it is said to.

    Raises
    ------
    UsageError
        Probabilities are no distribution; or what should be logits is one each time.
    """
    if not all(np.isfinite(output).all() for output in outputs):
        raise UsageError(
            "the model's outputs are not finite numbers, for random samples: its weights may be "
            "NaN; train it anew with a lower learning rate"
        )
    distributions = [is_distribution(output) for output in outputs]
    shown = ", ".join(f"{value:.4g}" for value in outputs[0])
    if not job.logits and not all(distributions):
        raise UsageError(
            f"the model's outputs are no probabilities (for random samples: {shown}); end the "
            "model with a softmax over the classes, or one sigmoid; or, where it was trained with "
            "from_logits=True, write output: logits into its contract"
        )
    if job.logits and len(outputs[0]) > 1 and len(outputs) > 1 and all(distributions):
        raise UsageError(
            f"the contract says output: logits, but the model gives probabilities (for random "
            f"samples: {shown}), which a softmax would flatten: write output: probabilities"
        )


def is_distribution(output: Float32) -> bool:
    """Whether a model's output for one window, (outputs,), can be probabilities."""
    total = 1.0 if len(output) == 1 else float(output.sum())
    # Written so that a NaN fails.
    return bool(output.min() >= 0 and output.max() <= 1 + 1e-3 and abs(total - 1) <= 1e-3)


def _require_agreement(plan: Plan) -> Float32:
    """Hold the engine against the user's own model on a short random stretch.

    What comes back is one of the outputs, (outputs,).
    """
    with tf.device(CPU):
        short = plan.job.network.shortened(_STRETCH)
    job = replace(plan.job, network=short, window=_STRETCH, hop=_STRETCH_HOP, per_window=NOTHING)
    engine = _engine(replace(plan, job=job))
    noise = np.random.default_rng(1).normal(size=(_STRETCH + _STRETCH_HOP, job.channels))
    samples = noise.astype(np.float32)
    answers = [_answer(engine, samples[:_STRETCH])]
    # The second window comes as it does live, sample by sample.
    engine.catch_up()
    for n in range(_STRETCH, len(samples) - 1):
        engine.feed(samples[n : n + 1], False)
        engine.catch_up()
    answers.append(_answer(engine, samples[-1:]))
    itself = short.run(CPU, job.layout)
    expected = [itself(samples[:_STRETCH].T), itself(samples[_STRETCH_HOP:].T)]
    difference = float(np.abs(np.stack(answers) - np.stack(expected)).max())
    if not difference <= AGREEMENT * max(1.0, float(np.abs(expected).max())):
        raise EegdError(
            f"the {plan.kind} engine differs from the model itself by {difference:.2g} on random "
            f"samples, more than {AGREEMENT:g}; not starting. Please report the layers that "
            "`eegd inspect` shows"
        )
    return answers[-1]


def _answer(engine: Engine, samples: Float32) -> Float32:
    answer = engine.feed(samples, True)
    assert answer is not None
    return answer
