"""Stretches of residuals beside the usual ones."""

from collections.abc import Callable

import numpy as np
import pytest

from daemon.jitter import Jitter

PERIOD = 0.01
SIZE = 100
NONE = np.empty(0)


def learned(residuals: Callable[[], np.ndarray], blocks: int = 20) -> Jitter:
    jitter = Jitter()
    jitter.learn(residuals(), 0.0)
    for _ in range(blocks):
        jitter.follow(residuals(), 0.5, PERIOD)
    return jitter


@pytest.mark.parametrize("by", [0.3, -0.3])
def test_a_block_is_shifted_for_certain_only_if_all_of_it_is(by: float) -> None:
    random = np.random.default_rng(0)
    jitter = learned(lambda: random.normal(0, 0.02, SIZE))
    usual = random.normal(0, 0.02, SIZE)
    shift = jitter.compare(usual + by, PERIOD, NONE)
    assert shift.certain
    assert shift.size == pytest.approx(by, abs=0.02)
    assert not jitter.compare(usual, PERIOD, NONE).unusual
    half = jitter.compare(usual + by * (np.arange(SIZE) % 3 > 0), PERIOD, NONE)
    assert (half.unusual, half.certain) == (True, False)


def test_chunks_that_share_a_delay_take_more_patience() -> None:
    random = np.random.default_rng(0)
    assert learned(lambda: random.exponential(0.02, SIZE)).patience(PERIOD) == 1
    chunks = learned(lambda: np.repeat(random.exponential(0.02, SIZE // 25), 25))
    assert chunks.patience(PERIOD) > 1
    new = learned(lambda: random.exponential(0.02, SIZE), blocks=0)
    assert new.patience(PERIOD) == 3
