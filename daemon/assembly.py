"""config → intake and pipeline, put together once: for live runs, reloads and recordings.

Nothing here imports TensorFlow; `daemon.model` makes the engine.
"""

from __future__ import annotations

from daemon.config import Config
from daemon.contract import Contract
from daemon.decision import Decision
from daemon.intake import Intake
from daemon.pick import pick_for
from daemon.pipeline import Engine, Pipeline
from daemon.records import StreamDescription


def build_pipeline(config: Config, contract: Contract, engine: Engine) -> Pipeline:
    """From a stream's samples to predictions; connect it to what `build_intake` gives."""
    return Pipeline(
        engine=engine,
        decision=Decision(
            contract.classes,
            threshold=config.decision.threshold,
            smoothing=config.decision.smoothing,
            temperature=contract.temperature,
            logits=contract.output == "logits",
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
    pick = pick_for(contract, stream, config.stream, hop=hop)
    return Intake(contract, pick, hop=hop, fill_up_to=config.quality.fill_up_to)


def identity(config: Config, contract: Contract, sha256: str) -> dict[str, str]:
    """What a daemon's streams say of their predictions, and a session is held against.

    ``sha256`` is the model file's.
    """
    return {
        "model": sha256,
        "window": str(contract.window),
        "hop": str(config.window.hop),
        "sample_rate": f"{contract.sample_rate:g}",
    }
