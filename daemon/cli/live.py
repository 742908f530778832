"""The daemon at work, and what looks at it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from daemon.chatter import import_tensorflow, quiet_liblsl
from daemon.cli.group import CONFIG, leave, log_json_lines, main


@main.command()
@CONFIG
@click.option(
    "--check", is_flag=True, help="Validate config and model, run one window, print the plan, exit."
)
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
        log_json_lines()
    config = load_config(config_path)
    with stopped_at_once(), hangups() as reloads:
        quiet_liblsl()
        if check:
            import_tensorflow(gpu=config.engine.device != "cpu")
            from daemon import model
            from daemon.encoders import engines
            from daemon.encoders.described import model_facts

            loaded, plan = model.load(config)
            # What a run would find out at its start, this has to find out too.
            _, plan = engines.build(plan, loaded.contract.step_rate)
            if as_json:
                facts = model_facts(loaded.network, loaded, plan)
                facts["config"] = config.model_dump(mode="json")
                click.echo(json.dumps(facts, indent=2))
            else:
                click.echo(model.plan_text(config, loaded, plan))
            return
        from daemon import live

        live.serve(config_path, config, reloads)
    leave()


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
    from daemon.runtime import systemd

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
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9465,
    show_default=True,
    help="0 takes any that is free.",
)
@click.option("--token", help="What the address must hold [default: one is made beyond loopback].")
def dashboard(name: str, metrics: str | None, host: str, port: int, token: str | None) -> None:
    """A live view in the browser; one more LSL client, which only listens."""
    quiet_liblsl()
    from daemon.views import session as views
    from daemon.views.page.server import serve

    with views.observing(name, metrics) as (observer, stop):
        serve(observer, host, port, token, stop, lambda url: click.echo(f"dashboard on {url}"))


@main.command()
@OUTPUT
@METRICS
def watch(name: str, metrics: str | None) -> None:
    """A live view in the terminal; one more LSL client, which only listens."""
    quiet_liblsl()
    from daemon.views import session as views
    from daemon.views.watch import watch

    with views.observing(name, metrics) as (observer, stop):
        watch(observer, stop)
