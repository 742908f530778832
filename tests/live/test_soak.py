"""Hours in minutes: a run at eight times real time must not grow."""

import time
from pathlib import Path

import pytest
from programs import eegd, open_inlet, unique, write_config

BUNDLE = Path(__file__).parents[2] / "daemon/rehearsal/demo_bundle"
STATUS = "/proc/{}/status"


def resident(pid: int) -> int:
    """KiB of memory that the process holds."""
    lines = Path(STATUS.format(pid)).read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_is_flat_from_minute_2_to_minute_10(tmp_path: Path) -> None:
    name, output = unique("Amp"), unique("Out")
    path = write_config(
        tmp_path,
        {"stream": {"name": name}, "model": {"path": str(BUNDLE)}, "output": {"name": output}},
    )
    with (
        eegd(tmp_path, "run", "-c", str(path)) as daemon,
        eegd(tmp_path, "simulate", "--name", name, "--speed", "8", "--wait", "60"),
    ):
        inlet = open_inlet(output)
        daemon.wait_for("connected to stream")
        begin = time.monotonic()
        sizes: list[tuple[float, int]] = []
        markers = 0
        while (elapsed := time.monotonic() - begin) < 600:
            said, _ = inlet.pull_chunk(timeout=1.0)
            markers += len(said)
            if elapsed >= 120:
                sizes.append((elapsed, resident(daemon.process.pid)))
        assert daemon.stop()[0] == 0
    first, last = sizes[0][1], sizes[-1][1]
    most = max(size for _, size in sizes)
    print(f"\n{markers} markers; {first} KiB at minute 2, {last} at minute 10, {most} at most")  # noqa: T201
    # 8 windows a second, less the 96 s of EEG before the first.
    assert markers > 0.98 * (600 * 8 - 96)
    assert most < 1.01 * first
