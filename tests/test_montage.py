import numpy as np

from daemon.montage import Montage


def test_picks_in_the_models_order_and_leaves_out_the_rest() -> None:
    samples = np.arange(8, dtype=np.float32).reshape(2, 4)
    picked = Montage([2, 0], [1.0, 1.0]).apply(samples)
    assert picked.dtype == np.float32
    np.testing.assert_array_equal(picked, [[2, 0], [6, 4]])


def test_scales_each_channel_in_float64_before_rounding_once() -> None:
    volts = np.array([[1.2345678e-5, 2e-3]], np.float64)
    scaled = Montage([0, 1], [1e6, 1e3]).apply(volts)
    np.testing.assert_array_equal(scaled, np.array([[12.345678, 2.0]], np.float32))


def test_integer_samples_become_float32() -> None:
    samples = np.array([[1, -2]], np.int16)
    np.testing.assert_array_equal(
        Montage([1, 0], [1e3, 1.0]).apply(samples), np.array([[-2000, 1]], np.float32)
    )


def test_the_result_is_a_copy() -> None:
    samples = np.zeros((1, 2), np.float32)
    Montage([0, 1], [1.0, 1.0]).apply(samples)[:] = 5
    assert not samples.any()
