"""The command line as a user meets it: one line for a mistake, the exit code, no traceback."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from programs import Program, eegd, finish, open_outlet, unique, write_config, write_contract

import daemon
from daemon.cli import main
from daemon.encoders.architectures import channel_lstm, common_lstm
from daemon.records import Float32
from daemon.rehearsal.demo import BUNDLE

edfio = pytest.importorskip("edfio", reason="needs the extra 'test'")
pytest.importorskip("mne", reason="needs the extra 'recordings'")
pytest.importorskip("pyxdf", reason="needs the extra 'recordings'")

DATA = Path(__file__).parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real recordings are not beside the repository"
)

RATE, WINDOW = 160, 20
CHANNELS = ("Fp1", "C3", "Oz")
CLASSES = ("rest", "left", "right")


def save_bundle(folder: Path, model: keras.Model, suffix: str = ".keras", **contract: Any) -> Path:
    """A bundle; the contract is that of this module but for what is given."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / f"model{suffix}")
    content = {
        "sample_rate": RATE,
        "window": WINDOW,
        "channels": list(CHANNELS),
        "unit": "microvolts",
        "classes": list(CLASSES),
    }
    write_contract(folder, **{**content, **contract})
    return folder


def small_model() -> keras.Model:
    return channel_lstm(WINDOW, len(CHANNELS), len(CLASSES), units=(4, 3))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_bundle(tmp_path_factory.mktemp("bundle") / "good", small_model())


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of the channels that the bundle wants."""
    path = tmp_path_factory.mktemp("recording") / "eeg.edf"
    noise = np.random.default_rng(0).normal(0, 20, (len(CHANNELS), 120 * RATE))
    signals = [
        edfio.EdfSignal(row, RATE, label=label, physical_dimension="uV", physical_range=(-200, 200))
        for label, row in zip(CHANNELS, noise.clip(-200, 200), strict=True)
    ]
    edfio.Edf(signals).write(path)
    return path


def config(folder: Path, model: Path, **sections: Any) -> Path:
    return write_config(folder, {"model": {"path": str(model)}, **sections})


def invoke(*arguments: str) -> tuple[int, str, str]:
    """``eegd`` within this process, which has TensorFlow already: exit code, output, errors."""
    result = CliRunner().invoke(main, [*arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def own(err: str) -> str:
    """Standard error without what liblsl says by itself, as it does where LSLAPICFG is set."""
    return "".join(
        line
        for line in err.splitlines(keepends=True)
        if not re.match(r"\S+ \S+ \( *[\d.]+s\) \[", line)
    )


def one_line(code: int, answer: tuple[int, str, str], *parts: str) -> str:
    """The line of a mistake: alone, with its exit code, and saying these parts."""
    got, out, err = answer
    assert "Traceback" not in err
    assert (got, out) == (code, ""), err
    (line,) = own(err).splitlines()
    assert line.startswith("eegd: ")
    for part in parts:
        assert part in line
    return line


# Mistakes in the config


def test_a_missing_config_is_named(tmp_path: Path) -> None:
    """By every command that takes one; as a process of its own."""
    path = tmp_path / "none.yaml"
    for arguments in (["run"], ["run", "--check"], ["score", "x.edf"]):
        answer = finish(*arguments, "-c", str(path))
        one_line(2, answer, f"config file {path} does not exist")


def test_an_encoding_without_arrows_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    code, out, err = finish("doctor", "-c", str(tmp_path / "none.yaml"), "--only", "machine")
    assert (code, err) == (1, "")
    assert "? correct it" in out


def test_a_folder_that_this_account_may_not_enter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)
    result = CliRunner().invoke(main, ["inspect", "closed/model.keras"])
    assert (result.exit_code, result.stderr) == (
        2,
        "eegd: closed/model.keras: this account may not go there\n",
    )


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"windows": {"hop": 1}}, "unknown key 'windows'"),
        ({"window": {"hops": 1}}, "unknown key 'window.hops'"),
        ({"window": {"hop": "160"}}, "window.hop"),
        ({"stream": {"name": 5}}, "stream.name"),
        ({"model": {"path": ["a"]}}, "model.path"),
        ({"model": {"contract": {"sample_rate": "fast"}}}, "model.contract.sample_rate"),
    ],
)
def test_an_unknown_key_or_a_wrong_type_is_named_with_its_file(
    content: dict[str, Any], part: str, tmp_path: Path
) -> None:
    path = write_config(tmp_path, {"model": {"path": "m.keras"}, **content})
    one_line(2, invoke("run", "-c", str(path)), str(path), part)


def test_a_config_that_is_not_yaml_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("model: {path: [\n", encoding="utf-8")
    one_line(2, invoke("run", "-c", str(path)), str(path), "not YAML")


# Mistakes in the model


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    for name in ("none.keras", "folder/none.h5"):
        path = config(tmp_path, tmp_path / name)
        for command in (["run"], ["run", "--check"]):
            answer = invoke(*command, "-c", str(path))
            one_line(2, answer, f"model {tmp_path / name} does not exist")
    one_line(2, invoke("inspect", str(tmp_path / "none.keras")), "does not exist")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_corrupt_model_is_named(suffix: str, tmp_path: Path) -> None:
    folder = save_bundle(tmp_path / "bundle", small_model(), suffix)
    model = folder / f"model{suffix}"
    content = model.read_bytes()
    for damaged in (content[: len(content) // 2], b"not a model", b""):
        model.write_bytes(damaged)
        one_line(2, invoke("run", "-c", str(config(tmp_path, folder))), str(model))


# The writer says, rightly, that a lambda should not be saved.
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_layer_is_refused(suffix: str, tmp_path: Path) -> None:
    """As a process of its own: TensorFlow's own words must not stand around the line."""
    eeg = keras.Input((WINDOW, len(CHANNELS)))
    doubled = keras.layers.Lambda(lambda x: 2 * x, name="doubled")(eeg)
    output = keras.layers.Dense(len(CLASSES), "softmax")(keras.layers.LSTM(3)(doubled))
    folder = save_bundle(tmp_path / "bundle", keras.Model(eeg, output), suffix)
    answer = finish("run", "-c", str(config(tmp_path, folder)))
    one_line(2, answer, str(folder / f"model{suffix}"), "'doubled'", "'Lambda'")


def test_swapped_axes_are_explained(tmp_path: Path) -> None:
    """The shape (channels, time) takes time for channels; it is never silently transposed."""
    swapped = common_lstm(len(CHANNELS), WINDOW, len(CLASSES), units=(4, 3))
    folder = save_bundle(tmp_path / "bundle", swapped)
    answer = invoke("run", "-c", str(config(tmp_path, folder)))
    one_line(2, answer, "swaps the axes", f"input_shape=({WINDOW}, {len(CHANNELS)})")


def test_a_wrong_number_of_classes_is_explained(tmp_path: Path) -> None:
    folder = save_bundle(tmp_path / "bundle", small_model(), classes=["rest", "left"])
    answer = invoke("run", "-c", str(config(tmp_path, folder)))
    one_line(2, answer, "(None, 3)", "2 classes (rest, left)")


# Mistakes in the recording


def scored(recording: Path, config: Path, *more: str) -> tuple[int, str, str]:
    return invoke("score", str(recording), "-c", str(config), *more)


def test_a_channel_that_the_recording_lacks_is_named(tmp_path: Path, recording: Path) -> None:
    folder = save_bundle(tmp_path / "bundle", small_model(), channels=["Fp1", "Pz", "Oz"])
    line = one_line(3, scored(recording, config(tmp_path, folder)), "missing channel Pz")
    assert "(it has Fp1, C3, Oz)" in line


def test_another_rate_of_the_recording_is_named(tmp_path: Path, recording: Path) -> None:
    folder = save_bundle(tmp_path / "bundle", small_model(), sample_rate=128)
    answer = scored(recording, config(tmp_path, folder))
    one_line(3, answer, "its rate is 160 Hz, the model needs 128 Hz")


def test_a_missing_or_unknown_recording_is_named(tmp_path: Path, bundle: Path) -> None:
    path = config(tmp_path, bundle)
    one_line(2, scored(tmp_path / "none.xdf", path), "none.xdf does not exist")
    (tmp_path / "notes.txt").touch()
    one_line(2, scored(tmp_path / "notes.txt", path), "notes.txt is none of .xdf")


@needs_data
def test_a_recording_of_another_host_is_not_scored(tmp_path: Path, bundle: Path) -> None:
    recording = DATA / "xdf" / "eeglab32_relayed_LSL_32ch.xdf"
    path = config(tmp_path, bundle, stream={"hostname": "nowhere"})
    one_line(2, scored(recording, path), "hostname", "nowhere")


@needs_data
def test_a_recording_without_eeg_says_what_it_holds(tmp_path: Path, bundle: Path) -> None:
    empty = DATA / "xdf" / "empty_streams.xdf"
    for answer in (scored(empty, config(tmp_path, bundle)), invoke("replay", str(empty))):
        one_line(2, answer, str(empty), "holds no EEG", "streams found")


def test_a_recording_that_is_cut_off_is_scored_as_far_as_it_is_whole(
    tmp_path: Path, recording: Path, bundle: Path
) -> None:
    """An EDF, in the middle of its samples; as a process of its own."""
    cut = tmp_path / "cut.edf"
    content = recording.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    code, out, err = finish("score", str(cut), "-c", str(config(tmp_path, bundle)))
    assert code == 0
    assert out.count("\n") > 2
    (line,) = [line for line in err.splitlines() if str(cut) in line]
    assert "cut off" in line
    assert "what is whole is read" in line


@needs_data
def test_an_xdf_that_is_cut_off_is_refused_if_asked(tmp_path: Path, bundle: Path) -> None:
    content = (DATA / "xdf" / "eeglab32_relayed_LSL_32ch.xdf").read_bytes()
    cut = tmp_path / "cut.xdf"
    for kept in (len(content) // 2, len(content) - 3, 1000):
        cut.write_bytes(content[:kept])
        score = scored(cut, config(tmp_path, bundle), "--strict")
        verify = invoke("verify", str(cut), "-c", str(config(tmp_path, bundle)), "--strict")
        for answer in (score, verify, invoke("replay", str(cut), "--strict")):
            one_line(2, answer, str(cut), "cut off")


def test_an_output_file_that_cannot_be_written_is_named(
    tmp_path: Path, recording: Path, bundle: Path
) -> None:
    for out in (tmp_path / "none" / "out.csv", tmp_path):
        code, _, err = scored(recording, config(tmp_path, bundle), "--out", str(out))
        assert code == 2
        assert "Traceback" not in err
        (line,) = [line for line in err.splitlines() if line.startswith("eegd: ")]
        assert f"--out {out} cannot be written" in line


# Mistakes on the command line


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["run", "--fast"], "No such option"),
        (["run", "-c"], "requires an argument"),
        (["replay"], "Missing argument 'RECORDING'"),
        (["simulate", "--rate", "fast"], "'fast' is not a valid float"),
        (["streams", "--wait", "-1"], "-1.0 is not in the range x>=0"),
        (["dashboard", "--port", "99999"], "99999 is not in the range 0<=x<=65535"),
    ],
)
def test_a_wrong_command_line_is_code_2(arguments: list[str], part: str) -> None:
    """In click's words: how it is used, where help is, and what was wrong."""
    code, out, err = finish(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if part in line]
    assert line == err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--classes", "sleep"], "sleep"),
        (["--speed", "0"], "the speed has to be greater than 0"),
        (["--seconds", "-1"], "the seconds to play have to be more than 0"),
        (["--rate", "1"], "rate of at least"),
        (["--truth", "none/truth.jsonl", "--seconds", "1"], "--truth none/truth.jsonl cannot be"),
        (["--burst", "9", "--seconds", "2", "--fault", "gap:at=11"], "is stopped at 11 s"),
    ],
)
def test_a_value_that_makes_no_sense_is_code_2(arguments: list[str], part: str) -> None:
    one_line(2, invoke("simulate", *arguments), part)


# What answers


def test_help_answers_at_once_and_names_every_command() -> None:
    """In less than 0.5 s: no command's own imports are paid for by a look at the help.

    TensorFlow alone takes seconds to import and pylsl or MNE tenths; click and this package take
    about 0.1. The best of five, since the machine may be busy with something else.
    """
    took = []
    for _ in range(5):
        start = time.monotonic()
        code, out, err = finish("--help")
        took.append(time.monotonic() - start)
        assert (code, err) == (0, "")
    for name in main.commands:
        assert re.search(rf"^  {name} ", out, re.MULTILINE), name
    assert min(took) < 0.5


def test_check_prints_the_plan_and_opens_nothing(bundle: Path, tmp_path: Path) -> None:
    path = config(
        tmp_path, bundle, stream={"name": "Amp"}, output={"name": "Out"}, window={"hop": 5}
    )
    code, out, err = finish("run", "-c", str(path), "--check")
    assert (code, err) == (0, "")
    plan = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert str(bundle / "model.keras") in plan["model"]
    assert f"({small_model().count_params():,} parameters)" in plan["model"]
    assert "name 'Amp'" in plan["stream"]
    assert plan["window"].startswith("20 steps at 160 Hz: 0.125 s")
    assert plan["hop"].startswith("5 steps")
    assert plan["channels"] == "Fp1, C3, Oz"
    assert plan["classes"] == "rest, left, right"
    assert plan["output"] == "Out, Out-probabilities, Out-codes"
    assert {"engine", "device"} <= set(plan)


def test_python_m_daemon_is_eegd() -> None:
    """The installed script calls the function that `python -m daemon` calls."""
    code, out, err = finish("--version")
    assert (code, out, err) == (0, f"eegd, version {daemon.__version__}\n", "")
    scripts = [
        script
        for script in importlib.metadata.entry_points(group="console_scripts", name="eegd")
        if script.dist and script.dist.name == "eeg-classifier-daemon"
    ]
    if not scripts:
        pytest.skip("the package is not installed, so there is no script")
    assert all(script.load() is main for script in scripts)


def test_streams_lists_what_lsl_offers(recording: Path) -> None:
    name = unique("Amp")
    outlet = open_outlet(name, 250.0, ("Fp1", "Cz"), source_id="serial-1", unit="volts")
    code, out, err = finish("streams", "--json")
    assert (code, own(err)) == (0, "")
    (stream,) = [stream for stream in json.loads(out) if stream["name"] == name]
    assert (stream["type"], stream["source_id"], stream["sample_rate"]) == ("EEG", "serial-1", 250)
    assert (stream["labels"], stream["units"]) == (["Fp1", "Cz"], ["volts", "volts"])
    assert stream["channel_format"] == "float32"
    code, out, err = finish("streams")
    assert (code, own(err)) == (0, "")
    lines = out.splitlines()
    (at,) = [n for n, line in enumerate(lines) if line.startswith(name)]
    assert lines[at].split()[1:2] + lines[at].split()[3:] == [
        *("EEG", "2", "250", "Hz", "float32", "volts", "does", "not", "fit")
    ]
    assert [line.strip() for line in lines[at + 1 : at + 3]] == [
        "labels: Fp1, Cz",
        "source_id: serial-1",
    ]
    assert "its rate is 250 Hz, the model needs 160 Hz" in " ".join(lines[at + 3 : at + 6])
    assert max(map(len, lines)) <= 80
    del outlet


def test_streams_says_whether_one_fits_the_config(
    tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By the config in the folder, or another; a broken one costs the answer, not the list."""
    name = unique("Amp")
    outlet = open_outlet(name, RATE, CHANNELS)
    other = config(tmp_path, bundle, stream={"name": "Another"})
    monkeypatch.chdir(tmp_path)

    def judged(*arguments: str) -> tuple[object, str]:
        code, out, _ = invoke("streams", "--wait", "0.3", "--json", *arguments)
        assert code == 0
        (said,) = [stream for stream in json.loads(out) if stream["name"] == name]
        return said["fits"], said["why"]

    assert judged() == (None, "")
    assert judged("-c", str(other)) == (False, "the config asks for type 'EEG', name 'Another'")
    here = tmp_path / "config.yaml"
    here.write_text(yaml.safe_dump({"model": {"path": str(bundle)}}))
    assert judged() == (True, "")
    here.write_text("models: {}")
    assert judged() == (None, "")
    assert "unknown key 'models'" in caplog.text
    one_line(2, invoke("streams", "-c", str(here)), "unknown key 'models'")
    del outlet


def test_streams_says_when_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an LSL session of its own, so that no other test's stream is there."""
    other = Path(os.environ["LSLAPICFG"]).read_text(encoding="utf-8")
    path = tmp_path / "lsl_api.cfg"
    path.write_text(re.sub("SessionID = .*", f"SessionID = {unique('none')}", other))
    monkeypatch.setenv("LSLAPICFG", str(path))
    code, out, _ = finish("streams")
    assert (code, out) == (0, "no streams found; `eegd doctor` looks for the reason\n")
    code, out, _ = finish("streams", "--json")
    assert (code, json.loads(out)) == (0, [])


def test_inspect_tells_of_the_shipped_bundle() -> None:
    """As a process of its own: nothing but the answer, on standard output."""
    code, out, err = finish("inspect", str(BUNDLE))
    assert (code, err) == (0, "")
    contract = yaml.safe_load((BUNDLE / "contract.yaml").read_text(encoding="utf-8"))
    facts = {
        key: value.strip() for key, _, value in (line.partition(" ") for line in out.splitlines())
    }
    assert re.fullmatch("[0-9a-f]{64}", facts["sha256"])
    assert facts["parameters"] == "132,614"
    assert facts["verdict"].startswith("trained and examined on SIMULATED EEG")
    assert float(facts["sample_rate"]) == 160
    assert facts["window"] == "15360"
    assert facts["channels"] == ", ".join(contract["channels"])
    assert facts["classes"] == ", ".join(contract["classes"])
    assert len(re.findall(r"^  LSTM +channel_lstm_\d+ +12$", out, re.MULTILINE)) == 32
    assert re.search(r"^  LSTM +common_lstm_0 +82,432$", out, re.MULTILINE)
    assert {"engine", "device"} <= set(facts)


def test_inspect_and_check_tell_machines_the_same(bundle: Path, tmp_path: Path) -> None:
    path = config(tmp_path, bundle, output={"name": "Out"})
    code, out, err = invoke("run", "-c", str(path), "--check", "--json")
    assert (code, err) == (0, "")
    checked = json.loads(out)
    assert checked.pop("config")["output"]["name"] == "Out"
    code, out, err = invoke("inspect", str(bundle), "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert {key for key in facts if facts[key] != checked[key]} <= {"engine_why"}
    assert facts["contract"]["channels"] == list(CHANNELS)
    assert facts["parameters"] == small_model().count_params()
    assert sum(layer["parameters"] for layer in facts["layers"]) == facts["parameters"]
    assert (facts["engine"], len(facts["sha256"])) == ("streaming", 64)
    bare = json.loads(invoke("inspect", str(bundle / "model.keras"), "--json")[1])
    assert (bare["contract"], bare["layers"]) == (None, facts["layers"])
    code, _, err = invoke("run", "-c", str(path), "--json")
    assert (code, "--json goes with --check" in err) == (2, True)


def test_bench_tells_machines_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    from daemon.bench import encoders as bench

    def measure(eeg: Float32, device: str, say: Callable[[str], object]) -> dict[str, object]:
        say("one window")
        return {"device": device, "hops": {160: 1}}

    monkeypatch.setattr(bench, "measure", measure)
    code, out, _ = invoke("bench", "--json", "--lsl-seconds", "0", "--device", "auto")
    assert (code, json.loads(out)) == (0, {"device": "auto", "hops": {"160": 1}})


def test_a_mistake_is_a_json_line_where_logs_are(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    code, out, err = finish("run", "-c", str(path), "--log-format", "json")
    assert (code, out) == (2, "")
    said = json.loads(err)
    assert (said["level"], said["message"]) == ("CRITICAL", f"config file {path} does not exist")


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment in which this `eegd` is a command."""
    script = tmp_path / "eegd"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m daemon "$@"\n')
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_commands_and_options(installed: dict[str, str]) -> None:
    script = """
        eval "$(eegd completion bash)"
        complete -p eegd
        for words in "eegd do" "eegd run --log-format js" "eegd streams --js"; do
            COMP_WORDS=($words); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            COMPREPLY=(); _eegd_completion eegd; echo "${COMPREPLY[@]}"
        done
    """
    done = subprocess.run(
        ["bash", "-euc", script], env=installed, capture_output=True, text=True, check=True
    )
    registered, *completed = done.stdout.splitlines()
    assert registered.endswith("_eegd_completion eegd")
    assert completed == ["doctor", "json", "--json"]
    assert done.stderr == ""


@pytest.mark.parametrize(("shell", "part"), [("zsh", "#compdef eegd"), ("fish", "complete ")])
def test_other_shells_get_their_scripts(shell: str, part: str) -> None:
    code, out, err = invoke("completion", shell)
    assert (code, err) == (0, "")
    assert part in out
    assert "_EEGD_COMPLETE" in out


def test_inspect_tells_of_a_bare_file(bundle: Path) -> None:
    code, out, err = invoke("inspect", str(bundle / "model.keras"))
    assert (code, err) == (0, "")
    assert "contract   none: a bare model file" in out
    assert f"parameters {small_model().count_params():,}" in out
    assert "sha256" not in out


# Programs that run until they are stopped


def processes_with(text: str) -> list[str]:
    """The command lines of all processes in which ``text`` occurs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if text in line:
            found.append(line)
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are listed in /proc")
def test_demo_shows_predictions_and_leaves_nothing_behind() -> None:
    """With nothing but the command: amplifier, daemon and view start, show lines, and go."""
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon", "demo", "--seconds", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = process.communicate(timeout=150)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, own(err)) == (0, "")
    assert out.startswith("The encoder was trained and examined on SIMULATED EEG")
    assert re.search(r"^The page is at http://127\.0\.0\.1:\d+/$", out, re.MULTILINE)
    heading, *lines, summary = out.partition("true class   recognised")[2].splitlines()
    classes = yaml.safe_load((BUNDLE / "contract.yaml").read_text(encoding="utf-8"))["classes"]
    assert heading.split() == classes
    # A window a second, the first one at once.
    assert len(lines) >= 3
    for line in lines:
        assert set(line.split()[:2]) <= set(classes), "the true and the recognised class"
        shares = [int(share) for share in re.findall(r"(\d+)%", line)]
        assert len(shares) == 6
        assert abs(sum(shares) - 100) <= 3
        assert line.count("*") == 1
    said = re.match(r"(\d+) of (\d+) windows named the class at their end", summary)
    assert said
    assert int(said[1]) <= int(said[2]) == len(lines)
    assert processes_with(f"eegd-demo-{process.pid}") == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are listed in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_demo_takes_its_processes_down(tmp_path: Path, number: int) -> None:
    """And is done within the time that it gives them."""
    with eegd(tmp_path, "demo") as program:
        amplifier = f"eegd-demo-{program.process.pid}-EEG"
        deadline = time.monotonic() + 30
        while not processes_with(amplifier):
            assert time.monotonic() < deadline, program.said()
            time.sleep(0.02)
        code, seconds = program.stop(number)
        assert processes_with(amplifier) == []
    assert code == 0
    assert seconds < 7  # 3 s for each of the two to go, had they to be killed
    assert own(program.said()) == ""


def test_simulate_ends_by_itself(tmp_path: Path) -> None:
    code, out, err = finish("simulate", "--seconds", "1", "--name", unique("Sim"))
    assert (code, out) == (0, "")
    assert "Traceback" not in err


def test_seconds_count_from_the_burst_with_faults_and_without(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    code, _, err = finish(
        "simulate", "--burst", "9", "--seconds", "2", "--fault", "gap:at=10.5,seconds=0.1",
        "--speed", "4", "--truth", str(truth), "--name", unique("Sim"),
    )  # fmt: skip
    assert (code, "Traceback" in err) == (0, False)
    said = [json.loads(line) for line in truth.read_text().splitlines()]
    assert sum(line.get("count", 0) for line in said) == pytest.approx(160 * 10.9, abs=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("command", ["simulate", "replay"])
def test_a_stopped_amplifier_ends_with_code_0_within_two_seconds(
    command: str, waits: bool, number: int, recording: Path, tmp_path: Path
) -> None:
    """While it plays, and while it still waits for somebody to listen."""
    name = unique("Amp")
    arguments = ["replay", str(recording), "--loop"] if command == "replay" else ["simulate"]
    arguments += ["--name", name, *(["--wait", "60"] if waits else [])]
    with eegd(tmp_path, *arguments) as program:
        program.wait_for("is open")
        code, seconds = program.stop(number)
    assert (code, seconds < 2) == (0, True)
    assert "Traceback" not in program.said()


def wait_for_rows(program: Program, out: Path) -> None:
    deadline = time.monotonic() + 60
    while not (out.exists() and out.read_bytes().count(b"\n") > 1):  # the first is the header
        assert program.process.poll() is None, f"ended early: {program.said()}"
        assert time.monotonic() < deadline, program.said()
        time.sleep(0.02)


@dataclass(frozen=True)
class Stopped:
    """How a `score` ended that was stopped half-way."""

    code: int
    seconds: float
    said: str
    out: Path


@pytest.fixture(scope="module", params=[signal.SIGINT, signal.SIGTERM])
def stopped_score(
    request: pytest.FixtureRequest,
    recording: Path,
    bundle: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Stopped:
    folder = tmp_path_factory.mktemp("stopped")
    out = folder / "out.csv"
    path = config(folder, bundle, window={"hop": 1}, engine={"kind": "window"})
    with eegd(folder, "score", str(recording), "-c", str(path), "--out", str(out)) as program:
        wait_for_rows(program, out)
        code, seconds = program.stop(request.param)
    return Stopped(code, seconds, program.said(), out)


def test_a_stopped_score_ends_at_once_without_a_traceback(stopped_score: Stopped) -> None:
    assert "Traceback" not in stopped_score.said
    assert stopped_score.seconds < 2


def test_a_stopped_score_says_so_and_keeps_whole_rows(stopped_score: Stopped) -> None:
    """Exit code 0, as of every command that is stopped by a signal."""
    assert stopped_score.code == 0
    assert "stopped" in stopped_score.said
    header, *rows = stopped_score.out.read_text(encoding="utf-8").splitlines()
    assert rows
    assert {row.count(",") for row in rows} == {header.count(",")}
