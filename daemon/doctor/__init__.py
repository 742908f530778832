"""What is wrong with this computer, its network or the streams on it, in plain words.

A part asks the system (`cards`, `disk`, `listen`, …) and judges the plain facts that come of it
(`judge…`), so that a judgement can be tested with facts of any other computer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pylsl

from daemon.config import Config, StreamConfig, load_config
from daemon.contract import Contract, read_contract
from daemon.discovery import matches
from daemon.doctor import firewall, listing, lslconfig, machine, network, signals, software, streams
from daemon.doctor.finding import Finding, fault, ok, warning
from daemon.errors import UsageError
from daemon.overrides import NO_OVERRIDES

PARTS = ("machine", "network", "streams", "software")


def examine(path: Path | None, seconds: float, parts: tuple[str, ...] = PARTS) -> Iterator[Finding]:
    """What there is to say about ``parts``, as soon as it is known.

    Parameters
    ----------
    path : Path or None
        The config; None: the defaults, and no model.
    seconds : float
        How long streams are listened to.
    parts : tuple of str
        Of `PARTS`.
    """
    question = software.Question() if "software" in parts else None
    config, contract, findings = _asked(path)
    yield from findings
    steps = machine.Steps()
    lsl = lslconfig.look()
    if "machine" in parts:
        yield from _machine(config, contract)
    if "network" in parts:
        yield from _network(lsl)
    if "streams" in parts:
        yield from _streams(config, contract, seconds, lsl.ports)
    if "machine" in parts:
        yield machine.judge_clock(machine.is_synchronised(), steps.seconds())
    if question is not None:
        yield software.judge_lsl(pylsl.library_version(), pylsl.protocol_version())
        tensorflow = question.answer()
        yield software.judge_tensorflow(tensorflow)
        device = config.engine.device if config else "auto"
        gpu = software.judge_gpu(tensorflow, software.graphics(), device)
        if gpu is not None:
            yield gpu


def _asked(path: Path | None) -> tuple[Config | None, Contract | None, list[Finding]]:
    """What the config asks for, as far as it is valid."""
    if path is None:
        text = "no config.yaml here: any one stream of type EEG will do, and no model is looked at"
        return None, None, [ok("config", text)]
    try:
        config = load_config(path)
    except UsageError as error:
        return (
            None,
            None,
            [fault("config", str(error), "correct it; the rest goes by the defaults")],
        )
    said = ok("config", str(path))
    mend = "correct model.path or the contract; `eegd inspect` looks into a model"
    try:
        if not config.model.path.exists():
            raise UsageError(f"model {config.model.path} does not exist")
        contract = read_contract(config.model.path, config.model.contract)
    except UsageError as error:
        return config, None, [said, fault("model", str(error), mend)]
    except OSError as error:
        why = f"model {config.model.path} cannot be reached: {error.strerror}"
        return config, None, [said, fault("model", why, mend)]
    return config, contract, [said, ok("model", str(config.model.path))]


def _machine(config: Config | None, contract: Contract | None) -> Iterator[Finding]:
    if config is None:
        return
    if config.output.log is not None:
        rate = contract.sample_rate if contract else 160.0
        yield machine.judge_disk(machine.disk(config.output.log), rate / config.window.hop)
    if config.metrics.port is not None:
        host, port = config.metrics.host, config.metrics.port
        yield machine.judge_port(host, port, machine.port_user(host, port))


def _network(lsl: lslconfig.LslConfig) -> Iterator[Finding]:
    yield from lslconfig.judge(lsl)
    cards = network.cards(lsl.multicast_port)
    yield network.judge_cards(cards)
    yield network.judge_multicast(cards)
    yield network.judge_ports(lsl.ports, network.free_ports(lsl.ports))
    yield from firewall.judge(firewall.read(), lsl.ports, lsl.multicast_port)


def _streams(
    config: Config | None, contract: Contract | None, seconds: float, ports: range
) -> Iterator[Finding]:
    wanted = config.stream if config else StreamConfig()
    heard, absurd = streams.listen(seconds)
    for why in absurd:
        yield warning("streams", why, "close the program that announces it")
    chosen = [one for one in heard if matches(one.stream, wanted)]
    yield streams.judge_found(heard, chosen, str(wanted))
    yield from streams.judge_identities(heard)
    for one in heard:
        important = one in chosen
        yield from streams.judge_reach(one, ports, important)
        if important and one.reached and config and contract:
            yield _fit(listing.judged(one.stream, config, contract))
        if important:
            yield from signals.judge(one, wanted, contract.unit if contract else None, True)
        else:
            yield from signals.judge(one, NO_OVERRIDES, None, False)


def _fit(offer: listing.Offer) -> Finding:
    if not offer.fits:
        mend = "choose the right stream, or set amplifier and its program to what the model needs"
        return fault("contract", f"{offer.stream} does not fit the model: {offer.why}", mend)
    if offer.why:
        mend = "say it in the config, under stream, if it is right"
        return warning("contract", f"{offer.stream} fits, but {offer.why}", mend)
    return ok("contract", f"{offer.stream} fits the model's")
