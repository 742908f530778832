"""The window engine: the whole window is run again each time one ends.

It serves every model: an LSTM stack runs fused (`daemon.encoders.fused`), any other model as its
own library runs it. Here alone a window can be normalised or filtered by itself, since here alone
it is ever seen as a whole.
"""

from __future__ import annotations

import numpy as np

from daemon.encoders.network import Run
from daemon.per_window import PerWindow
from daemon.records import Float32
from daemon.ring import Ring


class WindowEngine:
    """Keeps the last window and runs ``run`` on it; see `daemon.pipeline.Engine`."""

    def __init__(self, run: Run, channels: int, window: int, per_window: PerWindow) -> None:
        self._run = run
        self._per_window = per_window
        self._shape = (channels, window)
        self.restart()

    def restart(self) -> None:
        self._ring = Ring(*self._shape, np.float32)

    def feed(self, block: Float32, answer: bool) -> Float32 | None:
        self._ring.push(block)
        return self._run(self._per_window.apply(self._ring.window())) if answer else None

    def catch_up(self) -> None:
        """Nothing is ever put off."""
