"""What the daemon would have said, and what it said, about a recording."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.chatter import import_tensorflow
from daemon.cli.group import CONFIG, STRICT, main, stop_at_once
from daemon.errors import EegdError
from daemon.text import marker_text

if TYPE_CHECKING:
    from daemon.records import Prediction

log = logging.getLogger("daemon")


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
    return {marker_text(marker): label for marker, _, label in split}


@main.command()
@click.argument("recording", type=click.Path(path_type=Path))
@CONFIG
@click.option("--out", type=click.Path(path_type=Path), help="CSV file [default: standard output].")
@_with_markers
@STRICT
def score(
    recording: Path,
    config_path: Path,
    out: Path | None,
    compare: bool,
    markers: str | None,
    names: tuple[str, ...],
    strict: bool,
) -> None:
    """The same pipeline over a recording, as fast as it goes."""
    stop_at_once()
    from daemon.config import load_config
    from daemon.contract import read_contract
    from daemon.recordings.reading import read_for_model

    config = load_config(config_path)
    contract = read_contract(config.model.path, config.model.contract)
    source = read_for_model(recording, contract, config.stream, markers, strict=strict)
    import_tensorflow(gpu=config.engine.device != "cpu")
    from daemon import model, recompute
    from daemon.offline.performance_report import told

    loaded, plan = model.load(config)
    truth = None
    if compare or markers or names:  # a wrong one is said before the work
        truth = told(source, loaded.contract.classes, _mapped(names))
    pipeline, _ = recompute.connected(config, loaded, plan, source)
    predictions: list[Prediction] = []

    from daemon.offline.scoring import write_predictions

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
        found = recompute.compare(predictions, truth, config, loaded.contract)
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
@STRICT
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def verify(
    session: Path,
    config_path: Path,
    tolerance: float,
    compare: bool,
    markers: str | None,
    names: tuple[str, ...],
    strict: bool,
    as_json: bool,
) -> None:
    """Recompute every prediction in a recorded session (XDF); exit code 1 if one differs."""
    stop_at_once()
    from daemon.config import load_config
    from daemon.offline.session import read_session

    config = load_config(config_path)
    recorded = read_session(
        session, config.stream.given, config.output.name, markers, strict=strict
    )
    import_tensorflow(gpu=config.engine.device != "cpu")
    from daemon import model, recompute
    from daemon.offline.performance_report import told

    loaded, plan = model.load(config)
    truth = None
    if compare or markers or names:
        truth = told(recorded.eeg, loaded.contract.classes, _mapped(names))
    with click.progressbar(
        length=len(recorded.predictions), label="verifying", file=sys.stderr
    ) as progress:
        found = recompute.verify(
            recorded, config, loaded, plan, tolerance=tolerance, advance=progress.update
        )
    text, content = found.text(), found.as_dict()
    if truth is not None:
        against = recompute.compare(recorded.on_eeg_clock, truth, config, loaded.contract)
        text, content["comparison"] = f"{text}\n{against.text()}", against.as_dict()
    click.echo(json.dumps(content, indent=2) if as_json else text)
    if found.faults():
        raise EegdError(f"session {session} does not agree: {'; '.join(found.faults())}")
