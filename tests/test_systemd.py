"""A real socket in systemd's place hears what the service says; the unit says what it should."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon.cli import main
from daemon.errors import UsageError
from daemon.runtime import systemd
from daemon.runtime.systemd import Systemd

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """The socket that systemd listens on, and how it names it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@eegd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if name.startswith("@") else name)
        listening.setblocking(False)
        yield listening, name


def heard(listening: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(listening.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_what_the_service_says_arrives(manager: tuple[socket.socket, str]) -> None:
    listening, name = manager
    service = Systemd({"NOTIFY_SOCKET": name})
    service.ready()
    before = time.monotonic_ns() // 1000
    service.reloading()
    service.stopping()
    service.close()
    service.ready()
    ready, reloading, stopping = heard(listening)
    assert (ready, stopping) == ("READY=1", "STOPPING=1")
    state, _, at = reloading.partition("\nMONOTONIC_USEC=")
    assert state == "RELOADING=1"
    assert before <= int(at) <= time.monotonic_ns() // 1000


def test_the_watchdog_is_fed_each_half_of_its_time_and_a_status_said_once(
    manager: tuple[socket.socket, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listening, name = manager
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    service = Systemd({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "4000000"})
    for tick in range(100):  # ten seconds
        now = 100.0 + tick / 10
        status = "waiting" if tick < 50 else "classifying"
        service.beat(lambda status=status: status)  # type: ignore[misc]
    said = heard(listening)
    assert said.count("WATCHDOG=1") == 5
    assert [one for one in said if one != "WATCHDOG=1"] == ["STATUS=waiting", "STATUS=classifying"]
    service.close()


def test_another_process_is_not_watched(manager: tuple[socket.socket, str]) -> None:
    listening, name = manager
    service = Systemd({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"})
    service.beat(lambda: "waiting")
    assert heard(listening) == ["STATUS=waiting"]
    service.close()


def test_nobody_who_listens_is_no_trouble(tmp_path: Path) -> None:
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "none")}):
        service = Systemd(environment)
        service.ready()
        service.beat(lambda: "waiting")
        service.close()


def test_a_systemd_that_does_not_read_keeps_nobody_waiting(
    manager: tuple[socket.socket, str],
) -> None:
    service = Systemd({"NOTIFY_SOCKET": manager[1]})
    start = time.perf_counter()
    for n in range(5000):
        service.beat(lambda n=n: f"status {n}")  # type: ignore[misc]
    assert time.perf_counter() - start < 5
    service.close()


def directives(unit: str) -> list[str]:
    return [line for line in unit.splitlines() if line and line[0] not in "#["]


def test_the_unit_is_hardened_and_watched(tmp_path: Path) -> None:
    lines = directives(systemd.unit(tmp_path / "config.yaml", log=None, gpu=False, user=None))
    command = f"ExecStart={sys.executable} -m daemon run -c {tmp_path / 'config.yaml'}"
    for line in (
        command,
        "Type=notify",
        "WatchdogSec=30",
        "TimeoutStopSec=30",
        "Restart=on-failure",
        "RestartPreventExitStatus=2",
        "DynamicUser=yes",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    ):
        assert lines.count(line) == 1, line
    assert not [line for line in lines if line.startswith(("ReadWritePaths", "MemoryDeny"))]


def test_the_unit_goes_before_ordinary_programs_only_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    for realtime in (False, True):
        unit = systemd.unit(tmp_path / "c.yaml", log=None, gpu=False, user=None, realtime=realtime)
        lines = [line for line in directives(unit) if line.startswith("CPUScheduling")]
        wanted = ["CPUSchedulingPolicy=rr", "CPUSchedulingPriority=1"]
        assert lines == (wanted if realtime else [])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "eegd.service"
    text = systemd.unit(tmp_path / "c.yaml", log=None, gpu=False, user=None, realtime=True)
    for unit, fine in ((text, True), (text.replace("=rr", "=fastest"), False)):
        systemd.install(unit, path)
        said = subprocess.run(
            ["systemd-analyze", "verify", str(path)], capture_output=True, text=True
        )
        assert (said.returncode == 0 and not said.stderr) == fine, said.stderr


def test_the_unit_follows_the_config_and_quotes_its_paths(tmp_path: Path) -> None:
    odd = tmp_path / 'My $lab 100% "new"'
    lines = directives(systemd.unit(odd / "c.yaml", log=odd / "m.jsonl", gpu=True, user="lab"))
    path = str(tmp_path) + "/My {}lab 100%% " + r"\"new\""
    (command,) = [line for line in lines if line.startswith("ExecStart=")]
    assert command.endswith(f' run -c "{path.format("$$")}/c.yaml"')
    assert f'ReadWritePaths="{path.format("$")}"' in lines
    assert "User=lab" in lines
    assert "DynamicUser=yes" not in lines


def test_an_apostrophe_is_quoted() -> None:
    lines = directives(systemd.unit(Path("/srv/anna's/c.yaml"), log=None, gpu=True, user=None))
    (command,) = [line for line in lines if line.startswith("ExecStart=")]
    assert command.endswith(""" -c "/srv/anna's/c.yaml\"""")


def test_what_the_account_cannot_read_is_warned_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    private = tmp_path / "private"
    private.mkdir(0o700)
    (private / "config.yaml").touch(0o644)
    with pytest.raises(UsageError, match=r"config .* does not exist"):
        systemd.require_readable("config", private / "none.yaml", None)
    with caplog.at_level(logging.WARNING):
        systemd.require_readable("config", private / "config.yaml", "lab")
        systemd.require_readable("program", Path("/bin/sh"), None)
        assert not caplog.text
        systemd.require_readable("config", private / "config.yaml", None)
    assert "--user" in caplog.text


def test_the_command_prints_the_unit_or_writes_it_where_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "m").touch()
    path = tmp_path / "config.yaml"
    path.write_text("model: {path: m}", encoding="utf-8")
    command = ["service", "-c", str(path), "--user", "lab"]
    printed = CliRunner().invoke(main, command)
    assert printed.exit_code == 0
    assert f" run -c {path}\n" in printed.stdout
    unit = tmp_path / "eegd.service"
    assert CliRunner().invoke(main, [*command, "--install", "--to", str(unit)]).exit_code == 0
    assert unit.read_text() == printed.stdout
    for refused in ([*command, "--install", "--to", str(tmp_path)], ["service", "-c", "none"]):
        result = CliRunner().invoke(main, refused)
        assert (result.exit_code, result.stderr[:6]) == (2, "eegd: ")
