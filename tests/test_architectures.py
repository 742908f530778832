"""The source's numbers: parameters, layer by layer, and what the swapped axes would cost."""

import keras
import pytest

from daemon.encoders.architectures import channel_lstm, common_lstm


def parameters(model: keras.Model) -> list[int]:
    return [layer.count_params() for layer in model.layers if layer.count_params()]


def test_common_lstm() -> None:
    model = common_lstm()
    assert model.input_shape == (None, 15360, 32)
    assert model.output_shape == (None, 6)
    assert parameters(model) == [295_936, 197_120, 49_408, 390]
    assert model.count_params() == 542_854


def test_channel_lstm() -> None:
    model = channel_lstm()
    assert model.input_shape == [(None, 15360, 1)] * 32
    assert model.output_shape == (None, 6)
    assert parameters(model) == [12] * 32 + [82_432, 49_408, 390]
    assert model.count_params() == 132_614


def test_taking_time_for_channels_gives_another_model() -> None:
    """The mistake that the source's question began with."""
    assert common_lstm(window=32, channels=15360).count_params() == 16_238_726


@pytest.mark.parametrize(("channels", "channel_units"), [(1, 1), (3, 1), (4, 3)])
def test_every_size_is_a_parameter(channels: int, channel_units: int) -> None:
    model = channel_lstm(10, channels, 4, channel_units=channel_units, units=(7, 5, 3))
    assert len(model.inputs) == channels
    assert model.output_shape == (None, 4)
    lstm = lambda inputs, units: 4 * units * (inputs + units + 1)  # noqa: E731
    assert parameters(model) == [
        *[lstm(1, channel_units)] * channels,
        lstm(channels * channel_units, 7),
        lstm(7, 5),
        lstm(5, 3),
        16,
    ]
    common = common_lstm(10, channels, 4, units=(7,))
    assert parameters(common) == [lstm(channels, 7), 32]
