"""Models: trained, wrapped into a bundle, looked at."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import click

from daemon.chatter import import_tensorflow
from daemon.cli.group import main, stop_at_once
from daemon.errors import UsageError, with_extra
from daemon.text import clean

log = logging.getLogger("daemon")


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
    stop_at_once()
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
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The bundle: a new folder."
)
@click.option(
    "--architecture",
    type=click.Path(path_type=Path),
    help="In place of MODEL: the JSON file of model.to_json(), with --weights.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="The HDF5 file of model.save_weights() that goes with it.",
)
@click.option(
    "--replace",
    multiple=True,
    metavar="LAYER=OPERATION",
    help="What a Lambda layer does, as in lambda_1=squeeze:2; once for each.",
)
@click.option("--sample-rate", help="Hz.")
@click.option("--channels", help="Labels in the model's order, separated by commas.")
@click.option("--unit", help="volts, millivolts or microvolts.")
@click.option("--classes", help="In the order of the model's outputs, separated by commas.")
@click.option("--window", help="Steps, of a model that takes any number.")
def bundle(
    model: Path | None,
    out: Path,
    architecture: Path | None,
    weights: Path | None,
    replace: tuple[str, ...],
    **given: str | None,
) -> None:
    """A bare Keras file or SavedModel → a bundle; asks for what the file does not say."""
    path = model or weights
    if path is None or (model is None) != (architecture is not None) or (model and weights):
        raise click.UsageError("give MODEL, or --architecture and --weights")
    import_tensorflow()
    from daemon.encoders import bare
    from daemon.encoders.replacement import replacements

    contract = bare.adopt(
        path,
        out,
        given,
        click.prompt if sys.stdin.isatty() else None,
        architecture=architecture,
        replaced=replacements(replace),
    )
    click.echo(
        f"{out}: {contract.window} steps of {len(contract.channels)} channels, {bare.VERDICT}"
    )


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def inspect(model: Path, as_json: bool) -> None:
    """A model's layers, parameters and contract, which engine will run it, and why."""
    import_tensorflow()
    from daemon.config import WindowConfig
    from daemon.encoders import architectures, engines, loading

    loaded = loading.load(model, None) if loading.is_bundle(model) else None
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
