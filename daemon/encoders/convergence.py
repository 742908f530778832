"""When two lanes of an LSTM stack have become one: it has forgotten that they began apart.

Fed the same samples, the states of an LSTM that forgets move together until what is left between
them is the rounding that every step makes anew. From there on the younger lane's continuation is
the older one's, as exactly as float32 can tell.

The rule, for lanes whose states h and c differ: carried through the weights into the next step's
gates, and into the output, the difference may nowhere exceed `ROUNDINGS` roundings of the very sum
that it enters,

    |Δ| · |W|  ≤  ROUNDINGS · ε · (|h| · |R| + |below| · |K| + |bias|),    ε = 2⁻²³.

Signs are dropped on the left, so that nothing cancels by luck; c counts as if its output gate
were open, so that what a closed gate hides counts too, and in units of itself beyond 1. Joining
then changes a window by less than each of its thousands of steps does by itself. Lanes of a model
that remembers for longer than a window, or that amplifies its own rounding, stay above it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from daemon.encoders.stack import Stack
from daemon.records import Float32

# Where lanes have converged, the largest of all these ratios was seen between 1.0 and 1.6.
ROUNDINGS = 2

_EPSILON = np.finfo(np.float32).eps


class Convergence:
    """Compares lanes of ``stack``."""

    def __init__(self, stack: Stack) -> None:
        self._layers = [
            (abs(lstm.kernel), abs(lstm.recurrent), abs(lstm.bias)) for lstm in stack.lstms
        ]
        self._denses = [(abs(dense.kernel), abs(dense.bias)) for dense in stack.denses[:1]]

    def joins(
        self, older: Sequence[Float32], younger: Sequence[Float32], sample: Float32
    ) -> npt.NDArray[np.bool_]:
        """Which of the ``younger`` lanes have become one with the ``older`` one.

        Parameters
        ----------
        older, younger : sequence of float32 arrays, (1, units) and (lanes, units)
            h and c of each layer in turn, after the same sample.
        sample : float32 array, shape (channels,)
            The next one.

        Returns
        -------
        bool array, shape (lanes,)
            A state that is not finite joins none.
        """
        # Most fail in the first layer, so that only few are looked at further up.
        left = np.arange(len(younger[0]))
        below, apart_below = abs(sample[None]), np.zeros((1, len(sample)), np.float32)
        for n, (kernel, recurrent, bias) in enumerate(self._layers):
            h, c = older[2 * n : 2 * n + 2]
            others_h, others_c = (layer[left] for layer in younger[2 * n : 2 * n + 2])
            apart = np.maximum(abs(others_h - h), abs(others_c - c) / np.maximum(abs(c), 1))
            size = below @ kernel + abs(h) @ recurrent + bias
            within = _within(apart_below @ kernel + apart @ recurrent, size)
            left, below, apart_below = left[within], abs(h), apart[within]
        for kernel, bias in self._denses:
            left = left[_within(apart_below @ kernel, below @ kernel + bias)]
        joins = np.zeros(len(younger[0]), np.bool_)
        joins[left] = True
        return joins


def _within(apart: Float32, size: Float32) -> npt.NDArray[np.bool_]:
    within: npt.NDArray[np.bool_] = np.all(apart <= ROUNDINGS * _EPSILON * size, axis=1)
    return within
