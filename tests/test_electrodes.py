"""Positions against those that other programs use, and against what the system itself says."""

import numpy as np

from daemon.electrodes import nearest, positions


def degrees(one: str, other: str) -> float:
    a, b = (np.array(positions()[label]) for label in (one, other))
    return float(np.degrees(np.arccos(a @ b)))


def test_every_electrode_is_where_the_system_has_it() -> None:
    places = np.array(list(positions().values()))
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), 1)
    assert positions()["CZ"] == (0, 0, 1)
    np.testing.assert_allclose(positions()["T8"], (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(positions()["FPZ"], (0, 1, 0), atol=1e-12)
    assert degrees("Cz".upper(), "FZ") == 45
    assert abs(degrees("FPZ", "FP2") - 18) < 1e-9
    # Rows are divided evenly.
    for row in ("F7 F5 F3 F1 FZ F2 F4 F6 F8", "T7 C5 C3 C1 CZ C2", "PO7 PO5 PO3 PO1 POZ"):
        steps = [degrees(*pair) for pair in zip(row.split(), row.split()[1:], strict=False)]
        np.testing.assert_allclose(steps, steps[0])
    for left, right in (("FFT9H", "FFT10H"), ("AF3", "AF4"), ("O1", "O2"), ("T5", "P8")):
        np.testing.assert_allclose(np.array(positions()[left]) * (-1, 1, 1), positions()[right])


def test_a_real_heads_positions_are_the_same_up_to_its_shape() -> None:
    import mne

    # Its name depends on MNE's version.
    name = max(mne.channels.get_builtin_montages(), key=lambda one: one.endswith("_1005"))
    montage = mne.channels.make_standard_montage(name).get_positions()
    real = {label.upper(): place for label, place in montage["ch_pos"].items()}
    # The ears, which the sphere has not, are put at its electrodes nearest to them.
    shared = sorted(({*real} & {*positions()}) - {"A1", "A2", "M1", "M2"})
    # Electrodes below O1 and O2 have no names of ten percent.
    assert {label for label in real if label not in positions()} == {
        *("I1H", "I2H", "OI1", "OI1H", "OI2", "OI2H", "OIZ")
    }
    head = np.array([real[label] for label in shared])
    fit = np.c_[2 * head, np.ones(len(head))]
    centre = np.linalg.lstsq(fit, (head**2).sum(axis=1), rcond=None)[0][:3]
    head -= centre
    head /= np.linalg.norm(head, axis=1, keepdims=True)
    sphere = np.array([positions()[label] for label in shared])
    left, _, right = np.linalg.svd(head.T @ sphere)
    apart = np.degrees(np.arccos(np.clip(((head @ (left @ right)) * sphere).sum(axis=1), -1, 1)))
    # Two electrodes of ten percent are about 20 degrees apart.
    assert apart.mean() < 4
    assert apart.max() < 10


def test_the_nearest_come_first_and_weigh_most() -> None:
    labels = ("Cz", "Fz", "C3", "C4", "Pz", "FCz", "C1", "Oz")
    places = np.array([positions()[label.upper()] for label in labels])
    around, weights = nearest(places, 4)
    # FCz and C1 are half as far as the others, of which the first in order count.
    assert [labels[n] for n in around[0]] == ["FCz", "C1", "Fz", "C3"]
    near, far = 2 * np.sin(np.radians(22.5 / 2)), 2 * np.sin(np.radians(45 / 2))
    expected = np.array([1 / near, 1 / near, 1 / far, 1 / far])
    np.testing.assert_allclose(weights[0], expected / expected.sum())
