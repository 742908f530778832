"""The last `steps` samples, channel-major, always readable as one contiguous piece.

Every sample is stored twice, at i and at i + steps: wherever the newest sample stands, the
``steps`` columns before it are one slice. Nothing is moved or copied to read a window.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

Number = TypeVar("Number", np.float32, np.float64)


class Ring(Generic[Number]):
    """A mirrored ring buffer of (channels, steps).

    Parameters
    ----------
    channels, steps : int
    dtype : numpy dtype
        float32 for EEG; float64 for time stamps.
    """

    def __init__(self, channels: int, steps: int, dtype: type[Number]) -> None:
        self._steps = steps
        self._data: npt.NDArray[Number] = np.zeros((channels, 2 * steps), dtype)
        self._at = 0

    def push(self, samples: npt.NDArray[Number]) -> None:
        """Append ``samples`` (n, channels); of more than ``steps`` only the last are kept."""
        rows = samples[-self._steps :].T
        while rows.shape[1]:
            n = min(rows.shape[1], self._steps - self._at)
            for start in (self._at, self._at + self._steps):
                self._data[:, start : start + n] = rows[:, :n]
            self._at = (self._at + n) % self._steps
            rows = rows[:, n:]

    def window(self) -> npt.NDArray[Number]:
        """The last ``steps`` samples, (channels, steps), oldest first.

        A view: it changes with the next `push`. Steps that were never pushed are zero.
        """
        window: npt.NDArray[Number] = self._data[:, self._at : self._at + self._steps]
        return window
