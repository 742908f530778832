"""Is one classifier better than another on the same windows? An exact sign-flip test.

What was left out as one (a recording) counts once: in it the one answered better than the other by
some difference of balanced accuracy. Were both equal, each difference could as well have had the
other sign. p is the share of all 2^n ways to give them signs in which their mean is at least as far
from 0 (R. A. Fisher, The Design of Experiments, 1935, chapter 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from daemon.training.scores import Indices

# With fewer not even differences of one sign would be rare.
FEWEST = 6
LEVEL = 0.05

_EXACT = 16  # groups; of more, so many random ways
_RANDOM = 1 << 16


def versus(targets: Indices, ours: Indices, theirs: Indices, groups: Indices) -> Any:
    """How ``ours`` compares with ``theirs``, all (n,), and how sure that is."""
    inside = [groups == group for group in np.unique(groups)]
    differences = np.array([_difference(targets[i], ours[i], theirs[i]) for i in inside])
    count = len(differences)
    mean = float(differences.mean())
    if count < FEWEST:
        return {"says": "cannot tell from", "p": None, "groups": count, "difference": mean}
    if count <= _EXACT:
        signs = 1 - 2.0 * (np.arange(1 << count)[:, None] >> np.arange(count) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (_RANDOM, count))
        signs[0] = 1  # as it is
    # Equal means are equal, but for rounding.
    p = float(np.mean(np.abs(signs @ differences) >= abs(differences.sum()) - 1e-9))
    says = "equal to"
    if p < LEVEL:
        says = "better than" if mean > 0 else "worse than"
    return {"says": says, "p": p, "groups": count, "difference": mean}


def _difference(targets: Indices, ours: Indices, theirs: Indices) -> float:
    """Of balanced accuracy, over the classes that there are."""
    better = (ours == targets).astype(np.float64) - (theirs == targets)
    return float(np.mean([better[targets == c].mean() for c in np.unique(targets)]))
