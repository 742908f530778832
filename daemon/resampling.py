"""From one sample rate to another that is a ratio of whole numbers away: a causal polyphase FIR.

Rules that hold here:

- The filter is that of `scipy.signal.resample_poly`: a Kaiser window of beta 5, ten samples of the
  lower rate to either side, and so a delay of ten such samples.
- n samples in give floor(n up / down) out. In terms of SciPy, sample k out is sample
  ``(k + 1) down - 1`` of ``upfirdn(taps, samples, up)``: the newest sample in it has just come.
- Each phase of the filter sums to one. An offset stays that offset; otherwise it would come out
  with a tone at every multiple of the lower rate, small, but of an offset of 100 mV.
- It starts as if the first sample had lasted for ever.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import signal

from daemon.records import Float64


class Resampler:
    """Takes blocks at one rate, gives them at ``up / down`` times that rate.

    Parameters
    ----------
    up, down : int
        Without a common divisor.
    """

    def __init__(self, up: int, down: int) -> None:
        self._up = up
        self._down = down
        self._phases = _phases(up, down)
        self._taps = self._phases.shape[1]
        self.restart()

    def restart(self) -> None:
        """Forget all samples."""
        self._before: Float64 | None = None
        self._taken = 0
        self._given = 0

    def apply(self, block: Float64) -> tuple[Float64, npt.NDArray[np.intp]]:
        """What ``block``, (n, channels) with n > 0, completes: (m, channels), m may be 0.

        And for each of these, its newest sample's place in ``block``.
        """
        if self._before is None:
            self._before = np.repeat(block[:1], self._taps - 1, axis=0)
        known = np.concatenate([self._before, block])
        upto = (self._taken + len(block)) * self._up // self._down
        newest, phase = np.divmod(np.arange(self._given + 1, upto + 1) * self._down - 1, self._up)
        newest = newest.astype(np.intp) - self._taken
        resampled = np.empty((len(newest), block.shape[1]))
        # One by one, so that the sums have one shape however the samples come.
        for out, at, taps in zip(resampled, newest, self._phases[phase], strict=True):
            np.add.reduce(known[at : at + self._taps] * taps[:, None], axis=0, out=out)
        self._before = known[len(block) :]
        # Counted from the last sample that both rates share: the numbers stay small.
        self._taken = (self._taken + len(block)) % self._down
        self._given = upto % self._up
        return resampled, newest


def _phases(up: int, down: int) -> Float64:
    """The filter's taps, (up, taps): row p for samples out that are p / up after their newest.

    In the order of the samples, oldest first.
    """
    longer = max(up, down)
    taps = up * signal.firwin(20 * longer + 1, 1 / longer, window=("kaiser", 5.0))
    columns = -(-len(taps) // up)
    split = np.pad(taps, (0, columns * up - len(taps))).reshape(columns, up).T[:, ::-1]
    result: Float64 = split / split.sum(axis=1, keepdims=True)
    return result
