"""This computer: its streams, its faults, its speed, its shell."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.chatter import import_tensorflow, quiet_liblsl
from daemon.cli.group import CONFIG_IF_ANY, if_any, is_asked_for, leave, main, stop_at_once
from daemon.errors import UsageError

if TYPE_CHECKING:
    from daemon.encoders.plan import Device
    from daemon.records import StreamDescription

log = logging.getLogger("daemon")


@main.command()
@CONFIG_IF_ANY
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Seconds to listen for answers.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def streams(config_path: Path, wait: float, as_json: bool) -> None:
    """What LSL offers, with labels and units, and whether it fits the config's model."""
    stop_at_once()
    quiet_liblsl()
    from daemon.config import load_config
    from daemon.contract import read_contract
    from daemon.doctor import listing
    from daemon.inlet import list_streams

    judged: Callable[[StreamDescription], listing.Offer] = listing.Offer
    if path := if_any(config_path):
        try:
            config = load_config(path)
            contract = read_contract(config.model.path, config.model.contract)
            judged = partial(listing.judged, config=config, contract=contract)
        except UsageError as error:
            if is_asked_for("config_path"):
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
    stop_at_once()
    quiet_liblsl()
    from daemon import doctor
    from daemon.doctor.finding import count, exit_code, lines

    findings = []
    width = shutil.get_terminal_size().columns
    for finding in doctor.examine(if_any(config_path), wait, only or doctor.PARTS):
        findings.append(finding)
        if not as_json:
            click.echo(lines(finding, width))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        click.echo(f"\n{count(findings)}")
    leave(exit_code(findings))


@main.command()
@click.option(
    "--lsl-seconds",
    type=click.FloatRange(min=0),
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
    from daemon.bench import encoders as bench
    from daemon.bench import loopback
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
