"""config → model, engine and pipeline, put together once: for live runs, reloads and recordings.

Imports TensorFlow; `daemon.chatter.import_tensorflow` comes before it.
"""

from __future__ import annotations

import logging
from typing import Any

import keras

from daemon.config import Config
from daemon.contract import Contract
from daemon.decision import Decision
from daemon.encoders import engines, loading
from daemon.encoders.engines import Plan
from daemon.encoders.loading import LoadedModel
from daemon.intake import Intake
from daemon.pick import pick_for
from daemon.pipeline import Engine, Pipeline
from daemon.records import StreamDescription
from daemon.text import clean

log = logging.getLogger(__name__)


def load(config: Config) -> tuple[LoadedModel, Plan]:
    """The model of ``config``, checked against its contract, and how it will be run.

    Raises
    ------
    UsageError
        See `daemon.encoders.loading.load` and `daemon.encoders.engines.plan`.
    """
    loaded = loading.load(config.model.path, config.model.contract)
    plan = engines.plan(
        loaded.model,
        config.engine.kind,
        config.engine.device,
        window=loaded.contract.window,
        hop=config.window.hop,
    )
    return loaded, plan


def build_engine(
    config: Config, loaded: LoadedModel, plan: Plan, sample_rate: float | None
) -> tuple[Engine, Plan]:
    """The engine, warmed up, and the plan that it came to; see `daemon.encoders.engines.build`."""
    log.info("device %s: %s", plan.device, plan.device_why)
    engine, built = _build(config, loaded, plan, sample_rate)
    if built.devices != plan.devices:
        log.info("device %s: %s", built.device, built.device_why)
    log.info("engine %s: %s", built.kind, built.why)
    log.info("model %s: %s", loaded.path, loaded.verdict or "no report with it")
    return engine, built


def tried(config: Config, loaded: LoadedModel, plan: Plan) -> Plan:
    """The plan that a live run would come to, found by running the model here.

    Raises
    ------
    UsageError, EegdError
        See `daemon.encoders.engines.build`.
    """
    return _build(config, loaded, plan, loaded.contract.sample_rate)[1]


def _build(
    config: Config, loaded: LoadedModel, plan: Plan, sample_rate: float | None
) -> tuple[Engine, Plan]:
    return engines.build(
        plan,
        loaded.model,
        per_channel=loaded.per_channel,
        window=loaded.contract.window,
        hop=config.window.hop,
        sample_rate=sample_rate,
    )


def build_pipeline(config: Config, loaded: LoadedModel, engine: Engine) -> Pipeline:
    """From a stream's samples to predictions; connect it to what `build_intake` gives."""
    contract = loaded.contract
    return Pipeline(
        engine=engine,
        decision=Decision(
            contract.classes,
            threshold=config.decision.threshold,
            smoothing=config.decision.smoothing,
            temperature=contract.temperature,
        ),
        classes=contract.classes,
        max_filled=config.quality.max_filled,
    )


def build_intake(config: Config, contract: Contract, stream: StreamDescription) -> Intake:
    """From ``stream``'s chunks to the samples that the model sees.

    Raises
    ------
    ContractError
        See `daemon.pick.pick_for`.
    """
    hop = config.window.hop
    pick = pick_for(
        contract, stream, hop=hop, channels=config.stream.channels, unit=config.stream.unit
    )
    return Intake(contract, pick, hop=hop, fill_up_to=config.quality.fill_up_to)


def plan_text(config: Config, loaded: LoadedModel, plan: Plan) -> str:
    """What a run of ``config`` would do, a line for each fact."""
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
            "conditioning": ", ".join(map(str, contract.conditioning)) or "none",
            "classes": ", ".join(contract.classes),
            "output": ", ".join(
                config.output.name + suffix for suffix in ("", "-probabilities", "-codes")
            ),
        }.items()
    )


def identity(config: Config, loaded: LoadedModel) -> dict[str, str]:
    """What a daemon's streams say of their predictions, and a session is held against."""
    contract = loaded.contract
    return {
        "model": loaded.sha256,
        "window": str(contract.window),
        "hop": str(config.window.hop),
        "sample_rate": f"{contract.sample_rate:g}",
    }


def model_facts(network: keras.Model, loaded: LoadedModel | None, plan: Plan) -> dict[str, Any]:
    """What `eegd inspect` and `eegd run --check` tell machines; ``loaded`` None: a bare file."""
    return {
        "model": str(loaded.path) if loaded else None,
        "sha256": loaded.sha256 if loaded else None,
        "bundle_sha256": loaded.bundle_sha256 if loaded else None,
        "verdict": loaded.verdict if loaded else None,
        "contract": loaded.contract.model_dump(mode="json") if loaded else None,
        "parameters": network.count_params(),
        "layers": [
            {
                "type": type(layer).__name__,
                "name": clean(layer.name),
                "parameters": layer.count_params(),
            }
            for layer in network.layers
        ],
        "engine": plan.kind,
        "engine_why": plan.why,
        "device": plan.device,
        "device_why": plan.device_why,
    }
