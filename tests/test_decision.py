import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.decision import Decision

CLASSES = ("a", "b", "c")


def softmax(logits: np.ndarray) -> np.ndarray:
    powered = np.exp(logits - logits.max())
    return powered / powered.sum()


@given(
    st.lists(st.floats(-15, 15), min_size=3, max_size=3), st.floats(0.2, 5.0, allow_subnormal=False)
)
def test_temperature_is_that_of_the_logits(logits: list[float], temperature: float) -> None:
    values = np.array(logits)
    calibrated = Decision(CLASSES, temperature=temperature).probabilities(softmax(values))
    np.testing.assert_allclose(calibrated, softmax(values / temperature), rtol=1e-9, atol=1e-12)


def test_temperature_one_changes_not_a_bit() -> None:
    probabilities = np.array([0.1, 0.2, 0.7])
    assert Decision(CLASSES).probabilities(probabilities) is probabilities


def test_threshold() -> None:
    decision = Decision(CLASSES, threshold=0.5)
    assert decision.label(np.array([0.2, 0.3, 0.5]), 0.0) == "c"
    assert decision.label(np.array([0.3, 0.3, 0.4]), 1.0) is None


def test_smoothing_has_its_time_constant_and_forgets_at_a_restart() -> None:
    decision = Decision(("a", "b"), threshold=0.5, smoothing=2.0)
    assert decision.label(np.array([1.0, 0.0]), 10.0) == "a"
    # The average of a falls as exp(-t / 2): still above one half at 1.38 s, not at 1.40 s.
    half_life = 2.0 * math.log(2)
    assert decision.label(np.array([0.0, 1.0]), 10.0 + half_life - 0.01) == "a"
    decision.restart()
    assert decision.label(np.array([1.0, 0.0]), 10.0) == "a"
    assert decision.label(np.array([0.0, 1.0]), 10.0 + half_life + 0.01) == "b"


def test_no_smoothing_looks_at_one_window_alone() -> None:
    decision = Decision(("a", "b"))
    decision.label(np.array([1.0, 0.0]), 0.0)
    assert decision.label(np.array([0.49, 0.51]), 0.0) == "b"


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_an_underflown_probability_stays_finite(temperature: float) -> None:
    calibrated = Decision(("a", "b"), temperature=temperature).probabilities(np.array([1.0, 0.0]))
    assert np.isfinite(calibrated).all()
    assert calibrated.sum() == pytest.approx(1.0)


def test_a_saturated_sigmoid_is_calibrated_on_both_sides() -> None:
    decision = Decision(("off", "on"), temperature=4.0)

    def on(logit: float) -> float:
        p = np.float32(1 / (1 + np.exp(-logit)))
        return float(decision.probabilities(np.array([p], np.float64))[1])

    assert on(-20.0) == pytest.approx(1 / (1 + np.exp(20.0 / 4)), rel=1e-6)
    # Near 1 a float32 cannot tell logits above 16.6 apart: there the greatest that it tells counts.
    assert 1 / (1 + np.exp(-16.6 / 4)) < on(20.0) == on(100.0) < 1 / (1 + np.exp(-17.4 / 4))


def test_one_sigmoid_output_counts_as_two_classes() -> None:
    assert Decision(("off", "on")).probabilities(np.array([0.2])).tolist() == [0.8, 0.2]
    calibrated = Decision(("off", "on"), temperature=2.0).probabilities(np.array([0.2]))
    logit = math.log(0.2 / 0.8)
    assert calibrated[1] == pytest.approx(1 / (1 + math.exp(-logit / 2)))


@given(
    st.lists(st.floats(-30, 30), min_size=3, max_size=3), st.floats(0.2, 5.0, allow_subnormal=False)
)
def test_logits_get_a_softmax(logits: list[float], temperature: float) -> None:
    values = np.array(logits)
    given = Decision(CLASSES, temperature=temperature, logits=True).probabilities(values)
    np.testing.assert_allclose(given, softmax(values / temperature), rtol=1e-12, atol=1e-15)


def test_one_logit_gets_a_sigmoid() -> None:
    for logit in (-40.0, -1.0, 0.0, 3.0, 800.0):
        given = Decision(("a", "b"), logits=True).probabilities(np.array([logit]))
        np.testing.assert_allclose(given[1], 1 / (1 + np.exp(-logit)), rtol=1e-12)
        np.testing.assert_allclose(given.sum(), 1, rtol=1e-12)
