"""The clients of docs/clients.md, run as printed against the daemon's outlet over real LSL."""

from __future__ import annotations

import importlib.util
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pylsl
import pytest
from documentation import ROOT, block, fenced

from daemon.outlet import Outlet
from daemon.records import Prediction

NAME, CLASSES = "EEGClassifier", ("rest", "left_fist", "right_fist")
SECONDS = 60.0


class Sender:
    """The daemon's output, saying what the test wants it to say."""

    def __init__(self) -> None:
        self.outlet: Outlet | None = None
        self.start()

    def start(self) -> None:
        self.outlet = Outlet(NAME, f"eegd-{NAME}-test", CLASSES, {"hop": "160"}, lambda marker: 0)

    def stop(self) -> None:
        if self.outlet is not None:
            self.outlet.close()
        self.outlet = None

    def say(self, label: str | None, *probabilities: float, reason: str | None = None) -> float:
        assert self.outlet is not None
        said = dict(zip(CLASSES, probabilities, strict=True)) if probabilities else None
        end = pylsl.local_clock()
        status = "abstain" if reason else "ok"
        self.outlet.push(Prediction(1, status, reason, label, said, end - 96, end, 0.0))
        return end

    def wait_for_consumers(self, *which: str) -> None:
        for each in which:
            outlet = getattr(self.outlet, f"_{each}")
            assert outlet.wait_for_consumers(SECONDS), f"nobody subscribed to {each}"


@pytest.fixture
def sender() -> Iterator[Sender]:
    sender = Sender()
    yield sender
    sender.stop()


class Client:
    """A running program and the lines it prints."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put("(ended)")

    def line(self) -> str:
        return self._lines.get(timeout=SECONDS)

    def line_with(self, text: str) -> str:
        """The next line that has ``text``."""
        while text not in (line := self.line()):
            assert line != "(ended)", f"ended without saying {text!r}"
        return line

    def close(self) -> None:
        self._process.kill()
        self._reader.join()


@contextmanager
def running(name: str, folder: Path, path: Sequence[Path] = ()) -> Iterator[Client]:
    """The client of that name in a process of its own, stand-ins on its path first."""
    program = folder / f"{name.replace('-', '_')}_client.py"
    program.write_text(block("clients.md", name), encoding="utf-8")
    start = f"import sys, runpy; sys.path[:0] = {[*map(str, path)]}; "
    start += f"runpy.run_path({str(program)!r}, run_name='__main__')"
    command = [sys.executable, "-c", start]
    with (
        (folder / "stderr.log").open("w+", encoding="utf-8") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        client = Client(process)
        try:
            yield client
        finally:
            client.close()
            print((folder / "stderr.log").read_text(encoding="utf-8"))  # noqa: T201


def test_pylsl(sender: Sender, tmp_path: Path) -> None:
    """Decisions, indecision and abstentions with their stamps, across a restart of the daemon."""
    with running("pylsl", tmp_path) as client:
        sender.wait_for_consumers("markers")
        end = sender.say("left_fist", 0.2, 0.7, 0.1)
        assert client.line().startswith(f"{end:.3f} left_fist (0.70), ")
        end = sender.say(None, 0.4, 0.3, 0.3)
        assert client.line() == f"{end:.3f} undecided"
        end = sender.say(None, reason="no sample for 1 s")
        assert client.line() == f"{end:.3f} abstains: no sample for 1 s"
        sender.stop()
        sender.start()
        sender.wait_for_consumers("markers")
        end = sender.say("rest", 0.8, 0.1, 0.1)
        assert client.line().startswith(f"{end:.3f} rest (0.80), ")


PSYCHOPY = """
import sys, time, types

class Window:
    def __init__(self, units, color):
        self.flipped, self.frames, self.late = time.monotonic(), 0, 0
    def flip(self):
        time.sleep(1 / 60)
        self.frames += 1
        self.late += time.monotonic() - self.flipped > 0.5
        self.flipped = time.monotonic()
    def close(self): print("late:", self.late, "of", self.frames, flush=True)

class TextStim:
    def __init__(self, window, height): self.text = self.drawn = ""
    def draw(self):
        if self.text != self.drawn: print(self.text, flush=True)
        self.drawn = self.text

def get_keys(wanted):
    import pathlib
    return wanted if pathlib.Path(__file__).with_name("escape").exists() else []

visual = types.SimpleNamespace(Window=Window, TextStim=TextStim)
event = types.SimpleNamespace(getKeys=get_keys)
core = types.SimpleNamespace(quit=sys.exit)
"""


def test_psychopy(sender: Sender, tmp_path: Path) -> None:
    """The frame loop, with stand-ins for PsychoPy's window, text and keyboard."""
    (tmp_path / "psychopy.py").write_text(PSYCHOPY, encoding="utf-8")
    with running("psychopy", tmp_path, [tmp_path]) as client:
        sender.wait_for_consumers("markers")
        assert client.line() == "..."
        sender.say("left_fist", 0.2, 0.7, 0.1)
        assert client.line_with("_") == "left_fist"
        assert client.line_with("...") == "...", "the decision has to expire"
        sender.say("rest", 0.8, 0.1, 0.1)
        sender.say("right_fist", 0.1, 0.1, 0.8)
        assert client.line_with("_") == "right_fist", "the newest counts"
        sender.say(None, reason="no sample for 1 s")
        assert client.line_with("...") == "..."
        sender.stop()
        sender.start()
        sender.wait_for_consumers("markers")
        sender.say("left_fist", 0.2, 0.7, 0.1)
        assert client.line_with("_") == "left_fist"
        (tmp_path / "escape").touch()
        late, frames = client.line_with("late:").split()[1::2]
        # A frame that waits for a marker takes seconds; one of a loaded machine may too.
        assert int(late) < 0.1 * int(frames)


@pytest.mark.skipif(
    importlib.util.find_spec("mne_lsl") is None,
    reason="needs MNE-LSL: pip install mne-lsl",
)
def test_mne_lsl(sender: Sender, tmp_path: Path) -> None:
    """Nothing for an abstention, and on after a restart of the daemon."""
    with running("mne-lsl", tmp_path) as client:
        sender.wait_for_consumers("probabilities")
        end = sender.say("left_fist", 0.2, 0.7, 0.1)
        assert client.line() == f"{end:.3f} rest 0.20, left_fist 0.70, right_fist 0.10"
        sender.say(None, reason="no sample for 1 s")
        end = sender.say("rest", 0.8, 0.1, 0.1)
        assert client.line() == f"{end:.3f} rest 0.80, left_fist 0.10, right_fist 0.10"
        sender.stop()
        sender.start()
        sender.wait_for_consumers("probabilities")
        end = sender.say("right_fist", 0.1, 0.1, 0.8)
        assert client.line() == f"{end:.3f} rest 0.10, left_fist 0.10, right_fist 0.80"


class OVStimulationSet(list[object]):
    """As OpenViBE's."""


class OVBox:
    """As OpenViBE's."""

    def __init__(self) -> None:
        self.input: list[list[object]] = [[]]


def test_openvibe(sender: Sender, capsys: pytest.CaptureFixture[str]) -> None:
    """The box's script, fed with the codes stream as OpenViBE's driver pulls it."""
    scope = {"OVBox": OVBox, "OVStimulationSet": OVStimulationSet}
    exec(block("clients.md", "openvibe"), scope)
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", f"{NAME}-codes")[0], recover=False)
    inlet.open_stream()
    sender.wait_for_consumers("codes")
    sender.say("left_fist", 0.2, 0.7, 0.1)
    sender.say(None, 0.4, 0.3, 0.3)
    box = scope["box"]
    for _ in range(2):
        (code,), _stamp = inlet.pull_sample(timeout=SECONDS)
        stimulation = type("OVStimulation", (), {"identifier": code})
        box.input[0].append(OVStimulationSet([stimulation]))  # type: ignore[attr-defined]
        box.process()  # type: ignore[attr-defined]
    assert capsys.readouterr().out.splitlines() == ["left_fist", "no decision"]


def test_the_marker_on_the_page_is_one_of_ours(sender: Sender) -> None:
    """The keys that the page explains are those that are sent, in their order."""
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", NAME)[0])
    inlet.open_stream()
    sender.wait_for_consumers("markers")
    sender.say("left_fist", 0.2, 0.7, 0.1)
    (text,), _ = inlet.pull_sample(timeout=SECONDS)
    [shown] = [shown for fence, shown in fenced(ROOT / "docs/clients.md") if fence == "json"]
    assert list(json.loads(text)) == list(json.loads(shown))
    assert text.isascii()
