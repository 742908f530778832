"""The live run: a config becomes a service, and at each SIGHUP the one that succeeds it.

Rules that hold here:

- The stream is held against the contract first; TensorFlow is imported when that is done.
- A reload is built and checked whole beside the running model, in a thread of its own. It either
  takes over between two windows, or is refused in words and nothing has changed.
- What a reload cannot change (`metrics`, the process itself) is said, not ignored.
"""

from __future__ import annotations

import gc
import logging
import sys
import threading
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from daemon.chatter import import_tensorflow
from daemon.config import Config, MetricsConfig, load_config
from daemon.contract import read_contract
from daemon.errors import EegdError
from daemon.outlet import Outlet, default_source_id
from daemon.pick import pick_for
from daemon.records import StreamDescription
from daemon.runtime.background import MarkerLog, logging_aside
from daemon.runtime.metrics import Metrics
from daemon.runtime.name_lock import Claim
from daemon.runtime.systemd import Systemd
from daemon.startup import build_beside_search
from daemon.stop import Stop

if TYPE_CHECKING:  # SciPy alone takes longer than LSL to answer
    from daemon.encoders.loading import LoadedModel
    from daemon.encoders.plan import Plan
    from daemon.pipeline import Engine
    from daemon.service import Parts, Service

    Built = tuple[LoadedModel, Engine, Plan]

log = logging.getLogger(__name__)


def serve(config_path: Path, config: Config, hangups: SimpleQueue[bool]) -> None:
    """Run ``config``, read from ``config_path``, until stopped; each of ``hangups`` reads it anew.

    Raises
    ------
    EegdError
        See `daemon.service.Service.run`; or a port, file, model or name that cannot be had.
    """
    contract = read_contract(config.model.path, config.model.contract)

    def require_fit(stream: StreamDescription) -> None:
        pick_for(contract, stream, config.stream, hop=config.window.hop)

    with ExitStack() as stack:
        stack.enter_context(logging_aside())
        systemd = stack.enter_context(closing(Systemd()))
        metrics = None
        if config.metrics.port is not None:
            metrics = Metrics(config.metrics.host, config.metrics.port)
            stack.enter_context(closing(metrics))
        marker_log = stack.enter_context(closing(MarkerLog(config.output.log)))
        claim = stack.enter_context(closing(Claim(*_identity(config))))
        built, search = build_beside_search(
            config.stream,
            require_fit,
            partial(_build, config),
            timeout=config.stream.resolve_timeout,
        )
        parts = _parts(config, built, config.metrics, marker_log)
        claim.confirm()
        stop = stack.enter_context(Stop().signals())

        def stopped() -> bool:
            if stop.is_set():
                systemd.stopping()
            systemd.beat(service.status)
            return stop.is_set()

        from daemon.service import Service

        service = Service(
            parts,
            resolve_timeout=config.stream.resolve_timeout,
            stop=stopped,
            observe=metrics.observe if metrics else lambda latency, compute: None,
            search=search,
        )
        if metrics:
            metrics.serve(service)
        reloads = _Reloads(config_path, config, service, marker_log, claim, systemd)
        threading.Thread(target=reloads.run, args=(hangups,), name="reload", daemon=True).start()
        # A collection of all that Keras and TensorFlow have made stops every thread for 0.4 s.
        gc.freeze()
        # While a reload computes, the hot loop gets its turn within a tenth of the usual 5 ms.
        sys.setswitchinterval(0.0005)
        systemd.ready()
        service.run()


class _Reloads:
    """Reads the config anew, builds what it asks for, and hands it to the service."""

    def __init__(
        self,
        path: Path,
        config: Config,
        service: Service,
        marker_log: MarkerLog,
        claim: Claim,
        systemd: Systemd,
    ) -> None:
        self._path = path
        self._config = config
        self._metrics = config.metrics
        self._service = service
        self._marker_log = marker_log
        self._claim = claim
        self._systemd = systemd

    def run(self, hangups: SimpleQueue[bool]) -> None:
        while hangups.get():
            self._systemd.reloading()
            try:
                self._reload()
            except (EegdError, OSError) as error:
                log.error("not reloaded, the running config and model stay: %s", error)
            except Exception:
                log.exception("not reloaded, the running config and model stay")
            self._systemd.ready()

    def _reload(self) -> None:
        log.info("reloading %s", self._path)
        config = load_config(self._path)
        claim = self._claim
        if _identity(config) != _identity(self._config):
            claim = Claim(*_identity(config), before=self._claim)
        try:
            parts = _parts(config, _build(config), self._metrics, self._marker_log)
            self._service.require_fit(parts)
            if claim is not self._claim:
                claim.confirm()
            self._marker_log.reopen(config.output.log)
        except BaseException:
            claim.close(but=self._claim)
            raise
        self._claim.close(but=claim)
        self._claim = claim
        if config.metrics != self._metrics:
            log.warning("metrics: the changes there are for the next start")
        self._config = config
        self._service.succeed(parts)


def _identity(config: Config) -> tuple[str, str]:
    name = config.output.name
    return name, config.output.source_id or default_source_id(name)


def _build(config: Config, begin: threading.Event | None = None) -> Built:
    """Model and engine of ``config``, warmed up; TensorFlow is imported when ``begin`` is set."""
    from daemon import assembly  # noqa: F401 - what needs no TensorFlow, while LSL answers

    if begin is not None:
        begin.wait()
    import_tensorflow(gpu=config.engine.device != "cpu")
    from daemon import model

    loaded, plan = model.load(config)
    engine, plan = model.build_engine(loaded, plan, loaded.contract.step_rate)
    return loaded, engine, plan


def _parts(config: Config, built: Built, metrics: MetricsConfig, marker_log: MarkerLog) -> Parts:
    """All that ``config`` asks for; ``metrics`` are those served."""
    from daemon import assembly
    from daemon.service import Parts

    loaded, engine, plan = built
    contract = loaded.contract
    says = {
        **assembly.identity(config, contract, loaded.sha256),
        "engine": plan.kind,
        "input_stream": str(config.stream),
        # For programs; see `daemon.views.announcement`.
        "name": config.model.path.name,
        "verdict": loaded.verdict or "",
        "contract": contract.model_dump_json(),
        "stream": config.stream.model_dump_json(),
        "metrics_host": metrics.host,
        "metrics_port": str(metrics.port or ""),
    }
    return Parts(
        wanted=config.stream,
        intake=partial(assembly.build_intake, config, contract),
        pipeline=assembly.build_pipeline(config, contract, engine),
        open_outlet=partial(Outlet, *_identity(config), contract.classes, says, marker_log.write),
        outlet_says=(*_identity(config), contract.classes, says),
        answer_all=plan.kind == "streaming",
        stall_after=config.quality.stall_after,
    )
