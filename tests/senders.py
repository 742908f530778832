"""Simulated senders of known truth: the stamps that each gives to the samples it measured."""

from collections.abc import Callable

import numpy as np

START = 1000.0
JITTER = 0.02  # seconds

Stamps = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def steady(n: np.ndarray, rate: float, random: np.random.Generator) -> np.ndarray:
    """``n`` are the positions of the samples that are sent; all are due at n / rate."""
    return START + n / rate


def delayed(n: np.ndarray, rate: float, random: np.random.Generator) -> np.ndarray:
    return START + n / rate + random.uniform(0, JITTER, n.size)


def symmetric(n: np.ndarray, rate: float, random: np.random.Generator) -> np.ndarray:
    return START + n / rate + random.uniform(-JITTER, JITTER, n.size)


def gaussian(n: np.ndarray, rate: float, random: np.random.Generator) -> np.ndarray:
    return START + n / rate + random.normal(0, JITTER, n.size)


def exponential(n: np.ndarray, rate: float, random: np.random.Generator) -> np.ndarray:
    return START + n / rate + random.exponential(JITTER, n.size)


def batches(n: np.ndarray, rate: float, random: np.random.Generator) -> np.ndarray:
    """Twelve samples with one stamp, that of their last."""
    return START + (n // 12 * 12 + 11) / rate


def jittering_batches(n: np.ndarray, rate: float, random: np.random.Generator) -> np.ndarray:
    delays = random.exponential(0.005, n[-1] // 12 + 1)
    return batches(n, rate, random) + delays[n // 12]


def chunks(n: np.ndarray, rate: float, random: np.random.Generator) -> np.ndarray:
    """Ten samples spread backward from a push that is late by a delay of its own."""
    return START + n / rate + random.exponential(JITTER, n[-1] // 10 + 1)[n // 10]


def held_up(n: np.ndarray, rate: float, random: np.random.Generator) -> np.ndarray:
    """Every 20 s nothing goes out for up to 5 s; then all of it, with stamps of that time."""
    due = n / rate
    begin = due // 20 * 20 + 10
    length = random.uniform(0, 5, int(due[-1] // 20) + 1)[(due // 20).astype(int)]
    waiting = (due >= begin) & (due < begin + length)
    return START + np.where(waiting, begin + length + (due - begin) * 1e-3, due)


ALL: dict[str, Stamps] = {
    sender.__name__: sender
    for sender in (
        steady,
        delayed,
        symmetric,
        gaussian,
        exponential,
        batches,
        jittering_batches,
        chunks,
        held_up,
    )
}
