"""Work in a thread of its own: its outcome, and whether it is under way."""

import threading

import pytest

from daemon.beside import Beside, is_at_work


def test_the_outcome_is_waited_for() -> None:
    go = threading.Event()
    work = Beside(lambda: go.wait(60) and "built", "build")
    assert (work.done(), is_at_work()) == (False, True)
    go.set()
    assert work.result() == "built"
    assert (work.done(), is_at_work()) == (True, False)


def test_what_the_work_raises_is_raised_where_its_outcome_is_asked_for() -> None:
    def fail() -> None:
        raise ValueError("no such model")

    work = Beside(fail, "build")
    with pytest.raises(ValueError, match="no such model"):
        work.result()
    assert not is_at_work()
