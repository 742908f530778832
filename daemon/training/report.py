"""The figures of an evaluation → one page for its user.

Rule that holds here: where the accuracy cannot be trusted, that is the first thing it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from daemon.training.verdict import figure, interval, length, verdict

BLOCK_DESIGN = (
    'R. Li et al., "The Perils and Pitfalls of Block Design for EEG Classification Experiments", '
    "IEEE TPAMI 43(1), 2021"
)


def _compares(found: Any) -> str:
    if found["p"] is None:
        return f"not to be told from it by {found['groups']} groups"
    told = ", as far as these data tell" if found["says"] == "equal to" else ""
    return f"{found['says']} it{told} (p = {found['p']:.2g})"


def markdown(report: Any, name: str) -> str:
    """The page, for a bundle of that name; the pictures lie beside it."""
    encoder, baselines = report["encoder"], report["baselines"]
    parts = []
    if report["why_not_trusted"]:
        parts.append(
            f"**The accuracy below cannot be trusted: {'; '.join(report['why_not_trusted'])}.** "
            "EEG drifts, so whatever tells these recordings or stretches apart is taken for the "
            f"class ({BLOCK_DESIGN}). Record every class in every recording, in turns."
        )
    parts.append(f"# {name}")
    parts.append(f"{_sentence(report)}")
    parts.append("## Accuracy on data that was left out")
    parts.append(_split(report))
    parts.append(_accuracies(report))
    parts.append(
        "Balanced accuracy is the mean over the classes of the share of each that was recognised. "
        "Its interval is a jackknife over whole groups (recordings, or the parts they were cut "
        "into) with Student's t; that of accuracy is Wilson's, which takes every window for "
        "independent and is too narrow where they are not. Both are 95 %."
    )
    parts.append(_classes(encoder, baselines))
    parts.append("![Confusion matrices](confusion.png)")
    parts.append("## What else the answers may rest on")
    parts.append(_leaks(report))
    parts.append("![Classes permuted within recordings](permuted.png)")
    parts.append("## Calibration")
    parts.append(_calibration(report))
    parts.append("![Reliability](reliability.png)")
    parts.append("## Training")
    parts.append(_training(report))
    parts.append("![Learning curves](learning.png)")
    parts.append("## Data")
    parts.append(_data(report["data"]))
    return "\n\n".join(parts) + "\n"


def _sentence(report: Any) -> str:
    """The verdict, with what follows from it."""
    line = verdict(report) + "."
    line = line[0].upper() + line[1:]
    if any(one["encoder"]["difference"] <= 0 for one in report["baselines"].values()):
        line += " The encoder does not beat every classifier beside it."
    return line


def _split(report: Any) -> str:
    split = report["split"]
    rows = [
        [str(n + 1), *(", ".join(fold[side]) for side in ("train", "validate", "test"))]
        for n, fold in enumerate(split["folds"])
    ]
    said = f"Split: {split['kind']}. "
    if split["cut"]:
        said += (
            f"Cut into contiguous parts: {', '.join(split['cut'])}; what differs between "
            "recordings is not tested there. "
        )
    if split["overlapping_windows_left_out"]:
        said += (
            f"{split['overlapping_windows_left_out']} windows that reach from one part into the "
            "next were left out. "
        )
    if split["test"] is None and not split["together"]:
        said += (
            "Recordings of one person, or of one session, may be on different sides: how it does "
            "on new ones is tested where `split.together` names them. "
        )
    said += (
        "Validation data stops the training and sets the temperature; test data does neither. "
        "The baselines train on both."
    )
    if report["training"]["members"] > 1:
        said += (
            f" The encoder is {report['training']['members']} in one, which answers the mean of "
            "their logits: each trains on all that is not tested but another part, by which it is "
            "stopped; together these parts set the temperature."
        )
    return said + "\n\n" + _table(["fold", "train", "validate", "test"], rows)


def _accuracies(report: Any) -> str:
    rows = []

    def add(name: str, figures: Any) -> None:
        low, high = figures["accuracy_interval"]
        versus = figures.get("encoder")
        rows.append(
            [
                name,
                str(figures["n"]),
                figure(figures),
                interval(figures).removeprefix("95 % CI "),
                f"{figures['balanced_accuracy_chance']:.2f}",
                f"{figures['accuracy']:.2f} ({low:.2f} … {high:.2f})",
                f"{figures['accuracy_of_the_most_frequent_class']:.2f}",
                "" if versus is None else _compares(versus),
            ]
        )

    fit = report["training"]
    add(f"{fit['settings']['encoder']} encoder", report["encoder"])
    for name, figures in report["baselines"].items():
        add(name, figures)
    for name, figures in report["deployed"].items():
        if figures is not None:
            add(f"{name}, windows of {length(report, fit['window'])}", figures)
    for name, figures in report["random_split"].items():
        add(f"{name}, RANDOM SPLIT: over-states", figures)
    head = ["", "n", "balanced accuracy", "95 % CI", "chance", "accuracy", "most frequent class"]
    head.append("the encoder is")
    said = _table(head, rows)
    if report["random_split"]:
        said += (
            "\n\nThe random split puts windows of one recording, even of one trial, on both sides. "
            "It stands here for comparison with figures that were got like that, and says nothing "
            "of new recordings."
        )
    if fit["window"] != fit["training_window"]:
        said += (
            f"\n\nThe encoder was trained on windows of {length(report, fit['training_window'])} "
            f"and will be deployed with {length(report, fit['window'])}: the weights do not "
            "depend on the length, the answers do. "
        )
        if report["deployed"]["encoder"] is None:
            said += (
                "That is not tested: not every class has left-out trials with so much EEG before "
                "their ends that was not trained on, and from which the daemon would not abstain."
            )
        else:
            said += (
                "At that length it was tested on the windows that end with the same sample, where "
                "the recording reaches that far back and none of it was trained on; what came "
                "before the trial is in them, as it is live."
            )
    return said


def _classes(encoder: Any, baselines: Any) -> str:
    rows = [
        [name, str(n), *(_share(one["recall"][name]) for one in (encoder, *baselines.values()))]
        for name, n in encoder["n_per_class"].items()
    ]
    return _table(
        ["class", "n", "recognised by the encoder", *(f"by {b}" for b in baselines)], rows
    )


def _leaks(report: Any) -> str:
    leaks = report["leaks"]
    which = leaks["which_recording"]
    if which is None:
        said = (
            "- Which recording a window is from was not asked: one has too few trials, or is alone."
        )
    else:
        said = (
            f"- **Which recording is this?** {which['classifier']}: it tells "
            f"{which['recordings']} recordings apart with a balanced accuracy of "
            f"{which['balanced_accuracy']:.2f} (chance {which['chance']:.2f}). "
            + (
                "Recordings have a signature: on a random split a classifier can use it."
                if which["balanced_accuracy"] > 2 * which["chance"]
                else "Recordings hardly have a signature."
            )
        )
    said += (
        "\n- **The recording alone**: who knew only a window's recording, and how often "
        f"each class occurs in it, would reach {leaks['from_recording_alone']:.2f}."
    )
    if leaks["from_time_alone"] is not None:
        said += (
            "\n- **The time alone**: who knew only how far its recording had run, and which class "
            f"came then in the others, would reach {leaks['from_time_alone']:.2f}."
        )
    for name, found in leaks["permuted"].items():
        how = "its answers as they are" if name == "encoder" else "trained anew each time"
        said += (
            f"\n- **Classes permuted within recordings**, {name} ({how}, {found['times']} times): "
            f"median {found['median']:.2f}, 95 % of them {found['interval'][0]:.2f} … "
            f"{found['interval'][1]:.2f}; the true classes give {found['observed']:.2f} "
            f"(p = {found['p']:.3g})."
        )
    return said + " What is left of the accuracy there is not the class."


def _calibration(report: Any) -> str:
    before, after = (report["encoder"]["calibration"][key] for key in ("before", "after"))
    return (
        f"Expected calibration error (10 bins of equal width) on the left-out data: "
        f"{before['ece']:.3f} as trained, {after['ece']:.3f} with the temperature that was fitted "
        f"on each fold's validation data. Negative log probability of the true class: "
        f"{before['nll']:.3f} and {after['nll']:.3f} nats. The contract has the temperature of the "
        f"model in the bundle, {report['training']['temperature']:.3g}, from its own validation "
        "data."
    )


def _training(report: Any) -> str:
    training = report["training"]
    kept = training["kept"]
    if kept["test"]:
        said = "The model in the bundle is the one that was tested."
    else:
        but = f" but those that stopped it early ({', '.join(kept['validate'])})"
        said = (
            f"The model in the bundle was trained anew on all groups"
            f"{but if training['members'] == 1 else ', each member on all but those that stop it'}"
            ". The accuracy is that of the folds' models, trained in the same way on less."
        )
    settings = ", ".join(f"{key} {value}" for key, value in training["settings"].items())
    steps = ", ".join(training["conditioning"]) or "none"
    return f"{said} Settings: {settings}. Conditioning: {steps}."


def _data(data: Any) -> str:
    classes = list(next(iter(data["n_per_recording"].values())))
    rows = [
        [name, *(str(counts[c]) for c in classes)]
        for name, counts in data["n_per_recording"].items()
    ]
    said = (
        f"{data['windows']} windows of {data['steps']} steps, "
        f"{data['steps'] / data['step_rate']:g} s each.\n\n" + _table(["recording", *classes], rows)
    )
    if data["recordings_without_windows"]:
        said += f"\n\nNo window: {', '.join(data['recordings_without_windows'])}."
    if data["left_out"]:
        said += "\n\nLeft out:\n" + "".join(
            f"\n- {one['n']}: {reason} (first: {one['first']})"
            for reason, one in data["left_out"].items()
        )
    if data["markers_of_no_class"]:
        listed = ", ".join(f"{text} ({n})" for text, n in data["markers_of_no_class"].items())
        said += f"\n\nMarkers that begin no class: {listed}."
    if data["assumptions"]:
        said += f"\n\nTaken for granted: {'; '.join(data['assumptions'])}."
    return said


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    # Names come from files.
    return "\n".join(
        f"| {' | '.join(c.replace('|', chr(92) + '|') for c in line)} |" for line in lines
    )
