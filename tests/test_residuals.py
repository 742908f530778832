"""What a stretch of residuals tells by itself."""

import numpy as np
import pytest

from daemon import residuals

N = np.arange(160)
NOISE = np.random.default_rng(0).normal(0, 0.02, N.size)


def test_quantiles_are_those_of_numpy() -> None:
    expected = np.quantile(NOISE, [0.5, 0.05, 0.95, 1], method="nearest")
    np.testing.assert_allclose(residuals.quantiles(NOISE), expected, atol=0.002)
    assert residuals.quantiles(NOISE[:1]) == [NOISE[0]] * 4


def test_a_steady_rise_is_a_significant_drift_and_jitter_is_none() -> None:
    assert residuals.significant_drift(0.001 * N, 0.002) == pytest.approx(0.001)
    assert residuals.significant_drift(NOISE, 0.002) == 0
    assert residuals.significant_drift(0.1 * (N > 80), 0.002) == 0  # one change of level


def test_a_drift_below_the_least_is_none() -> None:
    assert residuals.significant_drift(1e-5 * N, 0.002) == 0


def test_a_change_of_level_is_found_where_it_is() -> None:
    assert residuals.change_point(NOISE + 0.3 * (N >= 50), 0.005) == 50
    assert residuals.change_point(NOISE, 0.005) is None
    assert residuals.change_point(NOISE[:1], 0.005) is None
    assert residuals.change_point(-0.3 * (N >= 50), 0.005) is None  # earlier, not later
