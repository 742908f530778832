"""From the stream's channels and units to the model's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from daemon.records import Float32, Samples


class Montage:
    """Picks channels in the model's order and scales them to the contract's unit.

    Parameters
    ----------
    indices : sequence of int
        For each channel that is picked, its position in the stream.
    scales : sequence of float
        Factor to the contract's unit, one per picked channel.
    """

    def __init__(self, indices: Sequence[int], scales: Sequence[float]) -> None:
        self._indices = np.asarray(indices, np.intp)
        self._scales = np.asarray(scales, np.float64)
        self._scaled = bool(np.any(self._scales != 1.0))

    def apply(self, samples: Samples) -> Float32:
        """``samples`` (n, channels of the stream) as float32 (n, picked channels).

        Scaling is done in float64 and rounded once, so that a stream in volts gives the model
        what the same stream in microvolts would have, to the last float32 digit but one.
        Beyond float32's range a value becomes infinite.
        """
        picked = samples[:, self._indices]
        with np.errstate(over="ignore"):
            if self._scaled:
                return (picked.astype(np.float64) * self._scales).astype(np.float32)
            return picked.astype(np.float32)
