"""The command line: one function a command; `assembly` and `live` put its parts together.

Imports stand inside the commands, so that `eegd --help` answers at once and TensorFlow is loaded
only by commands that run a model.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from daemon import __version__
from daemon.chatter import import_tensorflow, quiet_liblsl
from daemon.errors import EegdError, UsageError, with_extra
from daemon.text import clean

if TYPE_CHECKING:
    from daemon.encoders.engines import Device
    from daemon.records import Prediction, StreamDescription

log = logging.getLogger("daemon")

_JSON_LINES = "daemon.json_lines"  # key of what the commands of one run share

_config = partial(
    click.option,
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path("config.yaml"),
)
CONFIG = _config(show_default=True, help="The config file.")
CONFIG_IF_ANY = _config(help="The config file  [default: config.yaml, where there is one]")


_MARKERS = (
    click.option("--compare", is_flag=True, help="Compare with the true classes in the file."),
    click.option("--markers", help="The marker stream that tells them [default: every one]."),
    click.option(
        "--map",
        "names",
        multiple=True,
        metavar="MARKER=CLASS",
        help="Which class a marker begins, or with no class ends [default: that of its name].",
    ),
)


def _with_markers(command: Any) -> Any:
    for option in reversed(_MARKERS):
        command = option(command)
    return command


def _mapped(names: tuple[str, ...]) -> dict[str, str]:
    split = [name.rpartition("=") for name in names]
    for name, (marker, _, _) in zip(names, split, strict=True):
        if not marker:
            raise click.UsageError(f"--map {name} is not MARKER=CLASS")
    return {marker: label for marker, _, label in split}


class _Group(click.Group):
    """Turns an error for people into its one line and its exit code, a signal into 0."""

    def invoke(self, ctx: click.Context) -> Any:
        # Until a command knows better (`daemon.stop.Stop`), SIGTERM is a Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except EegdError as error:
            if ctx.meta.get(_JSON_LINES):
                log.critical("%s", error)
            else:
                click.echo(f"eegd: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("eegd: stopped", err=True)
            _leave()


def _log_json_lines() -> None:
    from daemon.ops.jsonlines import JsonLines

    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonLines())
    click.get_current_context().meta[_JSON_LINES] = True


def _leave(code: int = 0) -> NoReturn:
    """End at once: tearing down TensorFlow, or a hanging LSL query, can take long."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _stop_at_once() -> None:
    """Until the command is done, a signal ends it whatever it is at."""
    from daemon.stop import stopped_at_once

    click.get_current_context().with_resource(stopped_at_once())


def _if_any(config_path: Path) -> Path | None:
    """``config_path``, or None where it is only the default and there is no such file."""
    return config_path if _is_asked_for("config_path") or config_path.exists() else None


def _is_asked_for(option: str) -> bool:
    """Whether ``option`` was given, and is not only its default."""
    source = click.get_current_context().get_parameter_source(option)
    return source is not ParameterSource.DEFAULT


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="eegd")
def main() -> None:
    """Real-time EEG classifier: LSL stream in, class probabilities out."""
    logging.basicConfig(
        format="%(asctime)s %(levelname)-7s %(message)s", level=logging.INFO, stream=sys.stderr
    )
    # NumPy's products here are those of one window's step: a second thread only costs.
    for library in ("OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


@main.command()
@CONFIG
@click.option("--check", is_flag=True, help="Validate config and model, print the plan, exit.")
@click.option("--json", "as_json", is_flag=True, help="The plan of --check for machines.")
@click.option(
    "--log-format",
    type=click.Choice(("lines", "json")),
    default="lines",
    show_default=True,
    show_envvar=True,
    envvar="EEGD_LOG_FORMAT",
    help="Log lines for people, or a JSON object a line.",
)
def run(config_path: Path, check: bool, as_json: bool, log_format: str) -> None:
    """The daemon: classify a live EEG stream until stopped."""
    from daemon.config import load_config
    from daemon.stop import hangups, stopped_at_once

    if as_json and not check:
        raise click.UsageError("--json goes with --check")
    if log_format == "json":
        _log_json_lines()
    config = load_config(config_path)
    with stopped_at_once(), hangups() as reloads:
        quiet_liblsl()
        import_tensorflow(gpu=config.engine.device != "cpu")
        if check:
            from daemon import assembly

            loaded, plan = assembly.load(config)
            if as_json:
                facts = assembly.model_facts(loaded.model, loaded, plan)
                facts["config"] = config.model_dump(mode="json")
                click.echo(json.dumps(facts, indent=2))
            else:
                click.echo(assembly.plan_text(config, loaded, plan))
            return
        from daemon import live

        live.serve(config_path, config, reloads)
    _leave()


@main.command()
@click.argument("recording", type=click.Path(path_type=Path))
@CONFIG
@click.option("--out", type=click.Path(path_type=Path), help="CSV file [default: standard output].")
@_with_markers
def score(
    recording: Path,
    config_path: Path,
    out: Path | None,
    compare: bool,
    markers: str | None,
    names: tuple[str, ...],
) -> None:
    """The same pipeline over a recording, as fast as it goes."""
    _stop_at_once()
    from daemon.config import load_config
    from daemon.rehearsal.recordings import read_recording

    config = load_config(config_path)
    source = read_recording(
        recording,
        type=config.stream.type,
        name=config.stream.name,
        source_id=config.stream.source_id,
        hostname=config.stream.hostname,
        markers=markers,
    )
    import_tensorflow(gpu=config.engine.device != "cpu")
    from daemon import assembly, offline
    from daemon.rehearsal.compared import told

    loaded, plan = assembly.load(config)
    truth = None
    if compare or markers or names:  # a wrong one is said before the work
        truth = told(source, loaded.contract.classes, _mapped(names))
    pipeline, _ = offline.connected(config, loaded, plan, source)
    predictions: list[Prediction] = []

    from daemon.rehearsal.scoring import write_predictions

    with click.progressbar(length=len(source.stamps), label="scoring", file=sys.stderr) as progress:
        write_predictions(
            pipeline,
            source,
            loaded.contract.classes,
            out,
            progress.update,
            # A long recording has millions.
            keep=predictions.append if truth is not None else None,
        )
    counts = pipeline.counts
    log.info(
        "%d predictions, %d abstained, %d gaps in %d samples",
        counts.ok,
        counts.abstained,
        pipeline.gaps,
        counts.samples,
    )
    if truth is not None:
        found = offline.compare(predictions, truth, config, loaded.contract)
        click.echo(found.text(), err=out is None)


@main.command()
@click.argument("session", type=click.Path(path_type=Path))
@CONFIG
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=1e-5,
    show_default=True,
    help="By which a probability may differ.",
)
@_with_markers
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def verify(
    session: Path,
    config_path: Path,
    tolerance: float,
    compare: bool,
    markers: str | None,
    names: tuple[str, ...],
    as_json: bool,
) -> None:
    """Recompute every prediction in a recorded session (XDF); exit code 1 if one differs."""
    _stop_at_once()
    from daemon.config import load_config
    from daemon.rehearsal.session import read_session

    config = load_config(config_path)
    recorded = read_session(session, config.stream.given, config.output.name, markers)
    import_tensorflow(gpu=config.engine.device != "cpu")
    from daemon import assembly, offline
    from daemon.rehearsal.compared import told

    loaded, plan = assembly.load(config)
    truth = None
    if compare or markers or names:
        truth = told(recorded.eeg, loaded.contract.classes, _mapped(names))
    with click.progressbar(
        length=len(recorded.predictions), label="verifying", file=sys.stderr
    ) as progress:
        found = offline.verify(
            recorded, config, loaded, plan, tolerance=tolerance, advance=progress.update
        )
    text, content = found.text(), found.as_dict()
    if truth is not None:
        against = offline.compare(recorded.on_eeg_clock, truth, config, loaded.contract)
        text, content["comparison"] = f"{text}\n{against.text()}", against.as_dict()
    click.echo(json.dumps(content, indent=2) if as_json else text)
    if found.faults():
        raise EegdError(f"session {session} does not agree: {'; '.join(found.faults())}")


@main.command()
@click.argument("training_path", metavar="TRAINING.yaml", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The bundle: a new folder."
)
@click.option(
    "--also-random",
    is_flag=True,
    help="Evaluate on a random split too, which over-states, beside the honest one.",
)
def train(training_path: Path, out: Path, also_random: bool) -> None:
    """Recordings → a model bundle, evaluated honestly; killed, it goes on where it was."""
    _stop_at_once()
    # Thousands of small steps, one after another, of which a GPU starts each anew: on an H100 a
    # batch takes 55 times as long as on the 16 cores beside it.
    import_tensorflow(gpu=False)
    try:
        from daemon.training.settings import load_training
        from daemon.training.train import train
    except ImportError as error:
        raise UsageError(f"eegd train needs {error.name}: {with_extra('train')}") from None

    def say(text: str) -> None:
        # In the place of the bar, which is drawn anew below.
        click.echo("\r\x1b[K" * sys.stderr.isatty(), file=sys.stderr, nl=False)
        log.info("%s", text)

    training = load_training(training_path)
    with click.progressbar(length=1000, label="training", file=sys.stderr) as progress:
        verdict = train(
            training,
            out,
            also_random=also_random,
            say=say,
            advance=lambda share: progress.update(round(1000 * share) - progress.pos),
        )
    click.echo(f"{out}: {verdict}")
    click.echo(f"report     {out / 'report.md'}")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The bundle: a new folder."
)
@click.option("--sample-rate", help="Hz.")
@click.option("--channels", help="Labels in the model's order, separated by commas.")
@click.option("--unit", help="volts, millivolts or microvolts.")
@click.option("--classes", help="In the order of the model's outputs, separated by commas.")
@click.option("--window", help="Steps, of a model that takes any number.")
def bundle(model: Path, out: Path, **given: str | None) -> None:
    """A bare Keras file → a bundle; asks for what the file does not say."""
    import_tensorflow()
    from daemon.encoders import bare

    contract = bare.adopt(model, out, given, click.prompt if sys.stdin.isatty() else None)
    click.echo(
        f"{out}: {contract.window} steps of {len(contract.channels)} channels, {bare.VERDICT}"
    )


class _WithFaults(click.Command):
    """Its help ends with how faults are written."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from daemon.rehearsal.faults import spelling

        formatter.write(f"\nFaults, with their defaults, in seconds of EEG:\n{spelling()}\n")


@main.command(cls=_WithFaults)
@click.option("--name", default="SimulatedEEG", show_default=True, help="The stream's name.")
@click.option("--rate", default=160.0, show_default=True, help="Samples per second.")
@click.option("--classes", help="Only these, separated by commas [default: all six].")
@click.option("--seed", default=0, show_default=True)
@click.option("--seconds", type=float, help="Stop after so many, beside the burst.")
@click.option("--speed", default=1.0, show_default=True, help="Times real time.")
@click.option(
    "--burst", default=0.0, show_default=True, help="Seconds that are sent at once first."
)
@click.option("--wait", type=float, help="Seconds to wait for a consumer before starting.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND:at=S,…",
    help="What goes wrong and when, as listed below; may be given several times.",
)
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    help="File that receives what was sent and what went wrong, as JSON lines.",
)
def simulate(
    name: str,
    rate: float,
    classes: str | None,
    seed: int,
    seconds: float | None,
    speed: float,
    burst: float,
    wait: float | None,
    faults: tuple[str, ...],
    truth: Path | None,
) -> None:
    """A 32-channel EEG amplifier on LSL, announcing its true class on <name>-classes."""
    quiet_liblsl()
    from daemon.rehearsal import amplifier
    from daemon.rehearsal.faults import planned
    from daemon.rehearsal.life import Amplifier, lives
    from daemon.rehearsal.replay import play
    from daemon.rehearsal.simulator import CLASSES, Simulator
    from daemon.rehearsal.sources import simulator_source
    from daemon.stop import Stop

    chosen = tuple(label.strip() for label in classes.split(",")) if classes else CLASSES
    source = simulator_source(Simulator(rate, seed, chosen), name=name)
    if faults or truth:
        plan = lives(planned(faults, seconds, seed), seconds)
        simulated = Amplifier(name, rate, chosen, seed, speed, burst, wait, truth)
        with Stop().signals() as stop:
            amplifier.simulate(simulated, plan, stop, quiet_liblsl)
        return
    with Stop().signals() as stop:
        play(source, speed=speed, burst=burst, seconds=seconds, stop=stop, wait_for_consumer=wait)


@main.command()
@click.argument("recording", type=click.Path(path_type=Path))
@click.option("--name", help="Name of the stream [default: the recording's].")
@click.option("--stream", help="Which stream of an XDF file with several: its name.")
@click.option("--type", "kind", default="EEG", show_default=True, help="Which stream: its type.")
@click.option("--speed", default=1.0, show_default=True, help="Times real time.")
@click.option(
    "--burst", default=0.0, show_default=True, help="Seconds that are sent at once first."
)
@click.option("--seconds", type=float, help="Stop after so many, beside the burst.")
@click.option("--loop", is_flag=True, help="Start over at the end.")
@click.option("--wait", type=float, help="Seconds to wait for a consumer before starting.")
def replay(
    recording: Path,
    name: str | None,
    stream: str | None,
    kind: str,
    speed: float,
    burst: float,
    seconds: float | None,
    loop: bool,
    wait: float | None,
) -> None:
    """Play a recording (XDF, EDF, BDF, FIF, SET) as an LSL stream, its markers beside it."""
    from daemon.rehearsal.recordings import read_recording

    quiet_liblsl()
    from daemon.rehearsal.replay import play
    from daemon.rehearsal.sources import recording_source
    from daemon.stop import Stop

    source = recording_source(
        read_recording(recording, name=stream, type=kind), name=name, loop=loop
    )
    with Stop().signals() as stop:
        play(source, speed=speed, burst=burst, seconds=seconds, stop=stop, wait_for_consumer=wait)


@main.command()
@click.option("--seconds", type=float, help="Stop after so many [default: at Ctrl-C].")
def demo(seconds: float | None) -> None:
    """Simulated amplifier, daemon and page in the browser: no hardware, no model, no config."""
    quiet_liblsl()
    from daemon.rehearsal.demo import Demo
    from daemon.stop import Stop

    with Stop().signals() as stop, Demo(click.echo) as shown:
        shown.show(seconds, stop)


OUTPUT = click.option(
    "--name", default="EEGClassifier", show_default=True, help="The daemon's output.name."
)
METRICS = click.option(
    "--metrics", metavar="URL", help="Its metrics [default: as announced, on this machine]."
)


@main.command()
@OUTPUT
@METRICS
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the page is served.")
@click.option("--port", default=9465, show_default=True, help="0 takes any that is free.")
@click.option("--token", help="What the address must hold [default: one is made beyond loopback].")
def dashboard(name: str, metrics: str | None, host: str, port: int, token: str | None) -> None:
    """A live view in the browser; one more LSL client, which only listens."""
    quiet_liblsl()
    from daemon.ops import views
    from daemon.ops.page.server import serve

    with views.observing(name, metrics) as (observer, stop):
        serve(observer, host, port, token, stop, lambda url: click.echo(f"dashboard on {url}"))


@main.command()
@OUTPUT
@METRICS
def watch(name: str, metrics: str | None) -> None:
    """A live view in the terminal; one more LSL client, which only listens."""
    quiet_liblsl()
    from daemon.ops import views
    from daemon.ops.watch import watch

    with views.observing(name, metrics) as (observer, stop):
        watch(observer, stop)


@main.command()
@CONFIG
@click.option("--user", help="Run under this account [default: one of its own].")
@click.option(
    "--realtime", is_flag=True, help="Let it go before every ordinary program of this computer."
)
@click.option("--install", is_flag=True, help="Write the unit instead of printing it.")
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    default=Path("/etc/systemd/system/eegd.service"),
    show_default=True,
    help="Where --install writes it.",
)
def service(config_path: Path, user: str | None, realtime: bool, install: bool, to: Path) -> None:
    """A hardened systemd unit that runs the daemon: print it, or install it."""
    from daemon.config import load_config
    from daemon.ops import systemd

    config = load_config(config_path)
    program = Path(sys.executable)
    for what, path in (("config", config_path), ("model", config.model.path), ("eegd", program)):
        systemd.require_readable(what, path, user)
    unit = systemd.unit(
        config_path,
        log=config.output.log,
        gpu=config.engine.device != "cpu",
        user=user,
        realtime=realtime,
    )
    if not install:
        click.echo(unit, nl=False)
        return
    systemd.install(unit, to)
    click.echo(f"{to} written; start it now and at every boot with:")
    click.echo(f"  systemctl daemon-reload && systemctl enable --now {to.stem}")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def inspect(model: Path, as_json: bool) -> None:
    """A model's layers, parameters and contract, which engine will run it, and why."""
    import_tensorflow()
    from daemon.config import WindowConfig
    from daemon.encoders import architectures, engines, loading

    loaded = loading.load(model, None) if model.is_dir() else None
    network = loaded.model if loaded else loading.load_keras(model)
    window = network.inputs[0].shape[1] or architectures.WINDOW
    plan = engines.plan(network, "auto", "auto", window=window, hop=WindowConfig().hop)
    if as_json:
        from daemon import assembly

        click.echo(json.dumps(assembly.model_facts(network, loaded, plan), indent=2))
        return
    if loaded:
        contract = loaded.contract
        click.echo(f"bundle     {loaded.bundle_sha256 or 'no manifest: made by hand'}")
        click.echo(f"sha256     {loaded.sha256}")
        click.echo(f"verdict    {loaded.verdict or 'none (no report with this model)'}")
        for key, value in contract:
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else value
            click.echo(f"{key:<12} {shown}")
    else:
        click.echo("contract   none: a bare Keras file; write one under model.contract")
    click.echo(f"parameters {network.count_params():,}")
    for layer in network.layers:
        name, parameters = clean(layer.name), layer.count_params()
        click.echo(f"  {type(layer).__name__:<14} {name:<24} {parameters:>10,}")
    click.echo(f"engine     {plan.kind}: {plan.why}")
    click.echo(f"device     {plan.device}: {plan.device_why}")


@main.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """A script for a shell, which then completes commands and options.

    For bash, `eval "$(eegd completion bash)"` in ~/.bashrc; for zsh likewise in ~/.zshrc; for fish,
    `eegd completion fish > ~/.config/fish/completions/eegd.fish`.
    """
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(main, {}, "eegd", "_EEGD_COMPLETE").source())


@main.command()
@CONFIG_IF_ANY
@click.option("--wait", default=1.0, show_default=True, help="Seconds to listen for answers.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def streams(config_path: Path, wait: float, as_json: bool) -> None:
    """What LSL offers, with labels and units, and whether it fits the config's model."""
    quiet_liblsl()
    from daemon.config import load_config
    from daemon.contract import read_contract
    from daemon.inlet import list_streams
    from daemon.ops import listing

    judged: Callable[[StreamDescription], listing.Offer] = listing.Offer
    if path := _if_any(config_path):
        try:
            config = load_config(path)
            contract = read_contract(config.model.path, config.model.contract)
            judged = partial(listing.judged, config=config, contract=contract)
        except UsageError as error:
            if _is_asked_for("config_path"):
                raise
            log.warning("%s; whether streams fit is not said", error)
    offers = [judged(stream) for stream in list_streams(wait)]
    if as_json:
        click.echo(json.dumps([offer.as_dict() for offer in offers], indent=2))
    else:
        click.echo(
            listing.table(offers)
            if offers
            else "no streams found; `eegd doctor` looks for the reason"
        )


@main.command()
@CONFIG_IF_ANY
@click.option(
    "--wait",
    type=click.FloatRange(min=1),
    default=3.0,
    show_default=True,
    help="Seconds to listen to the streams.",
)
@click.option(
    "--only",
    type=click.Choice(("machine", "network", "streams", "software")),
    multiple=True,
    help="Leave the other parts out; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def doctor(config_path: Path, wait: float, only: tuple[str, ...], as_json: bool) -> None:
    """What is wrong with this computer, network or stream, and what mends it.

    Exit code 1 if there is a fault, 0 if not; warnings do not count.
    """
    quiet_liblsl()
    from daemon.ops import doctor
    from daemon.ops.doctor.finding import count, exit_code, lines

    findings = []
    width = shutil.get_terminal_size().columns
    for finding in doctor.examine(_if_any(config_path), wait, only or doctor.PARTS):
        findings.append(finding)
        if not as_json:
            click.echo(lines(finding, width))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        click.echo(f"\n{count(findings)}")
    _leave(exit_code(findings))


@main.command()
@click.option(
    "--lsl-seconds",
    default=30.0,
    show_default=True,
    help="Length of each of four runs over LSL; 0 leaves them out.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "gpu", "auto"]),
    default="cpu",
    show_default=True,
    help="What the engines and Keras run on; PyTorch and ONNX Runtime always run on the CPU.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def bench(lsl_seconds: float, device: Device, as_json: bool) -> None:
    """How fast this machine runs the encoders, beside Keras, PyTorch and ONNX Runtime."""
    import_tensorflow(gpu=device != "cpu")
    from daemon.ops import bench, loopback
    from daemon.rehearsal.demo import BUNDLE
    from daemon.rehearsal.simulator import Simulator

    quiet_liblsl()
    eeg, _ = Simulator(160, seed=0).next(bench.SAMPLES)
    figures = bench.measure(eeg, device, say=log.info)
    if lsl_seconds:
        figures["loopback"] = []
        for rate, hop in ((160, 1920), (160, 160), (512, 1920), (512, 160)):
            log.info("over LSL at %d Hz, hop %d", rate, hop)
            figures["loopback"].append(
                loopback.measure(BUNDLE, rate=rate, hop=hop, seconds=lsl_seconds, device=device)
            )
    click.echo(json.dumps(figures, indent=2) if as_json else bench.table(figures))


if __name__ == "__main__":
    main()
