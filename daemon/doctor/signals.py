"""What a stream sends, against what it says: rate, stamps, unit.

Takes a few seconds of samples. What the daemon finds out over minutes (drift, jitter that hides
losses) it does not see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from daemon.doctor.finding import Finding, fault, ok, warning
from daemon.doctor.streams import Heard
from daemon.overrides import Overrides, rate_of
from daemon.records import Float64
from daemon.regression import RATE_TOLERANCE
from daemon.text import listed
from daemon.timeline import LATEST
from daemon.units import MICROVOLTS, Unit, known_unit, unit_of

_FEW = 32  # samples that tell nothing
# Peak to peak within some seconds, in microvolts, of half the channels. An amplifier alone makes
# a microvolt of noise; eyes, muscles and sweat make some millivolts.
_LEAST, _MOST = 1.0, 2e4
_USUAL = 100.0
_OLD = 1.0  # seconds
_BATCHED = 0.1  # of all samples


def judge(one: Heard, overrides: Overrides, own: Unit | None, important: bool) -> list[Finding]:
    """All of it.

    Parameters
    ----------
    one : Heard
    overrides : Overrides
        What the config says of the stream.
    own : str or None
        The model's unit, in which channels are taken that announce none.
    important : bool
        Whether it is the config's stream.
    """
    level = fault if important else warning
    nominal = rate_of(one.stream, overrides)
    if one.stream.channel_format == "string" or not nominal or not one.reached:
        return []
    said = f"announces {nominal:g} Hz"
    if nominal != one.stream.sample_rate:
        said = f"is to have {nominal:g} Hz (stream.sample_rate)"
        one = replace(one, stream=replace(one.stream, sample_rate=nominal))
    if len(one.stamps) < _FEW:
        return [
            level(
                "rate",
                f"{one} {said} and sent {len(one.stamps)} samples meanwhile",
                "start the measurement in the amplifier's program, check battery and radio link",
            )
        ]
    if not (np.abs(one.stamps) <= LATEST).all():  # a NaN is not
        text = f"{one}: some are no times; the daemon cannot place such samples"
        mend = "renew the amplifier's program, or have it take LSL's clock for its stamps"
        return [level("stamps", text, mend)]
    # Nothing is taken for granted of the values.
    with np.errstate(all="ignore"):
        units = judge_unit(one, overrides.unit, own, level)
    return [*judge_rate(one, said, level), *judge_stamps(one), *units]


def measured_rate(stamps: Float64) -> tuple[float, float]:
    """Samples a second by ``stamps``, and the share by which jitter leaves it uncertain."""
    distinct, counts = np.unique(stamps, return_counts=True)
    # Of the last batch some may be on the way.
    distinct, counts = distinct[:-1], counts[:-1]
    if len(distinct) < 3:
        return 0.0, 0.0
    # A stamp that several samples share is that of the last: so many had been measured by then.
    measured = np.cumsum(counts)
    step, start = np.polyfit(measured, distinct - distinct[0], 1)
    jitter = float(np.std(distinct - distinct[0] - (start + step * measured)))
    span = float(distinct[-1] - distinct[0])
    return float(1 / step), 4 * jitter / (span * np.sqrt(len(distinct) / 12))


def judge_rate(one: Heard, said: str, level: Callable[[str, str, str], Finding]) -> list[Finding]:
    nominal = one.stream.sample_rate
    rate, uncertain = measured_rate(one.stamps)
    if abs(rate / nominal - 1) > RATE_TOLERANCE + uncertain:
        return [
            level(
                "rate",
                f"{one} {said}, its stamps say {rate:.4g} Hz; the daemon "
                "abstains where the two differ by more than 1 %",
                "set the amplifier to that rate, or correct what its program announces (where it "
                "cannot be, stream.sample_rate); "
                "if samples are lost on the way, connect it by cable",
            )
        ]
    return [ok("rate", f"{one}: {rate:.4g} Hz of {nominal:g} Hz")]


def judge_stamps(one: Heard) -> list[Finding]:
    findings = []
    steps = np.diff(one.stamps)
    same = float(np.mean(steps == 0))
    if same > _BATCHED:
        ends = np.flatnonzero(steps)
        # Of whole batches: the first and the last may have been heard in part.
        size = np.median(np.diff(ends)) if len(ends) > 1 else len(one.stamps) / (len(ends) + 1)
        milliseconds = size / one.stream.sample_rate * 1e3
        findings.append(
            warning(
                "batch stamps",
                f"{one}: some {size:.0f} samples at a time have one and the same stamp, so a "
                f"window's end is uncertain by {milliseconds:.0f} ms, and so much later comes "
                "its answer",
                "have the amplifier's program send smaller blocks, or push each block as a chunk "
                "with one stamp, which LSL then spreads",
            )
        )
    back = int(np.count_nonzero(steps < 0))
    if back:
        findings.append(
            warning(
                "stamps",
                f"{one}: they step back {back} times; each restarts the window",
                "renew the amplifier's program, or have it take LSL's clock for its stamps",
            )
        )
    forward = steps[steps > 0]
    usual = float(np.median(forward)) if len(forward) else 0.0
    gaps = forward[forward > 4 * usual + 0.05]
    if len(gaps):
        findings.append(
            warning(
                "gaps",
                f"{one}: {len(gaps)} within seconds, the longest of {gaps.max():.2f} s",
                "samples are lost or held up: cable instead of radio, fewer programs beside it",
            )
        )
    if one.age is not None and abs(one.age) > _OLD:
        findings.append(
            warning(
                "stamps",
                f"{one}: they lie {one.age:,.1f} s before the time of arrival by LSL's clock",
                "have the amplifier's program stamp by LSL's clock (local_clock) instead of its "
                "own; if it sends late what it has stored, that is the delay of every answer",
            )
        )
    return findings


def judge_unit(
    one: Heard, told: Unit | None, own: Unit | None, level: Callable[[str, str, str], Finding]
) -> list[Finding]:
    findings = []
    names = [unit_of(said, told, own) for said in one.stream.units]
    announced = np.array([known_unit(said) is not None for said in one.stream.units])
    samples = np.asarray(one.samples, float)
    broken = ~np.isfinite(samples).all(axis=0)
    still = ~broken & (np.ptp(samples, axis=0) == 0)
    for which, what in ((broken, "values that are no numbers"), (still, "not moving at all")):
        if which.any():
            findings.append(
                warning(
                    "channels",
                    f"{one}: {what}: {_named(one, np.flatnonzero(which).tolist())}",
                    "check electrode and cable; the daemon abstains while the model needs them",
                )
            )
    for name in sorted({name for name in names if name}):
        which = np.array([said == name for said in names]) & ~broken & ~still
        if not which.any():
            continue
        middle = float(np.median(np.ptp(samples[:, which], axis=0)))
        swing = middle * MICROVOLTS[name]
        if _LEAST <= swing <= _MOST:
            findings.append(ok("unit", f"{one}: {swing:.3g} µV peak to peak, as {name}"))
            continue
        text = f"{one}: as {name}, its values are {swing:.3g} µV peak to peak; EEG is not"
        if other := _likely(middle):
            mend = (
                f"they look like {other}: correct the unit that the amplifier's program announces"
            )
            if not announced[which].any():
                mend = f"they look like {other}: set stream.unit to {other}"
            findings.append(level("unit", text, mend))
        else:
            mend = (
                "see whether the cap is on and its reference connected; if it is, correct unit or "
                "gain in the amplifier's program (raw counts of a converter must be scaled)"
            )
            findings.append(warning("unit", text, mend))
    return findings


def _likely(value: float) -> Unit | None:
    """The unit in which ``value`` comes closest to an EEG's range, if it comes close."""
    # Nanovolts cannot be told from a converter's raw counts.
    names: list[Unit] = ["volts", "millivolts", "microvolts"]
    best = min(names, key=lambda name: abs(np.log(value * MICROVOLTS[name] / _USUAL)))
    return best if _LEAST <= value * MICROVOLTS[best] <= _MOST else None


def _named(one: Heard, indices: Sequence[int]) -> str:
    return listed([one.stream.labels[n] or f"number {n + 1}" for n in indices], 8)
