import numpy as np
import pytest

from daemon.layout import LAYOUTS, PER_CHANNEL, STANDARD, Layout, layout_text
from daemon.reorder import model_inputs, split_channels


def test_shapes_of_the_source() -> None:
    """(64, 15360, 32) → (32, 64, 15360, 1) → a list of 32 (64, 15360, 1)."""
    batch = np.zeros((64, 15360, 32), np.float32)
    moved = np.moveaxis(batch, -1, 0)[..., None]
    assert moved.shape == (32, 64, 15360, 1)
    channels = split_channels(batch)
    assert len(channels) == 32
    assert {channel.shape for channel in channels} == {(64, 15360, 1)}


def test_values_are_those_of_moveaxis_and_nothing_is_copied() -> None:
    batch = np.random.default_rng(0).normal(size=(3, 7, 4)).astype(np.float32)
    for channel, expected in zip(
        split_channels(batch), np.moveaxis(batch, -1, 0)[..., None], strict=True
    ):
        np.testing.assert_array_equal(channel, expected)
        assert np.shares_memory(channel, batch)


def test_one_window_per_channel_and_whole() -> None:
    window = np.arange(12, dtype=np.float32).reshape(3, 4)  # (channels, time)
    per_channel = model_inputs(window, PER_CHANNEL)
    assert [one.shape for one in per_channel] == [(1, 4, 1)] * 3
    np.testing.assert_array_equal(per_channel[1][0, :, 0], window[1])
    (whole,) = model_inputs(window, STANDARD)
    assert whole.shape == (1, 4, 3)
    np.testing.assert_array_equal(whole[0], window.T)
    assert all(np.shares_memory(one, window) for one in [*per_channel, whole])


@pytest.mark.parametrize("layout", LAYOUTS, ids=layout_text)
def test_a_sample_lies_where_the_layouts_axes_say(layout: Layout) -> None:
    window = np.arange(12, dtype=np.float32).reshape(3, 4)  # (channels, time)
    ((arranged,),) = model_inputs(window, layout)
    for channel in range(3):
        for step in range(4):
            place = {"channels": channel, "steps": step, "1": 0}
            place["steps * channels"] = step * 3 + channel
            place["channels * steps"] = channel * 4 + step
            assert arranged[tuple(place[axis] for axis in layout)] == window[channel, step]
