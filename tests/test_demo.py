from daemon.rehearsal.demo import Tally, _heading, _line


def test_the_view_shows_markers_of_strangers_in_one_printable_line() -> None:
    """Whoever takes the stream's name writes to this terminal."""
    said = {"status": "abstain", "reason": "lost\n\x1b[2J\u202eno", "probabilities": None}
    assert _line(said, "rest").rstrip() == "rest         abstains: lost �[2J�no"
    heading = _heading(["left\x1b[31m", "right\n"])
    assert heading.isprintable()
    assert "left�[31m" in heading


def test_true_and_recognised_class_stand_side_by_side() -> None:
    probabilities = {"rest": 0.2, "both_feet": 0.8}
    said = {"status": "ok", "label": "both_feet", "probabilities": probabilities}
    assert _heading(probabilities) == "true class   recognised     rest both_feet"
    assert _line(said, "rest") == "rest         both_feet       20%      *80%"


def test_the_delay_runs_from_a_change_that_was_seen_to_the_first_right_label() -> None:
    tally = Tally()
    assert str(tally) == "0 of 0 windows named the class at their end; no class was seen to change"
    # The class that the first window ends in began unseen.
    assert tally(100.0, "rest", 90.0, "rest") is None
    assert tally(101.0, "rest", 100.5, "both_feet") is None
    assert tally(102.0, None, 100.5, "both_feet") is None
    assert tally(103.0, "both_feet", 100.5, "both_feet") == 2.5
    assert tally(104.0, "rest", 100.5, "both_feet") is None
    assert tally(105.0, "both_feet", 100.5, "both_feet") is None
    # One that ends before it was recognised.
    assert tally(106.0, "both_feet", 105.5, "rest") is None
    assert tally(108.0, "both_feet", 107.5, "both_feet") == 0.5
    assert str(tally) == (
        "4 of 8 windows named the class at their end; 2 of 3 changes of class were recognised, "
        "after 1.5 s (median; the slowest 2.5 s)"
    )
