"""The command line: one function a command, and the only place where parts are put together.

Imports stand inside the commands, so that `eegd --help` answers at once and TensorFlow is loaded
only by commands that run a model.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon import __version__
from daemon.chatter import import_tensorflow, quiet_liblsl
from daemon.errors import EegdError

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.encoders.engines import Plan
    from daemon.encoders.loading import LoadedModel
    from daemon.pipeline import Engine, Pipeline

log = logging.getLogger("daemon")

CONFIG = click.option(
    "-c",
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path("config.yaml"),
    show_default=True,
    help="The config file.",
)


class _Group(click.Group):
    """Turns an error for people into its one line and its exit code, a signal into 0."""

    def invoke(self, ctx: click.Context) -> Any:
        # Until a command knows better (`daemon.stop.Stop`), SIGTERM is a Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except EegdError as error:
            click.echo(f"eegd: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("eegd: stopped", err=True)
            ctx.exit(0)


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
def run(config_path: Path, check: bool) -> None:
    """The daemon: classify a live EEG stream until stopped."""
    from daemon.config import load_config

    config = load_config(config_path)
    loaded, plan = _load(config)
    if check:
        click.echo(_plan_text(config, loaded, plan))
        return
    from functools import partial

    quiet_liblsl()
    from daemon.outlet import Outlet
    from daemon.service import Service
    from daemon.stop import Stop

    engine, plan = _engine(config, loaded, plan, loaded.contract.sample_rate)
    contract = loaded.contract
    with Stop().signals() as stop:
        outlet = Outlet(
            config.output.name,
            config.output.source_id,
            contract.classes,
            {
                "model": loaded.sha256,
                "window": str(contract.window),
                "hop": str(config.window.hop),
                "sample_rate": f"{contract.sample_rate:g}",
                "engine": plan.kind,
                "input_stream": str(config.stream),
            },
            config.output.log,
        )
        Service(
            wanted=config.stream,
            resolve_timeout=config.stream.resolve_timeout,
            pick=partial(contract.pick, channels=config.stream.channels, unit=config.stream.unit),
            pipeline=_pipeline(config, loaded, engine),
            outlet=outlet,
            answer_all=plan.kind == "streaming",
            stall_after=config.quality.stall_after,
            stop=stop.is_set,
        ).run()


@main.command()
@click.argument("recording", type=click.Path(path_type=Path))
@CONFIG
@click.option("--out", type=click.Path(path_type=Path), help="CSV file [default: standard output].")
def score(recording: Path, config_path: Path, out: Path | None) -> None:
    """The same pipeline over a recording, as fast as it goes."""
    from daemon.config import load_config
    from daemon.rehearsal.recordings import read_recording

    config = load_config(config_path)
    source = read_recording(
        recording,
        type=config.stream.type,
        name=config.stream.name,
        source_id=config.stream.source_id,
    )
    loaded, plan = _load(config)
    pick = loaded.contract.pick(
        source.stream, channels=config.stream.channels, unit=config.stream.unit
    )
    for assumption in pick.assumptions:
        log.warning("recording %s: %s", recording, assumption)
    engine, _ = _engine(config, loaded, plan, None)
    pipeline = _pipeline(config, loaded, engine)

    from daemon.conditioning import Conditioning
    from daemon.rehearsal.scoring import write_predictions

    pipeline.connect(Conditioning(pick.indices, pick.scales))
    with click.progressbar(length=len(source.stamps), label="scoring", file=sys.stderr) as progress:
        write_predictions(pipeline, source, loaded.contract.classes, out, progress.update)
    counts = pipeline.counts
    log.info(
        "%d predictions, %d abstained, %d gaps in %d samples",
        counts.ok,
        counts.abstained,
        pipeline.gaps,
        counts.samples,
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
    """Simulated amplifier, daemon and a live view: no hardware, no model, no config."""
    quiet_liblsl()
    from daemon.rehearsal.demo import Demo
    from daemon.stop import Stop

    with Stop().signals() as stop, Demo(click.echo) as shown:
        shown.show(seconds, stop)


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
def inspect(model: Path) -> None:
    """A model's layers, parameters and contract, which engine will run it, and why."""
    import_tensorflow()
    from daemon.config import WindowConfig
    from daemon.encoders import architectures, engines, loading

    if model.is_dir():
        loaded = loading.load(model, None)
        network, contract = loaded.model, loaded.contract
        click.echo(f"sha256     {loaded.sha256}")
        click.echo(f"verdict    {loaded.verdict or 'none (no report with this model)'}")
        for key, value in contract.model_dump().items():
            shown = ", ".join(map(str, value)) if isinstance(value, tuple) else value
            click.echo(f"{key:<12} {shown}")
    else:
        network = loading.load_keras(model)
        click.echo("contract   none: a bare Keras file; write one under model.contract")
    click.echo(f"parameters {network.count_params():,}")
    for layer in network.layers:
        click.echo(f"  {type(layer).__name__:<14} {layer.name:<24} {layer.count_params():>10,}")
    window = network.inputs[0].shape[1] or architectures.WINDOW
    plan = engines.plan(network, "auto", "auto", window=window, hop=WindowConfig().hop)
    click.echo(f"engine     {plan.kind}: {plan.why}")
    click.echo(f"device     {plan.device}: {plan.device_why}")


@main.command()
@click.option("--wait", default=1.0, show_default=True, help="Seconds to listen for answers.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def streams(wait: float, as_json: bool) -> None:
    """What LSL offers, with labels and units."""
    quiet_liblsl()
    from daemon.inlet import list_streams

    found = list_streams(wait)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(stream) for stream in found], indent=2))
        return
    if not found:
        click.echo("no streams found")
    for stream in found:
        rate = f"{stream.sample_rate:g} Hz" if stream.sample_rate else "irregular"
        labels = ", ".join(filter(None, stream.labels)) or "no labels"
        units = ", ".join(sorted(set(filter(None, stream.units)))) or "no unit"
        click.echo(str(stream))
        click.echo(f"  {stream.channel_count} x {stream.channel_format}, {rate}, {units}: {labels}")


@main.command()
@click.option(
    "--lsl-seconds",
    default=30.0,
    show_default=True,
    help="Length of each of four runs over LSL; 0 leaves them out.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def bench(lsl_seconds: float, as_json: bool) -> None:
    """How fast this machine runs the encoders, beside Keras, PyTorch and ONNX Runtime."""
    import_tensorflow()
    from daemon.ops import bench, loopback
    from daemon.rehearsal.demo import BUNDLE

    quiet_liblsl()
    figures = bench.measure(say=log.info)
    if lsl_seconds:
        figures["loopback"] = []
        for rate, hop in ((160, 1920), (160, 160), (512, 1920), (512, 160)):
            log.info("over LSL at %d Hz, hop %d", rate, hop)
            figures["loopback"].append(
                loopback.measure(BUNDLE, rate=rate, hop=hop, seconds=lsl_seconds)
            )
    click.echo(json.dumps(figures, indent=2) if as_json else bench.table(figures))


def _load(config: Config) -> tuple[LoadedModel, Plan]:
    """The model of ``config``, checked against its contract, and how it will be run."""
    import_tensorflow()
    from daemon.encoders import engines, loading

    loaded = loading.load(config.model.path, config.model.contract)
    plan = engines.plan(
        loaded.model,
        config.engine.kind,
        config.engine.device,
        window=loaded.contract.window,
        hop=config.window.hop,
    )
    return loaded, plan


def _engine(
    config: Config, loaded: LoadedModel, plan: Plan, sample_rate: float | None
) -> tuple[Engine, Plan]:
    from daemon.encoders import engines

    log.info("device %s: %s", plan.device, plan.device_why)
    engine, plan = engines.build(
        plan,
        loaded.model,
        per_channel=loaded.per_channel,
        window=loaded.contract.window,
        hop=config.window.hop,
        sample_rate=sample_rate,
    )
    log.info("engine %s: %s", plan.kind, plan.why)
    log.info("model %s: %s", loaded.path, loaded.verdict or "no report with it")
    return engine, plan


def _pipeline(config: Config, loaded: LoadedModel, engine: Engine) -> Pipeline:
    from daemon.decision import Decision
    from daemon.pipeline import Pipeline
    from daemon.timeline import Timeline

    contract = loaded.contract
    return Pipeline(
        timeline=Timeline(contract.sample_rate, config.quality.fill_up_to),
        engine=engine,
        decision=Decision(
            contract.classes,
            threshold=config.decision.threshold,
            smoothing=config.decision.smoothing,
            temperature=contract.temperature,
        ),
        classes=contract.classes,
        window=contract.window,
        hop=config.window.hop,
        max_filled=config.quality.max_filled,
    )


def _plan_text(config: Config, loaded: LoadedModel, plan: Plan) -> str:
    contract = loaded.contract
    seconds = contract.window / contract.sample_rate
    return "\n".join(
        f"{key:<12} {value}"
        for key, value in {
            "model": f"{loaded.path} ({loaded.model.count_params():,} parameters)",
            "verdict": loaded.verdict or "none (no report with this model)",
            "device": f"{plan.device}: {plan.device_why}",
            "engine": f"{plan.kind}: {plan.why}",
            "stream": str(config.stream),
            "window": f"{contract.window} steps at {contract.sample_rate:g} Hz: {seconds:g} s",
            "hop": f"{config.window.hop} samples: {config.window.hop / contract.sample_rate:g} s",
            "channels": ", ".join(contract.channels),
            "classes": ", ".join(contract.classes),
            "output": ", ".join(
                config.output.name + suffix for suffix in ("", "-probabilities", "-codes")
            ),
        }.items()
    )


if __name__ == "__main__":
    main()
