"""The command itself: how it is called, how it ends, and the options that commands share."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from daemon import __version__
from daemon.beside import is_at_work
from daemon.errors import EegdError, UsageError

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
STRICT = click.option(
    "--strict", is_flag=True, help="Refuse a damaged recording instead of reading what is whole."
)
CONFIG_IF_ANY = _config(help="The config file  [default: config.yaml, where there is one]")


class _Group(click.Group):
    """Turns an error for people into its one line and its exit code, a signal into 0."""

    def invoke(self, ctx: click.Context) -> Any:
        # Until a command knows better (`daemon.stop.Stop`), SIGTERM is a Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except EegdError as error:
            _end(ctx, error)
        except PermissionError as error:
            if error.filename is None:
                raise
            _end(ctx, UsageError(f"{error.filename}: this account may not go there"))
        except KeyboardInterrupt:
            click.echo("eegd: stopped", err=True)
            leave()


def _end(ctx: click.Context, error: EegdError) -> NoReturn:
    if ctx.meta.get(_JSON_LINES):
        log.critical("%s", error)
    else:
        click.echo(f"eegd: {error}", err=True)
    if is_at_work():
        leave(error.exit_code)
    ctx.exit(error.exit_code)


def log_json_lines() -> None:
    from daemon.runtime.json_log import JsonLines

    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonLines())
    click.get_current_context().meta[_JSON_LINES] = True


def leave(code: int = 0) -> NoReturn:
    """End at once: tearing down TensorFlow, or a hanging LSL query, can take long."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def stop_at_once() -> None:
    """Until the command is done, a signal ends it whatever it is at."""
    from daemon.stop import stopped_at_once

    click.get_current_context().with_resource(stopped_at_once())


def if_any(config_path: Path) -> Path | None:
    """``config_path``, or None where it is only the default and there is no such file."""
    return config_path if is_asked_for("config_path") or config_path.exists() else None


def is_asked_for(option: str) -> bool:
    """Whether ``option`` was given, and is not only its default."""
    source = click.get_current_context().get_parameter_source(option)
    return source is not ParameterSource.DEFAULT


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="eegd")
def main() -> None:
    """Real-time EEG classifier: LSL stream in, class probabilities out."""
    # Signs that a terminal or a file in another encoding does not have are no reason to fail.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        # A descriptor of its own: the other one is put aside while TensorFlow is imported.
        sys.stderr = os.fdopen(
            os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors="replace"
        )
    logging.basicConfig(
        format="%(asctime)s %(levelname)-7s %(message)s", level=logging.INFO, stream=sys.stderr
    )
    from daemon.runtime.repeats import Repeats

    for handler in logging.getLogger().handlers:
        repeats = Repeats()
        handler.addFilter(repeats)
        # The handlers of a program that calls this one within itself are its own.
        click.get_current_context().call_on_close(partial(handler.removeFilter, repeats))
    # NumPy's products here are those of one window's step: a second thread only costs.
    for library in ("OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
