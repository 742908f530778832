from collections import deque

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.ring import Ring


@given(st.integers(1, 12), st.lists(st.integers(0, 30), max_size=12))
def test_window_equals_a_deque(steps: int, pushes: list[int]) -> None:
    ring = Ring(3, steps, np.float64)
    expected = deque([(0.0, 0.0, 0.0)] * steps, maxlen=steps)
    count = 0
    for n in pushes:
        samples = np.arange(count * 3, (count + n) * 3, dtype=np.float64).reshape(n, 3)
        count += n
        ring.push(samples)
        expected.extend(map(tuple, samples.tolist()))
        np.testing.assert_array_equal(ring.window(), np.array(expected).T)


def test_every_channel_of_the_window_is_one_contiguous_view() -> None:
    ring = Ring(2, 5, np.float32)
    ring.push(np.arange(14, dtype=np.float32).reshape(7, 2))
    window = ring.window()
    assert all(channel.flags.c_contiguous for channel in window)
    assert np.shares_memory(window, ring.window())
