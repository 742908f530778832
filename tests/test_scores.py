"""Figures against what comes out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from daemon.decision import Decision
from daemon.offline.performance import balanced_accuracy
from daemon.training import scores


def test_confusion_and_balanced_accuracy():
    targets, answers = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])
    counts = scores.confusion(targets, answers, 3)
    assert counts.tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]
    # 3/4 and 1/2; the class that does not occur counts for nothing.
    assert balanced_accuracy(counts) == 0.625


def test_wilson():
    # Newcombe (1998), example: 81 of 263 is 0.2553 to 0.3662.
    low, high = scores.accuracy_interval(81, 263)
    assert (low, high) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))


def test_the_interval_is_between_whole_groups():
    groups = np.repeat([0, 1, 2, 3], 50)
    targets = np.tile([0, 1], 100)
    half = np.where(groups < 2, targets, 1 - targets)
    assert scores.balanced_accuracy_interval(targets, half, groups, 2) == (0.0, 1.0)
    # Of four scores the jackknife is the usual error of a mean; Student's t with 3 degrees of
    # freedom is 3.182.
    right = np.arange(200) % 50 < 5 * (groups + 5)
    reach = 3.1824 * np.std([0.5, 0.6, 0.7, 0.8], ddof=1) / 2
    found = scores.balanced_accuracy_interval(
        targets, np.where(right, targets, 1 - targets), groups, 2
    )
    assert found == pytest.approx((0.65 - reach, 0.65 + reach), abs=0.02)
    # As many groups as windows: the binomial's.
    low, high = scores.balanced_accuracy_interval(targets, half, np.arange(200), 2)
    assert (low, high) == (pytest.approx(0.43, abs=0.003), pytest.approx(0.57, abs=0.003))
    assert scores.balanced_accuracy_interval(targets, half, groups // 2, 2) is None


@pytest.mark.parametrize("count", [3, 6, 12])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(count: int):
    random = np.random.default_rng(count)
    inside = 0
    for _ in range(400):
        skill = np.clip(random.normal(0.7, 0.08, count), 0, 1)
        targets = np.tile([0, 1], 15 * count)
        groups = np.repeat(np.arange(count), 30)
        right = random.random(len(targets)) < skill[groups]
        found = scores.balanced_accuracy_interval(
            targets, np.where(right, targets, 1 - targets), groups, 2
        )
        inside += found is not None and found[0] <= 0.7 <= found[1]
    # Its own standard error over 400 is 0.011.
    assert inside / 400 > 0.92


def test_calibration_is_the_one_that_runs_live():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), 50)
    probabilities[0] = [1, 0, 0, 0]
    for temperature in (0.3, 2.5):
        live = Decision("abcd", temperature=temperature)
        expected = [live.probabilities(row) for row in probabilities]
        found = scores.calibrated(probabilities, temperature)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_temperature_that_was_applied_is_found_again():
    random = np.random.default_rng(1)
    honest = random.dirichlet(np.ones(3), 20_000)
    targets = (honest.cumsum(axis=1) < random.random((20_000, 1))).sum(axis=1)
    overconfident = scores.calibrated(honest, 1 / 2.5)
    found = scores.fitted_temperature(overconfident, targets)
    # Its standard error at this n, from the curvature of the likelihood, is 0.03.
    assert found == pytest.approx(2.5, abs=0.1)
    assert scores.fitted_temperature(honest, targets) == pytest.approx(1.0, abs=0.04)


def test_two_windows_have_a_temperature_by_hand():
    # Logits 2:1, right twice of three times: at T the softmax of (log 2) / T gives 2/3 at T = 1.
    probabilities = np.tile([0.8, 0.2], (3, 1))
    targets = np.array([0, 0, 1])
    # Likelihood is greatest where 0.8 becomes 2/3: log(4) / T = log(2).
    assert scores.fitted_temperature(probabilities, targets) == pytest.approx(2.0, abs=1e-3)


def test_expected_calibration_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.35, 0.65], [0.35, 0.65]])
    found = scores.reliability(probabilities, np.array([0, 1, 1, 1]), bins=10)
    # Bin 0.8-0.9: says 0.9, right 0.5. Bin 0.6-0.7: says 0.65, right 1.
    assert found.error == pytest.approx((2 * 0.4 + 2 * 0.35) / 4)
    assert found.count[8] == 2
    assert found.count[6] == 2
    assert found.said[8] == pytest.approx(0.9)
    assert np.isnan(found.right[0])
    certain = scores.reliability(np.array([[1.0, 0.0]]), np.array([0]))
    assert (certain.error, certain.count[-1]) == (0.0, 1)


def test_surprise_by_hand():
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert scores.surprise(probabilities, np.array([0, 0])) == pytest.approx(np.log(8) / 2)
