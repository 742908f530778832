"""config → model and engine, for live runs, reloads and recordings.

Imports TensorFlow; `daemon.chatter.import_tensorflow` comes before it.
"""

from __future__ import annotations

import logging

from daemon.config import Config
from daemon.encoders import engines, loading
from daemon.encoders.loading import LoadedModel
from daemon.encoders.plan import Plan, plan
from daemon.layout import PER_CHANNEL, layout_text
from daemon.pipeline import Engine

log = logging.getLogger(__name__)


def load(config: Config) -> tuple[LoadedModel, Plan]:
    """The model of ``config``, checked against its contract, and how it will be run.

    Raises
    ------
    UsageError
        See `daemon.encoders.loading.load` and `daemon.encoders.plan.plan`.
    """
    loaded = loading.load(config.model.path, config.model.contract)
    return loaded, plan(loaded.job(config.window.hop), config.engine.kind, config.engine.device)


def build_engine(loaded: LoadedModel, plan: Plan, step_rate: float | None) -> tuple[Engine, Plan]:
    """The engine, warmed up, and the plan that it came to; see `daemon.encoders.engines.build`."""
    log.info("device %s: %s", plan.device, plan.device_why)
    engine, built = engines.build(plan, step_rate)
    if built.devices != plan.devices:
        log.info("device %s: %s", built.device, built.device_why)
    log.info("engine %s: %s", built.kind, built.why)
    if built.seconds is not None:
        log.info("speed: %s", built.speed(loaded.contract.step_rate))
    log.info("model %s: %s", loaded.path, loaded.verdict or "no report with it")
    return engine, built


def plan_text(config: Config, loaded: LoadedModel, plan: Plan) -> str:
    """What a run of ``config`` would do, a line for each fact."""
    contract = loaded.contract
    rate = contract.step_rate
    seconds = contract.window / rate
    return "\n".join(
        f"{key:<12} {value}"
        for key, value in {
            "model": f"{loaded.path} ({loaded.network.parameters:,} parameters)",
            "verdict": loaded.verdict or "none (no report with this model)",
            "device": f"{plan.device}: {plan.device_why}",
            "engine": f"{plan.kind}: {plan.why}",
            "speed": plan.speed(contract.step_rate) or "one step after the window's last sample",
            "stream": str(config.stream),
            "window": f"{contract.window} steps at {rate:g} Hz: {seconds:g} s",
            "hop": f"{config.window.hop} steps: {config.window.hop / rate:g} s",
            "channels": ", ".join(contract.channels),
            "layout": "one input for each channel"
            if loaded.layout == PER_CHANNEL
            else layout_text(loaded.layout),
            "conditioning": ", ".join(map(str, contract.conditioning)) or "none",
            "per_window": ", ".join(map(str, contract.per_window)) or "none",
            "gives": contract.output,
            "classes": ", ".join(contract.classes),
            "output": ", ".join(
                config.output.name + suffix for suffix in ("", "-probabilities", "-codes")
            ),
        }.items()
    )
