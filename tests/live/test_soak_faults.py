"""A long run at eight times real time with random faults: it neither grows nor loses count.

`make soak-faults` runs an hour; ``EEGD_SOAK_SECONDS`` says how long otherwise.
"""

import os
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import pytest
from amplifier_truth import largest_difference
from fault_case import CHANNELS, Case, Outcome, run_case, write_bundle

SECONDS = float(os.environ.get("EEGD_SOAK_SECONDS", "3600"))
SPEED = 8
CHECKED = 100  # predictions that are compared with Keras

WARM = 0.25  # of the run, before growth counts: bursts and first faults make the heap what it is


@dataclass
class Watch:
    """Samples a process's memory, open files and threads until it ends."""

    seen: list[tuple[float, int, int, int]] = field(default_factory=list)

    def __call__(self, pid: int) -> None:
        threading.Thread(target=self._follow, args=(Path(f"/proc/{pid}"),), daemon=True).start()

    def _follow(self, process: Path) -> None:
        while True:
            try:
                status = (process / "status").read_text(encoding="utf-8")
                files = len(list((process / "fd").iterdir()))
            except OSError:
                return
            found = dict(re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE))
            if "VmRSS" not in found:  # it has ended and waits to be reaped
                return
            seen = (time.monotonic(), int(found["VmRSS"]), files, int(found["Threads"]))
            self.seen.append(seen)
            time.sleep(1.0)

    def until(self, stop: float) -> None:
        """Forget what comes after ``stop``: taking TensorFlow down needs memory of its own."""
        self.seen = [seen for seen in self.seen if seen[0] < stop]

    def quarters(self) -> np.ndarray:
        """Medians and maxima of KiB, files and threads, (first and last quarter, 2, 3)."""
        seen = np.array(self.seen)[:, 1:]
        warm = seen[int(WARM * len(seen)) :]
        n = max(len(warm) // 4, 1)
        return np.array([[np.median(q, axis=0), q.max(axis=0)] for q in (warm[:n], warm[-n:])])

    def tenths(self) -> list[int]:
        memory = np.array(self.seen)[:, 1]
        return [int(np.median(part)) for part in np.array_split(memory, 10)]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_random_faults_leave_no_trace_and_every_sample_is_counted(tmp_path: Path) -> None:
    model = write_bundle(tmp_path)
    watch = Watch()
    case = Case("soak", ("random:every=40",), seconds=SECONDS * SPEED, speed=SPEED, seed=7)
    begin = time.monotonic()
    outcome = run_case(case, tmp_path, tmp_path, watch)
    elapsed = time.monotonic() - begin
    watch.until(outcome.stop)
    (first, first_most), (last, last_most) = watch.quarters()
    faults = [fault["kind"] for life in outcome.truth.lives for fault in life.faults]
    difference, unexplained = checked(model, outcome)
    print(  # noqa: T201
        f"\n{elapsed:.0f} s, {len(faults)} faults of {len(set(faults))} kinds, "
        f"{len(outcome.truth.lives)} lives of the amplifier\n"
        f"samples: {outcome.truth.sent:,} sent, {outcome.counted['samples']:,} counted, "
        f"{outcome.lost} said to be lost with their stream\n"
        f"counters: {outcome.counted}\n"
        f"{CHECKED} predictions: largest difference {difference:.1e}, {len(unexplained)} wrong\n"
        f"first quarter after warm-up (KiB, files, threads): median {first}, most {first_most}\n"
        f"last quarter: median {last}, most {last_most}\n"
        f"KiB, median of each tenth of the run: {watch.tenths()}"
    )
    for reason, times in sorted(outcome.reasons.items()):
        print(f"{times:>6}  {reason[:150]}")  # noqa: T201
    assert outcome.exit_code == 0
    assert "Traceback" not in outcome.log
    assert outcome.counted["samples"] + outcome.lost == outcome.truth.sent
    assert [m["sequence"] for m in outcome.markers] == list(range(len(outcome.markers)))
    assert not unexplained, unexplained[0]
    assert difference < 1e-5
    assert last[0] < 1.02 * first[0]
    assert (last_most[1:] <= first_most[1:] + 2).all()
    assert (last[1:] <= first[1:] + 1).all()


def checked(model: keras.Model, outcome: Outcome) -> tuple[float, list[dict[str, object]]]:
    """Some predictions against Keras; batches and jitter let a stamp be off by 0.1 s."""
    chosen = np.random.default_rng(0).permutation(len(outcome.ok))[:CHECKED]
    some = [outcome.ok[n] for n in sorted(chosen)]
    return largest_difference(model, outcome.truth, some, CHANNELS, 0.1)
