"""``eegd train``: recordings → encoders on folds, their evaluation, and the bundle.

Rules that hold here:

- A killed training goes on where it was: every encoder has its checkpoint beside the bundle, until
  the bundle is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from daemon.encoders import bundle
from daemon.training import encoder, splits
from daemon.training.bundling import write_bundle
from daemon.training.coincidence import coincidences
from daemon.training.dataset import read_dataset
from daemon.training.figures import figures
from daemon.training.recipe import recipe
from daemon.training.settings import Training
from daemon.training.splits import Fold
from daemon.training.trained import train_fold


def train(
    training: Training,
    out: Path,
    *,
    also_random: bool = False,
    say: Callable[[str], object],
    advance: Callable[[float], object],
) -> str:
    """Train, evaluate, and write the bundle ``out``; its verdict.

    Parameters
    ----------
    training : Training
    out : Path
        A folder that does not exist yet.
    also_random : bool
        Evaluate on a random split too, which over-states.
    say : function of str
        Told what is being done.
    advance : function of float
        Told the share of all trainings that is done, 0 … 1.

    Raises
    ------
    UsageError
        See `daemon.training.dataset`, `daemon.training.splits` and `daemon.encoders.bundle`.
    """
    bundle.require_free(out)
    how = recipe(training)
    say("reading the recordings")
    data = read_dataset(training)
    groups = splits.grouped(data, training.split)
    folds = splits.folds(data, groups, training.split, training.seed)
    jobs = {f"fold {n + 1}": fold for n, fold in enumerate(folds)}
    if training.split.test is None:
        jobs["final"] = splits.final(data, groups, training.split, training.seed)
    randoms: list[Fold] = []
    if also_random:
        randoms = splits.random_folds(
            data, training.split.folds, training.split.validation, training.seed
        )
        jobs |= {f"random {n + 1}": fold for n, fold in enumerate(randoms)}
    why = coincidences(data, folds)
    for clause in why:
        say(f"the accuracy will not be worth anything: {clause}")
    say(
        f"{len(data.targets)} windows of {len(data.classes)} classes from "
        f"{len(np.unique(data.recording))} recordings; {len(jobs)} trainings"
    )
    beside = out.resolve().with_name(f"{out.name}.training")
    trained = {}
    for n, (name, fold) in enumerate(jobs.items()):

        def told(share: float, done: int = n) -> None:
            advance((done + share) / len(jobs))

        # Of a random split no two windows belong together.
        of = replace(groups, of=np.arange(len(data.targets))) if "random" in name else groups
        members = splits.members(data, of, fold, how.members, training.seed)
        stem = name.replace(" ", "-")
        several = len(members) > 1
        checkpoints = [
            beside / (f"{stem}-member-{m + 1}.npz" if several else f"{stem}.npz")
            for m in range(len(members))
        ]
        trained[name] = train_fold(training, how, data, members, checkpoints, told)
        advance((n + 1) / len(jobs))
    say("evaluating")
    content, answers = figures(training, how, data, groups, folds, randoms, trained, why)
    final = trained.get("final", trained["fold 1"])
    more = []
    if training.scaled_from_training:
        mean, deviation = (values.tolist() for values in final.scale)
        more = [{"zscore": {"mean": mean, "std": deviation}}]
    contract = training.contract(more, temperature=final.temperature)
    model = encoder.export(final.model, training.window)
    write_bundle(out, model, contract, content, data, answers)
    shutil.rmtree(beside, ignore_errors=True)
    return str(content["verdict"])
