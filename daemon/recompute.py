"""What the daemon published, checked afterwards against the recording of it.

The parts are put together as for a live run; the recording takes the place of the stream.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from daemon import assembly, model
from daemon.config import Config
from daemon.contract import Contract
from daemon.decision import Decision
from daemon.encoders.loading import LoadedModel
from daemon.encoders.plan import Plan
from daemon.errors import UsageError
from daemon.intake import Intake
from daemon.offline.ground_truth import Interval
from daemon.offline.performance_report import Compared, compared
from daemon.offline.runs import settling
from daemon.offline.session import Session
from daemon.offline.tracks import disagreements
from daemon.offline.verification import Verifier
from daemon.offline.verification_report import Findings
from daemon.pipeline import Pipeline
from daemon.recordings.recording import Recording
from daemon.records import Prediction
from daemon.text import clean

log = logging.getLogger(__name__)


def connected(
    config: Config, loaded: LoadedModel, plan: Plan, recording: Recording
) -> tuple[Pipeline, Intake]:
    """A pipeline that is ready for the samples of ``recording``, and its intake.

    Raises
    ------
    ContractError
        The recording contradicts the model's contract.
    """
    intake = assembly.build_intake(config, loaded.contract, recording.stream)
    for assumption in intake.pick.assumptions:
        log.warning("recording %s: %s", recording.path, assumption)
    engine, _ = model.build_engine(loaded, plan, None)
    pipeline = assembly.build_pipeline(config, loaded.contract, engine)
    pipeline.connect(intake)
    return pipeline, intake


def verify(
    session: Session,
    config: Config,
    loaded: LoadedModel,
    plan: Plan,
    *,
    tolerance: float,
    advance: Callable[[int], object],
) -> Findings:
    """Recompute every prediction of ``session`` from its EEG.

    Parameters
    ----------
    session : Session
    config : Config
        The one of the live run.
    loaded : LoadedModel
    plan : Plan
        What `daemon.model.load` makes of it.
    tolerance : float
        Of a probability.
    advance : function of int
        Told the number of predictions done.

    Raises
    ------
    UsageError
        ``config`` is not the one of the live run; names every difference.
    ContractError
        The EEG contradicts the model's contract.
    """
    contract = loaded.contract
    _require_same(session, config, loaded)
    pipeline, intake = connected(config, loaded, plan, session.eeg)
    verifier = Verifier(
        session,
        pipeline,
        rate=intake.pick.sample_rate,
        hop=config.window.hop / contract.step_rate,
        lead=intake.lead,
        settle=settling(contract, intake.pick),
        label=None if config.decision.smoothing else _labelled(config, contract),
        tolerance=tolerance,
    )
    checks = []
    for check in verifier.checks():
        checks.append(check)
        advance(1)
    return Findings(tuple(checks), disagreements(session, contract.classes), tolerance)


def compare(
    predictions: Sequence[Prediction],
    truth: tuple[Sequence[Interval], Counter[str]],
    config: Config,
    contract: Contract,
) -> Compared:
    """Compares ``predictions`` with what `daemon.offline.performance_report.told` has found."""
    return compared(
        predictions,
        truth,
        contract.classes,
        window=contract.window / contract.step_rate,
        hop=config.window.hop / contract.step_rate,
    )


def _require_same(session: Session, config: Config, loaded: LoadedModel) -> None:
    contract = loaded.contract
    differences = [
        f"{key} {session.said[key]} there, {value} here"
        for key, value in assembly.identity(config, contract, loaded.sha256).items()
        if session.said.get(key, value) != value
    ]
    classes = next((tuple(p.probabilities) for p in session.predictions if p.probabilities), None)
    if classes is not None and classes != contract.classes:
        differences.append(
            f"classes {clean(', '.join(classes))} there, {', '.join(contract.classes)} here"
        )
    if differences:
        raise UsageError(
            f"recording {session.eeg.path} was made with another config or model: "
            + "; ".join(differences)
        )


def _labelled(config: Config, contract: Contract) -> Callable[[Mapping[str, float]], str | None]:
    decision = Decision(contract.classes, threshold=config.decision.threshold)

    def label(probabilities: Mapping[str, float]) -> str | None:
        return decision.label(np.array([*probabilities.values()]), 0.0)

    return label
