"""One training step against the source's model under ``model.fit``: `make training-speed`."""

import pytest

from daemon.training import speed


@pytest.mark.slow
def test_a_training_step_is_6_times_faster_than_model_fit() -> None:
    found = speed.measure()
    assert found.ratio > 6, str(found)
