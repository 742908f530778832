"""Faults planted for real: the doctor finds each, and names the mend."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pylsl
import pytest
from programs import open_outlet, unique, write_config

from daemon import doctor
from daemon.doctor import lslconfig, software
from daemon.doctor.finding import Finding
from daemon.rehearsal.demo import BUNDLE
from daemon.rehearsal.rhythms import LABELS

RATE = 160.0
LISTEN = 2.0
NAME = unique("Doctor")


def namespaces(*kinds: str) -> list[str]:
    """A command that gives what follows namespaces of its own."""
    command = ["unshare", *kinds]
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("needs unshare and ip (Linux)")
    if subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system lets nobody have namespaces of their own")
    return command


def shell(
    kinds: tuple[str, ...], script: str, *, seconds: int = 40, **environment: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, **environment}
    return subprocess.run(
        [*namespaces(*kinds), "timeout", str(seconds), "sh", "-euc", script],
        capture_output=True,
        text=True,
        timeout=seconds + 20,
        check=False,
        env={key: value for key, value in environment.items() if value},
    )


# Streams


@contextmanager
def sending(**streams: tuple[str, float, float, int]) -> Iterator[None]:
    """Amplifiers that say one thing and do another: unit, real volts per unit, real rate, batch."""
    outlets = {
        name: open_outlet(
            f"{NAME}-{name}", RATE, LABELS, unit=unit, source_id="one" if name[0] == "s" else name
        )
        for name, (unit, *_) in streams.items()
    }
    done = threading.Event()
    eeg = np.random.default_rng(0).normal(0, 20, (int(RATE), len(LABELS))).astype(np.float32)

    def push() -> None:
        start = pylsl.local_clock()
        sent = dict.fromkeys(streams, 0)
        while not done.wait(0.02):
            elapsed = pylsl.local_clock() - start
            for name, (_, scale, rate, size) in streams.items():
                while (sent[name] + size) / rate <= elapsed:
                    last = start + (sent[name] + size) / rate
                    for n in range(sent[name], sent[name] + size):
                        outlets[name].push_sample(eeg[n % len(eeg)] * scale, last)
                    sent[name] += size

    thread = threading.Thread(target=push)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    """All faulty streams at once, on a network of their own."""
    path = write_config(tmp_path_factory.mktemp("doctor"), {"model": {"path": str(BUNDLE)}})
    with sending(
        right=("microvolts", 1.0, RATE, 1),
        volts=("microvolts", 1e-6, RATE, 1),
        microvolts=("volts", 1.0, RATE, 1),
        batches=("microvolts", 1.0, RATE, 16),
        slow=("microvolts", 1.0, 128.0, 1),
        same=("microvolts", 1.0, RATE, 1),
    ):
        return list(doctor.examine(path, LISTEN, ("streams",)))


def about(heard: list[Finding], subject: str, name: str) -> Finding:
    found = [one for one in heard if one.subject == subject and f"{NAME}-{name}'" in one.text]
    assert len(found) == 1, heard
    return found[0]


def test_a_right_stream_has_no_fault(heard: list[Finding]) -> None:
    for subject in ("contract", "rate", "unit"):
        assert about(heard, subject, "right").level == "ok"
    own = [one for one in heard if f"'{NAME}-right'" in one.text and one.subject != "streams"]
    assert "fault" not in {one.level for one in own}, own


def test_two_streams_with_one_source_id_are_found(heard: list[Finding]) -> None:
    finding = about(heard, "source_id", "same")
    assert finding.level == "fault"
    assert f"'{NAME}-slow'" in finding.text
    assert "id of its own" in finding.mend


def test_several_streams_that_match_are_a_fault(heard: list[Finding]) -> None:
    finding = about(heard, "streams", "right")
    assert finding.level == "fault"
    assert finding.text.startswith("6 match")


@pytest.mark.parametrize("name", ["volts", "microvolts"])
def test_a_wrong_unit_is_found_and_the_right_one_named(heard: list[Finding], name: str) -> None:
    finding = about(heard, "unit", name)
    assert finding.level == "fault"
    assert f"look like {name}:" in finding.mend


def test_batch_stamps_are_found_with_their_size(heard: list[Finding]) -> None:
    finding = about(heard, "batch stamps", "batches")
    assert "16 samples" in finding.text
    assert "100 ms" in finding.text
    assert "smaller blocks" in finding.mend
    assert about(heard, "rate", "batches").level == "ok"


def test_a_wrong_rate_is_found_and_both_are_named(heard: list[Finding]) -> None:
    finding = about(heard, "rate", "slow")
    assert finding.level == "fault"
    assert "announces 160 Hz, its stamps say 128 Hz" in finding.text
    assert "set the amplifier" in finding.mend


# Machine and network


def test_a_port_in_use_is_found(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path = write_config(
            tmp_path,
            {"model": {"path": str(BUNDLE)}, "metrics": {"host": "127.0.0.1", "port": port}},
        )
        (finding,) = [
            one for one in doctor.examine(path, 0, ("machine",)) if one.subject == "metrics port"
        ]
    assert finding.level == "fault"
    assert f"127.0.0.1:{port}: Address already in use" in finding.text
    assert "metrics.port" in finding.mend


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Finding]]:
    """The doctor's findings on a computer whose disk is full and whose card has no multicast."""
    folder = tmp_path_factory.mktemp("planted")
    disk = folder / "disk"
    disk.mkdir()
    log = {"log": str(disk / "markers.jsonl")}
    path = write_config(folder, {"model": {"path": str(BUNDLE)}, "output": log})
    done = shell(
        ("-mn",),
        f"mount -t tmpfs -o size=64k none {disk}; head -c 64k /dev/zero > {disk}/full\n"
        "ip link set lo up; ip link add card type veth peer name other\n"
        "ip addr add 10.9.0.1/24 dev card; ip link set card multicast off; ip link set other up\n"
        f"ip link set card up; $PYTHON -m daemon doctor -c {path} --json "
        "--only machine --only network",
    )
    assert done.returncode == 1, done.stderr
    return disk, [Finding(**said) for said in json.loads(done.stdout)]


def test_a_full_disk_is_found(planted: tuple[Path, list[Finding]]) -> None:
    disk, found = planted
    (finding,) = [one for one in found if one.subject == "disk"]
    assert finding.level == "fault"
    assert f"written to {disk}: No space left on device" in finding.text
    assert "make room" in finding.mend


def test_a_card_without_multicast_is_found(planted: tuple[Path, list[Finding]]) -> None:
    (finding,) = [one for one in planted[1] if one.subject == "multicast"]
    assert finding.level == "fault"
    assert "card (10.9.0.1)" in finding.text
    assert "ip link set card multicast on" in finding.mend
    assert "KnownPeers" in finding.mend


def test_a_stale_lsl_config_is_found(tmp_path: Path) -> None:
    path = tmp_path / "lsl_api.cfg"
    path.write_text(
        "[multicast]\nResolveScope = machine\nInterfaces = {203.0.113.9}\n"
        "[lab]\nKnownPeers = {old-amplifier.invalid}\nSessionID = last-year\n"
    )
    found = lslconfig.judge(lslconfig.look({"LSLAPICFG": str(path)}))
    assert [finding.level for finding in found] == ["fault", "fault", "warning", "warning"]
    for finding, part, mend in zip(
        found,
        ("old-amplifier.invalid", "203.0.113.9", "ResolveScope machine", "SessionID last-year"),
        ("KnownPeers", "Interfaces", "site", "SessionID"),
        strict=True,
    ):
        assert str(path) in finding.text
        assert part in finding.text
        assert mend in finding.mend


# A computer as the system shows it to the doctor: a card of NVIDIA's, and its driver.
_GPU = """
mount -t tmpfs none /proc/driver; mkdir /proc/driver/nvidia
echo "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54" > /proc/driver/nvidia/version
mount -t tmpfs none /sys/bus/pci/devices; mkdir /sys/bus/pci/devices/0
echo 0x10de > /sys/bus/pci/devices/0/vendor; echo 0x030200 > /sys/bus/pci/devices/0/class
$PYTHON -m daemon doctor -c $CONFIG --only software --json
"""


@pytest.mark.slow
def test_missing_gpu_libraries_are_found(tmp_path: Path) -> None:
    """By the real TensorFlow, in a process of its own."""
    if not software.graphics().missing:
        pytest.skip("CUDA's libraries are installed here")
    path = write_config(tmp_path, {"model": {"path": str(BUNDLE)}, "engine": {"device": "gpu"}})
    done = shell(("-m",), _GPU, seconds=200, CONFIG=str(path))
    assert done.stdout, done.stderr
    found = [Finding(**said) for said in json.loads(done.stdout)]
    (finding,) = [one for one in found if one.subject == "GPU"]
    assert (done.returncode, finding.level) == (1, "fault")
    assert "libraries are missing: lib" in finding.text
    assert ".[gpu]" in finding.mend


_AMPLIFIER = """
import sys, time, pylsl
outlet = pylsl.StreamOutlet(pylsl.StreamInfo("Far", "EEG", 1, 100, "float32", "far"))
print("open", flush=True)
while True:
    outlet.push_sample([0.0])
    time.sleep(0.01)
"""

# Two computers and a cable. The amplifier's lets in what searches for streams, and TCP, but no
# datagram to the ports of its outlets.
_BLOCKED = """
ip link set lo up
ip link add cable type veth peer name far
unshare -nu sh -euc '
  echo apart
  until ip link set far up 2>/dev/null; do sleep 0.02; done
  hostname amplifier; ip link set lo up; ip addr add 10.9.0.2/24 dev far
  ip rule add pref 1 lookup local; ip rule del pref 0 lookup local
  ip rule add pref 0 iif far ipproto udp dport 16572-16604 blackhole
  exec timeout 30 $PYTHON -c "$AMPLIFIER"' > $FOLDER/amplifier 2>&1 &
amplifier=$!
trap "kill $amplifier" EXIT
until grep -q apart $FOLDER/amplifier; do sleep 0.02; done
ip link set far netns $amplifier
ip addr add 10.9.0.1/24 dev cable; ip link set cable up
until grep -q open $FOLDER/amplifier; do sleep 0.05; done
$PYTHON -m daemon doctor --only streams --wait 2 --json
"""


def test_a_blocked_time_service_is_found(tmp_path: Path) -> None:
    """Of a stream on another computer."""
    done = shell(("-n",), _BLOCKED, AMPLIFIER=_AMPLIFIER, FOLDER=str(tmp_path), LSLAPICFG="")
    assert done.stdout, done.stderr + (tmp_path / "amplifier").read_text()
    found = [Finding(**said) for said in json.loads(done.stdout)]
    (finding,) = [one for one in found if one.subject == "time service"]
    assert (done.returncode, finding.level) == (1, "fault")
    assert "'Far' (type 'EEG', source_id 'far') on amplifier" in finding.text
    assert "UDP 16572 to 16604" in finding.mend
