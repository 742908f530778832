"""The doctor's judgements, with facts of computers and streams other than this one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import senders

from daemon.config import StreamConfig
from daemon.doctor import firewall, lslconfig, machine, network, signals, software, streams
from daemon.doctor.finding import Finding, count, exit_code, fault, lines, ok, warning
from daemon.doctor.network import Card
from daemon.doctor.software import Graphics, TensorFlow
from daemon.doctor.streams import Heard
from daemon.overrides import NO_OVERRIDES
from daemon.records import StreamDescription

PORTS = range(16572, 16604)


def level(finding: Finding | None) -> str:
    assert finding is not None
    assert bool(finding.mend) == (finding.level != "ok"), finding
    return finding.level


# Findings


def test_only_a_fault_is_exit_code_1() -> None:
    assert exit_code([]) == exit_code([ok("a", "b"), warning("a", "b", "c")]) == 0
    assert exit_code([fault("a", "b", "c"), ok("a", "b")]) == 1


def test_findings_are_told_within_the_width_with_their_mends() -> None:
    text = lines(fault("disk", "word " * 30, "mend " * 30), 80)
    assert max(map(len, text.splitlines())) <= 80
    assert text.startswith("FAULT    disk          word word")
    assert text.count("→ mend") == 1
    assert {line[:23].strip() for line in text.splitlines()[1:]} == {""}
    assert lines(ok("disk", "room"), 80) == "ok       disk          room"
    assert count([fault("a", "b", "c"), warning("a", "b", "c")]) == "1 fault, 1 warning"
    assert count([]) == "0 faults, 0 warnings"


# Software

GOOD = TensorFlow("", "2.21.0", "3.15.1", (), cuda=True)
DRIVER = "NVRM version: NVIDIA UNIX x86_64 Kernel Module 550.54"


def test_a_tensorflow_that_cannot_be_imported_is_a_fault_with_its_reason() -> None:
    finding = software.judge_tensorflow(TensorFlow("ImportError: libfoo.so\x1b[2J"))
    assert level(finding) == "fault"
    assert "libfoo.so" in finding.text
    assert "\x1b" not in finding.text
    assert "2.21.0" in software.judge_tensorflow(GOOD).text


@pytest.mark.parametrize(
    ("tensorflow", "graphics", "text", "mend"),
    [
        (GOOD, Graphics(1), "driver is not loaded", "NVIDIA's driver"),
        (GOOD, Graphics(1, DRIVER, ("libcudnn.so.9",)), "missing: libcudnn.so.9", ".[gpu]"),
        (replace(GOOD, cuda=False), Graphics(1, DRIVER), "built without CUDA", ".[gpu]"),
        (GOOD, Graphics(1, DRIVER), "TensorFlow sees no GPU", "nvidia-smi"),
    ],
)
def test_a_gpu_that_is_not_used_is_told_with_the_reason(
    tensorflow: TensorFlow, graphics: Graphics, text: str, mend: str
) -> None:
    found = {device: software.judge_gpu(tensorflow, graphics, device) for device in DEVICES}
    assert [level(finding) for finding in found.values()] == ["warning", "fault", "ok"]
    for finding in found.values():
        assert finding
        assert text in finding.text
    assert found["gpu"]
    assert mend in found["gpu"].mend


DEVICES = ("auto", "gpu", "cpu")


def test_a_computer_without_a_gpu_is_told_from_one_without_its_libraries() -> None:
    none = Graphics(0, "", ("libcudnn.so.9",))
    assert level(software.judge_gpu(GOOD, none, "auto")) == "ok"
    finding = software.judge_gpu(GOOD, none, "gpu")
    assert level(finding) == "fault"
    assert finding
    assert "no NVIDIA GPU" in finding.text
    assert "libcudnn" not in finding.text


def test_a_gpu_that_is_used_is_fine_and_a_broken_tensorflow_says_nothing_of_it() -> None:
    sees = replace(GOOD, gpus=("NVIDIA H100",))
    assert level(software.judge_gpu(sees, Graphics(1, DRIVER), "gpu")) == "ok"
    assert software.judge_gpu(TensorFlow("broken"), Graphics(1, DRIVER), "gpu") is None


def test_tensorflow_is_asked_in_a_process_that_may_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    module = tmp_path / "tensorflow.py"
    module.write_text("raise ImportError('libcrypt.so.1: no such file')")
    assert software.Question().answer().error == "ImportError: libcrypt.so.1: no such file"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "json.py").write_text("raise ValueError('a module of the user')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    module.rename(tmp_path / "other" / "tensorflow.py")
    assert software.Question().answer().error == "ImportError: libcrypt.so.1: no such file"
    module = tmp_path / "other" / "tensorflow.py"
    module.write_text("import os; os.abort()")
    assert software.Question().answer().error == "it crashed (code -6)"


def test_an_old_lsl_library_is_a_warning() -> None:
    assert level(software.judge_lsl(118, 110)) == "ok"
    assert level(software.judge_lsl(113, 110)) == "warning"


# Machine


def test_a_disk_is_judged_by_the_days_that_the_log_has() -> None:
    disk = machine.Disk(Path("/log"), "", 10**11)
    assert level(machine.judge_disk(disk, 1.0)) == "ok"
    assert level(machine.judge_disk(replace(disk, free=10**8), 1.0)) == "warning"
    finding = machine.judge_disk(replace(disk, error="Read-only file system", free=0), 1.0)
    assert level(finding) == "fault"
    assert "Read-only file system" in finding.text


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path: Path) -> None:
    assert machine.disk(tmp_path / "none" / "log.jsonl").error == "No such file or directory"
    assert machine.disk(tmp_path / "log.jsonl").error == ""
    assert list(tmp_path.iterdir()) == []


def test_a_port_of_another_program_is_told_from_the_daemons_own() -> None:
    assert level(machine.judge_port("127.0.0.1", 9464, None)) == "ok"
    assert level(machine.judge_port("127.0.0.1", 9464, "eegd")) == "warning"
    assert level(machine.judge_port("127.0.0.1", 9464, "Address already in use")) == "fault"


@pytest.mark.parametrize(
    ("synchronised", "step", "expected"),
    [(True, 0.0, "ok"), (None, 0.0, "ok"), (False, 0.0, "warning"), (True, -2.0, "warning")],
)
def test_a_clock_that_nobody_keeps_or_that_is_set_is_a_warning(
    synchronised: bool | None, step: float, expected: str
) -> None:
    assert level(machine.judge_clock(synchronised, step)) == expected


# Network


def test_multicast_is_a_fault_only_where_no_card_has_it() -> None:
    good, bad = Card("eth0", "10.0.0.1"), Card("wlan0", "10.0.1.1", lost="nothing comes back")
    assert level(network.judge_multicast([good])) == "ok"
    assert level(network.judge_multicast([good, bad])) == "warning"
    assert level(network.judge_multicast([bad])) == "fault"
    assert level(network.judge_multicast([])) == "warning"
    off = network.judge_multicast([Card("eth1", "10.0.0.2", multicast=False, lost="off")])
    assert "ip link set eth1 multicast on" in off.mend


def test_several_cards_are_named() -> None:
    finding = network.judge_cards([Card("eth0", "10.0.0.1"), Card("wlan0", "10.0.1.1")])
    assert level(finding) == "warning"
    assert "eth0 (10.0.0.1), wlan0 (10.0.1.1)" in finding.text


def test_ports_that_do_not_do_for_three_streams_are_a_fault() -> None:
    assert level(network.judge_ports(PORTS, (6, 32))) == "ok"
    assert level(network.judge_ports(PORTS, (32, 5))) == "fault"


NFT = "table inet filter {{\n chain input {{\n type filter hook input priority 0; {}\n{}\n }}\n}}"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "ok"),
        ({"nft": None}, "ok"),
        ({"nft": ""}, "ok"),
        ({"nft": NFT.format("policy accept;", "udp dport 16572-16604 drop")}, "fault"),
        ({"nft": NFT.format("policy drop;", "tcp dport 22 accept")}, "warning"),
        ({"nft": NFT.format("policy drop;", "udp dport 16571-16604 accept")}, "ok"),
        ({"iptables": "-P INPUT ACCEPT\n-A INPUT -p udp --dport 16580 -j DROP"}, "fault"),
        ({"iptables": "-P INPUT DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT"}, "warning"),
        ({"ufw": "Status: inactive"}, "ok"),
        ({"ufw": "Status: active\n22/tcp ALLOW Anywhere"}, "warning"),
        ({"ufw": "Status: active\n16571:16604/udp ALLOW Anywhere"}, "ok"),
        ({"ufw": "Status: active\n16571:16604/udp DENY Anywhere"}, "fault"),
        (
            {
                "nft": NFT.format(
                    "policy accept;", "ip saddr 192.0.2.1 counter packets 16580 bytes 991234 drop"
                )
            },
            "ok",
        ),
        ({"firewalld": "public\n  services: ssh"}, "warning"),
        ({"firewalld": "public\n  ports: 16571-16604/udp"}, "ok"),
    ],
)
def test_a_firewall_is_judged_by_what_it_says_of_lsls_ports(
    said: dict[str, str | None], expected: str
) -> None:
    (finding,) = firewall.judge(said, PORTS, 16571)
    assert level(finding) == expected


def test_only_firewalls_that_answered_are_called_fine() -> None:
    (finding,) = firewall.judge(
        {"firewalld": "public\n ports: 16571-16604/udp", "nft": None}, PORTS, 16571
    )
    assert finding.text == "firewalld: nothing against LSL's ports; nft can be read by root only"


# LSL config


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of this computer's own is in effect."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    if Path(lslconfig.LSL_PLACES[-1]).exists():
        pytest.skip("this computer has an LSL config of its own")
    return tmp_path


def test_the_file_in_effect_is_the_one_that_liblsl_takes(home: Path) -> None:
    assert lslconfig.look({}).path is None
    at_home = write(home / "lsl_api" / "lsl_api.cfg", "[lab]\nSessionID = home\n")
    assert lslconfig.look({}).path == at_home
    write(home / "work" / "lsl_api.cfg", "; nothing\n")
    assert lslconfig.look({}).path == Path("lsl_api.cfg")
    named = write(home / "named.cfg", "[ports]\nBasePort = 20000\nPortRange = 8\n")
    config = lslconfig.look({"LSLAPICFG": str(named)})
    assert (config.path, config.ports) == (named, range(20000, 20008))


def test_a_file_that_liblsl_leaves_out_is_a_fault(home: Path) -> None:
    none = home / "none.cfg"
    found = lslconfig.judge(lslconfig.look({"LSLAPICFG": str(none)}))
    assert [level(finding) for finding in found] == ["fault"]
    assert f"{none} out, though LSLAPICFG names it: No such file" in found[0].text
    write(home / "work" / "lsl_api.cfg", "[lab]\n# a comment as liblsl knows none\n")
    (finding,) = lslconfig.judge(lslconfig.look({}))
    assert level(finding) == "fault"
    assert "line 2" in finding.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[multicast]\nResolveScope = link\n[log]\nlevel = -2\n", "ok"),
        ("[multicast]\nResolveScope = machine\n", "warning"),
        ("[multicast]\nResolveScope = everywhere\n", "fault"),
        ("[multicast]\nInterfaces = {127.0.0.1}\n", "ok"),
        ("[multicast]\nInterfaces = {eth0}\n", "fault"),
        ("[multicast]\nListenAddress = 203.0.113.9\n", "fault"),
        ("[lab]\nSessionID = other\n", "warning"),
        ("[lab]\nKnownPeers = {127.0.0.1}\n", "ok"),
        ("[lab]\nKnownPeers = {nobody.invalid}\n", "fault"),
        ("[lab]\nKnownPeers = {192.168.1..20}\n", "fault"),
        ("[ports]\nMulticastPort = 16000\n", "warning"),
        ("[ports]\nMulticastPort = 70000\n", "fault"),
        ("[ports]\nBasePort = -7\n", "fault"),
    ],
)
def test_what_an_lsl_config_can_do_wrong(home: Path, text: str, expected: str) -> None:
    path = write(home / "lsl_api.cfg", text)
    (finding,) = lslconfig.judge(lslconfig.look({"LSLAPICFG": str(path)}))
    assert level(finding) == expected
    assert str(path) in finding.text


# Streams


def stream(name: str = "Amp", **more: object) -> Heard:
    described = StreamDescription(
        name, "EEG", f"{name}-1", "lab", 160.0, "float32", ("Fp1", "Cz"), ("microvolts",) * 2
    )
    known = {key: more.pop(key) for key in [*more] if hasattr(described, key)}
    return Heard(replace(described, **known), port=16572, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("first", "last"), [(0, 320), (15, 305), (1, 33), (3, 40)])
def test_batches_that_were_heard_in_part_do_not_count_for_their_size(first: int, last: int) -> None:
    stamps = np.repeat(np.arange(20) / 10, 16)[first:last]
    (finding,) = signals.judge_stamps(replace(stream(), stamps=stamps))
    assert "some 16 samples at a time" in finding.text
    assert "uncertain by 100 ms" in finding.text


def test_exactly_one_stream_may_match() -> None:
    one, two = stream("A"), stream("B")
    assert level(streams.judge_found([one, two], [one], "name 'A'")) == "ok"
    for heard, chosen in (([], []), ([one], []), ([one, two], [one, two])):
        assert level(streams.judge_found(heard, chosen, "type 'EEG'")) == "fault"


def test_one_id_for_two_of_a_type_is_a_fault_and_none_a_warning() -> None:
    eeg, twin = stream(source_id="x"), stream("B", source_id="x")
    assert streams.judge_identities([eeg, stream("B")]) == []
    assert [level(f) for f in streams.judge_identities([eeg, twin])] == ["fault"]
    markers = stream("M", source_id="x", type="Markers")
    assert [level(f) for f in streams.judge_identities([eeg, markers])] == ["warning"]
    assert [level(f) for f in streams.judge_identities([stream(source_id="")])] == ["warning"]


@pytest.mark.parametrize(
    ("heard", "important", "expected"),
    [
        (stream(), True, []),
        (stream(reached=False), True, ["fault"]),
        (stream(reached=False), False, ["warning"]),
        (stream(synchronised=False, here=False), True, ["fault"]),
        (stream(synchronised=False, here=False), False, ["warning"]),
        (stream(synchronised=False), True, ["warning"]),
    ],
)
def test_what_cannot_be_reached_is_a_fault_where_it_matters(
    heard: Heard, important: bool, expected: list[str]
) -> None:
    assert [level(f) for f in streams.judge_reach(heard, PORTS, important)] == expected


def test_a_port_beyond_lsls_is_a_warning() -> None:
    (finding,) = streams.judge_reach(replace(stream(), port=40000), PORTS, True)
    assert level(finding) == "warning"
    assert "TCP port 40000" in finding.text


# Signals


def sent(sender: senders.Stamps = senders.steady, rate: float = 160.0, **more: object) -> Heard:
    """Three seconds of 20 µV noise."""
    random = np.random.default_rng(1)
    n = np.arange(round(3 * rate))
    samples = random.normal(0, 20, (len(n), 2))
    return stream(**{"samples": samples, "stamps": sender(n, rate, random), "age": 0.01, **more})


def levels(heard: Heard, important: bool = True) -> dict[str, str]:
    return {f.subject: level(f) for f in signals.judge(heard, NO_OVERRIDES, None, important)}


@pytest.mark.parametrize("name", senders.ALL)
@pytest.mark.parametrize("seed", range(10))
def test_the_rate_of_every_kind_of_sender_is_measured(name: str, seed: int) -> None:
    """Within what is said to be uncertain; one that is 4 % off is never taken for right."""
    for real in (160.0, 166.5):
        n = np.arange(round(3 * real))
        stamps = senders.ALL[name](n, real, np.random.default_rng(seed))
        rate, uncertain = signals.measured_rate(stamps)
        assert abs(rate / real - 1) < 0.01 + uncertain
        assert (abs(rate / 160 - 1) > 0.01 + uncertain) == (real != 160.0)


def test_another_rate_is_a_fault_of_the_stream_that_matters() -> None:
    slow = sent(rate=51.0, sample_rate=125.0)
    assert levels(slow)["rate"] == "fault"
    assert levels(slow, important=False)["rate"] == "warning"
    assert levels(sent()) == {"rate": "ok", "unit": "ok"}


@pytest.mark.parametrize(("rate", "expected"), [(160.5, "ok"), (163.0, "fault"), (157.0, "fault")])
def test_a_rate_is_off_where_the_daemon_abstains(rate: float, expected: str) -> None:
    assert levels(sent(rate=rate))["rate"] == expected


def test_a_batch_of_which_some_is_on_the_way_does_not_change_the_rate() -> None:
    whole = senders.batches(np.arange(96), 160.0, np.random.default_rng(0))
    for kept in range(85, 97):
        rate, uncertain = signals.measured_rate(whole[:kept])
        assert rate == pytest.approx(160.0)
        assert uncertain < 1e-6


def test_a_stream_that_sends_nothing_is_a_fault() -> None:
    assert levels(stream()) == {"rate": "fault"}
    assert levels(stream(sample_rate=0.0)) == levels(stream(channel_format="string")) == {}


def test_batches_are_told_from_jitter() -> None:
    assert levels(sent(senders.batches)) == {"rate": "ok", "batch stamps": "warning", "unit": "ok"}
    assert "batch stamps" not in levels(sent(senders.delayed))


def test_stamps_of_another_clock_or_that_step_back_and_gaps_are_warnings() -> None:
    assert levels(sent(age=-1.7e9))["stamps"] == "warning"
    assert "stamps" not in levels(sent(age=None))
    stamps = senders.START + np.arange(480) / 160
    back, gap = stamps.copy(), stamps.copy()
    back[240:] -= 0.5
    gap[240:] += 0.5
    assert levels(sent(stamps=back))["stamps"] == "warning"
    assert levels(sent(stamps=gap))["gaps"] == "warning"


@pytest.mark.parametrize("announced", ["volts", "millivolts", "microvolts"])
@pytest.mark.parametrize("real", ["volts", "millivolts", "microvolts"])
def test_every_wrong_unit_is_found_and_the_right_one_named(announced: str, real: str) -> None:
    scale = {"volts": 1e-6, "millivolts": 1e-3, "microvolts": 1.0}[real]
    right = sent()
    heard = replace(
        sent(units=(announced,) * 2), samples=(right.samples * scale).astype(np.float32)
    )
    (finding,) = [f for f in signals.judge(heard, NO_OVERRIDES, None, True) if f.subject == "unit"]
    if real == announced:
        assert level(finding) == "ok"
    else:
        assert level(finding) == "fault"
        assert f"look like {real}:" in finding.mend


@pytest.mark.parametrize("stamp", [np.nan, np.inf, -np.inf, 1e300])
def test_stamps_that_are_no_times_are_a_fault(stamp: float) -> None:
    heard = sent()
    stamps = heard.stamps.copy()
    stamps[100:] = stamp
    assert levels(replace(heard, stamps=stamps)) == {"stamps": "fault"}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.7e308, 5e-324])
def test_values_of_any_kind_are_judged(value: float) -> None:
    heard = sent()
    samples = heard.samples.astype(float)
    samples[::2] = value
    samples[0] = -1.7e308
    assert "fault" not in levels(replace(heard, samples=samples)).values()


def test_a_unit_that_is_not_announced_is_the_configs() -> None:
    heard = sent(units=("", ""))
    (finding,) = [
        f for f in signals.judge(heard, NO_OVERRIDES, "volts", True) if f.subject == "unit"
    ]
    assert level(finding) == "fault"
    assert "set stream.unit to microvolts" in finding.mend
    assert "unit" not in levels(heard)


def test_what_the_config_says_of_the_stream_counts() -> None:
    """Of one without a rate, and with a unit that nobody knows."""
    heard = sent(sample_rate=0.0, units=("n/a", "uV/count"))
    told = StreamConfig(sample_rate=160.0, unit="microvolts")
    found = {f.subject: f for f in signals.judge(heard, told, None, True)}
    assert {key: level(finding) for key, finding in found.items()} == {"rate": "ok", "unit": "ok"}
    assert levels(heard) == {}
    told = StreamConfig(sample_rate=128.0, unit="volts")
    found = {f.subject: f for f in signals.judge(heard, told, None, True)}
    assert "is to have 128 Hz (stream.sample_rate), its stamps say 160 Hz" in found["rate"].text
    assert "set stream.unit to microvolts" in found["unit"].mend


def test_raw_counts_are_not_taken_for_nanovolts() -> None:
    heard = sent()
    heard = replace(heard, samples=heard.samples * 1e3)
    (finding,) = [f for f in signals.judge(heard, NO_OVERRIDES, None, True) if f.subject == "unit"]
    assert "raw counts" in finding.mend
    nano = replace(heard, stream=replace(heard.stream, units=("nV",) * 2))
    assert levels(nano)["unit"] == "ok"


def test_dead_channels_are_named_and_a_cap_that_is_off_is_no_wrong_unit() -> None:
    heard = sent()
    samples = heard.samples.copy()
    samples[:, 1] = 7.0
    (finding,) = [
        f
        for f in signals.judge(replace(heard, samples=samples), NO_OVERRIDES, None, True)
        if f.subject == "channels"
    ]
    assert finding.text.endswith("not moving at all: Cz")
    samples[:, 1] = np.nan
    assert levels(replace(heard, samples=samples))["channels"] == "warning"
    assert levels(replace(heard, samples=heard.samples * 1e4))["unit"] == "warning"


def test_what_this_computer_says_can_be_asked() -> None:
    """Every probe gives facts, on whatever computer this runs."""
    assert all(card.address for card in network.cards(16571))
    assert all(free <= len(PORTS) for free in network.free_ports(PORTS))
    assert software.graphics().cards >= 0
    assert set(firewall.read()) <= set(firewall.TOOLS)
    assert machine.is_synchronised() in (True, False, None)
    assert abs(machine.Steps().seconds()) < 0.05
