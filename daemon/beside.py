"""Work in a thread of its own, which the process does not have to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Beside(threading.Thread, Generic[T]):
    """Does ``work`` beside everything else, from construction on."""

    def __init__(self, work: Callable[[], T], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - `result` raises it
            self._error = error

    def done(self) -> bool:
        return not self.is_alive()

    def result(self) -> T:
        """Wait for what the work returns; what it raised is raised here."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._result


def is_at_work() -> bool:
    """Whether any such work is under way, which the end of the interpreter would cut off."""
    return any(isinstance(thread, Beside) for thread in threading.enumerate())
