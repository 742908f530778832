"""Amplifiers that are none: simulated, replayed, and the demo with one."""

from __future__ import annotations

from pathlib import Path

import click

from daemon.chatter import quiet_liblsl
from daemon.cli.group import STRICT, main


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
        end = None if seconds is None else burst + seconds
        plan = lives(planned(faults, end, seed), end)
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
@STRICT
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
    strict: bool,
) -> None:
    """Play a recording (XDF, EDF, BDF, FIF, SET) as an LSL stream, its markers beside it."""
    from daemon.recordings.reading import read_recording

    quiet_liblsl()
    from daemon.rehearsal.replay import play
    from daemon.rehearsal.sources import recording_source
    from daemon.stop import Stop

    source = recording_source(
        read_recording(recording, name=stream, type=kind, strict=strict), name=name, loop=loop
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
