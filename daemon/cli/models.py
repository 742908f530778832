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
@click.option("--unit", help="volts, millivolts, microvolts or nanovolts.")
@click.option("--classes", help="In the order of the model's outputs, separated by commas.")
@click.option("--window", help="Steps, of a model that takes any number.")
@click.option("--layout", help="How a window lies in its input, as [channels, steps, 1].")
@click.option("--output", help="probabilities or logits [default: probabilities].")
def bundle(
    model: Path | None,
    out: Path,
    architecture: Path | None,
    weights: Path | None,
    replace: tuple[str, ...],
    **given: str | None,
) -> None:
    """A bare model file or SavedModel → a bundle; asks for what the file does not say."""
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
    click.echo(f"{out}: {contract.window} steps of {len(contract.inputs)} channels, {bare.VERDICT}")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def inspect(model: Path, as_json: bool) -> None:
    """A model's layers, parameters and contract, which engine will run it, and why."""
    import_tensorflow()
    from daemon.encoders.described import described

    facts = described(model)
    click.echo(json.dumps(facts.as_dict(), indent=2) if as_json else facts.text())
