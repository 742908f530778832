"""One fault as a case: the real daemon and a simulated amplifier that fails as planned."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import pylsl
from amplifier_truth import Truth, read_truth
from programs import eegd, open_inlet, unique, write_config, write_contract

from daemon.encoders.architectures import channel_lstm
from daemon.rehearsal.faults import PROCESS

RATE, WINDOW, HOP, STALL = 160, 800, 40, 1.0
PATIENCE = 300.0  # seconds for things that a loaded machine makes slow, and that no case is about
CHANNELS = ("Fp1", "F3", "C3", "O1", "O2", "C4", "Cz", "Pz")
CLASSES = ("rest", "left", "right")

_COUNTED = re.compile(
    r"stopped after (?P<samples>\d+) samples: (?P<ok>\d+) predictions, (?P<abstained>\d+) "
    r"abstained, (?P<skipped>\d+) windows skipped, (?P<gaps>\d+) gaps, (?P<filled>\d+) samples"
)


@dataclass(frozen=True)
class Case:
    """A fault and what it may do.

    Attributes
    ----------
    faults : tuple of str
        As ``eegd simulate --fault`` takes them.
    seconds, speed : float
        Of the amplifier.
    abstains : tuple of str
        Parts of reasons, each of which is published at least once.
    tolerance : float
        Seconds by which a window's end may differ from the stamp that was sent.
    within : float
        Seconds until the first good prediction, from the end of the fault.
    plain : bool
        Part of the plain test run.
    refused : bool
        The amplifier sends while it is refused, and that is not counted.
    """

    name: str
    faults: tuple[str, ...]
    seconds: float
    speed: float = 4.0
    abstains: tuple[str, ...] = ()
    tolerance: float = 0.003
    within: float = WINDOW / RATE + 2
    plain: bool = False
    refused: bool = False
    seed: int = 1


@dataclass
class Outcome:
    """What came of a case; from SIGTERM at ``stop`` (monotonic) it took ``stop_seconds``."""

    truth: Truth
    markers: list[dict[str, Any]]
    counted: dict[str, int]
    log: str
    exit_code: int
    stop: float
    stop_seconds: float
    reasons: Counter[str] = field(init=False)

    def __post_init__(self) -> None:
        self.reasons = Counter(m["reason"] for m in self.markers if m["status"] == "abstain")

    @property
    def ok(self) -> list[dict[str, Any]]:
        return [marker for marker in self.markers if marker["status"] == "ok"]

    @property
    def lost(self) -> int:
        """Samples that had arrived when their stream was lost or refused, as the daemon says."""
        lost = re.findall(r"was lost, and with it (\d+) samples", self.log)
        refused = re.findall(r"(\d+) samples that had arrived are left out", self.log)
        return sum(map(int, lost + refused))

    def first_good(self) -> list[float]:
        """Seconds until the first good prediction after each fault.

        From the stamp that ends it to the window's; where the process was hit, from the opening
        of its outlet, or its waking, to the receipt of the marker.
        """
        waits = []
        for number, life in enumerate(self.truth.lives):
            if number:
                waits.append(self._received_after(life.opened))
            for fault in life.faults:
                if fault["kind"] not in PROCESS:
                    end = life.ends(fault)
                    later = [m["window_end"] for m in self.ok if m["window_end"] >= end]
                    waits.append(min(later) - end if later else float("inf"))
        waits += [
            self._received_after(event["time"])
            for event in self.truth.happened
            if event.get("over") == "freeze"
        ]
        return waits

    def _received_after(self, moment: float) -> float:
        later = [marker["received"] for marker in self.ok if marker["received"] >= moment]
        return min(later) - moment if later else float("inf")

    def silence_until_said(self) -> list[float]:
        """Seconds from each freeze to the abstention's receipt."""
        waits = []
        for event in self.truth.happened:
            if event.get("struck") == "freeze":
                said = [
                    marker["received"]
                    for marker in self.markers
                    if marker["status"] == "abstain" and marker["received"] > event["time"]
                ]
                waits.append(min(said) - event["time"] if said else float("inf"))
        return waits


def write_bundle(folder: Path) -> keras.Model:
    """A small channel encoder, and its bundle in ``folder``.

    As Keras draws them, its weights would forget in 50 steps. These remember longer, and hear
    microvolts without saturating. Yet longer memory would let float32's rounding grow past 1e-5.
    """
    keras.utils.set_random_seed(11)
    model = channel_lstm(WINDOW, len(CHANNELS), len(CLASSES), units=(16, 8))
    for layer in model.layers:
        if isinstance(layer, keras.layers.LSTM):
            kernel, recurrent, bias = layer.get_weights()
            bias[layer.units : 2 * layer.units] = 3.0  # the forget gates'
            scale = 0.005 if layer.name.startswith("channel") else 1.0
            layer.set_weights([scale * kernel, 0.5 * recurrent, bias])
    model.save(folder / "model.keras")
    write_contract(folder, sample_rate=RATE, window=WINDOW, channels=CHANNELS, classes=CLASSES)
    return model


def run_case(
    case: Case, bundle: Path, folder: Path, watch: Callable[[int], object] = id
) -> Outcome:
    """Daemon and amplifier from start to end; everything that was published and counted.

    ``watch`` is called with the daemon's process id as soon as that publishes.
    """
    name, output = unique("Amp"), unique("Out")
    config = write_config(
        folder,
        {
            "stream": {"name": name},
            "model": {"path": str(bundle)},
            "window": {"hop": HOP},
            "quality": {"stall_after": STALL},
            "output": {"name": output},
        },
    )
    truth = folder / f"{name}.jsonl"
    options = {
        "--name": name,
        "--seconds": case.seconds,
        "--speed": case.speed,
        "--seed": case.seed,
        "--truth": truth,
        "--wait": PATIENCE,
    }
    arguments = [str(part) for option in options.items() for part in option]
    arguments += [part for fault in case.faults for part in ("--fault", fault)]
    markers: list[dict[str, Any]] = []
    done = threading.Event()

    def listen() -> None:
        while not done.is_set():
            sample, stamp = inlet.pull_sample(timeout=0.2)
            if sample is not None:
                received = pylsl.local_clock()
                markers.append({**json.loads(sample[0]), "stamp": stamp, "received": received})

    with eegd(folder, "run", "-c", str(config)) as daemon:
        inlet = open_inlet(output, PATIENCE, buffer=36000)
        listener = threading.Thread(target=listen)
        listener.start()
        watch(daemon.process.pid)
        try:
            with eegd(folder, "simulate", *arguments) as amplifier:
                # Beside others it may be slow to start, and each life lingers for a second.
                code = amplifier.process.wait(PATIENCE + 2 * case.seconds / case.speed + 60)
                assert code == 0, amplifier.said()
                assert "Traceback" not in amplifier.said(), amplifier.said()
            _wait_until_lost(daemon)
            begin = time.monotonic()
            daemon.process.send_signal(signal.SIGTERM)
            daemon.wait_for("stopped after", PATIENCE)
            seconds = time.monotonic() - begin
            code = daemon.process.wait(PATIENCE)
            log = daemon.said()
            found = _COUNTED.search(log)
            assert found, f"no counters in {log}"
            counted = {key: int(value) for key, value in found.groupdict().items()}
            expected = counted["ok"] + counted["abstained"]
            deadline = time.monotonic() + 5
            while len(markers) < expected and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            done.set()
            listener.join()
    return Outcome(read_truth(truth), markers, counted, log, code, begin, seconds)


def _wait_until_lost(daemon: Any) -> None:
    """All that was sent has been answered when the daemon says that the stream is gone."""
    deadline = time.monotonic() + PATIENCE
    said = daemon.said()
    while said.rfind("was lost") < said.rfind("connected to stream"):
        assert time.monotonic() < deadline, f"the end was not noticed: {said}"
        time.sleep(0.05)
        said = daemon.said()
