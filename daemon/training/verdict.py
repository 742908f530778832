"""What an evaluation came to, in one line: what `eegd run` says at every start.

Rule that holds here: where the accuracy cannot be trusted, that is the first thing it says.
"""

from __future__ import annotations

from typing import Any

from daemon.training.baseline import LDA


def verdict(report: Any) -> str:
    """What the evaluation came to, in one line."""
    encoder = report["encoder"]
    left_out = "left-out parts of recordings" if report["split"]["cut"] else "left-out recordings"
    said = [
        f"{figure(encoder)} balanced accuracy on {left_out} "
        f"(chance {encoder['balanced_accuracy_chance']:.2f}, {interval(encoder)}, "
        f"n = {encoder['n']})"
    ]
    said[0] += "" if _beats_chance(report) else ", which chance could give too"
    fit, deployed = report["training"], report["deployed"]["encoder"]
    if fit["window"] != fit["training_window"]:
        said[0] += f", with windows of {length(report, fit['training_window'])}"
        said.append(
            f"not tested at the deployed length of {length(report, fit['window'])}"
            if deployed is None
            else f"{figure(deployed)} at the deployed length of {length(report, fit['window'])} "
            f"({interval(deployed)}, n = {deployed['n']})"
            + ("" if above_chance(deployed) else ", which chance could give too")
        )
    # The others tell more of the encoder's making than of its worth.
    known = {name: one for name, one in report["baselines"].items() if name.startswith(LDA)}
    said += [_versus(name, one) for name, one in known.items()]
    which = report["leaks"]["which_recording"]
    if which is not None:
        said.append(
            f"recordings can be told apart with {which['balanced_accuracy']:.2f} "
            f"(chance {which['chance']:.2f})"
        )
    line = "; ".join(said)
    if report["why_not_trusted"]:
        return f"NOT TO BE TRUSTED, {'; '.join(report['why_not_trusted'])}: {line}"
    return line


def _versus(name: str, figures: Any) -> str:
    found = figures["encoder"]
    if found["p"] is None:
        return f"{name} {figure(figures)}, of which {found['groups']} recordings cannot tell it"
    said = f"{found['says']} {name} at {figure(figures)}"
    recordings = f"{found['groups']} recordings"
    if found["says"] == "equal to":
        # Not to be told apart is not to be the same.
        return f"{said} as far as {recordings} tell (p = {found['p']:.2g})"
    return f"{said} (p = {found['p']:.2g} over {recordings})"


def _beats_chance(report: Any) -> bool:
    """By the interval, and by the labels permuted within recordings."""
    return bool(
        above_chance(report["encoder"]) and report["leaks"]["permuted"]["encoder"]["p"] < 0.05
    )


def above_chance(figures: Any) -> bool:
    interval = figures["balanced_accuracy_interval"]
    return interval is None or interval[0] > figures["balanced_accuracy_chance"]


def length(report: Any, steps: int) -> str:
    """``steps`` in words, with their seconds."""
    return f"{steps} steps ({steps / report['data']['step_rate']:g} s)"


def figure(figures: Any) -> str:
    return f"{figures['balanced_accuracy']:.2f}"


def interval(figures: Any) -> str:
    interval = figures["balanced_accuracy_interval"]
    if interval is None:
        return "too few groups for an interval"
    return f"95 % CI {interval[0]:.2f} … {interval[1]:.2f}"
