from daemon.rehearsal.demo import _heading, _line


def test_the_view_shows_markers_of_strangers_in_one_printable_line() -> None:
    """Whoever takes the stream's name writes to this terminal."""
    said = {"status": "abstain", "reason": "lost\n\x1b[2J\u202eno", "probabilities": None}
    assert _line(said, "rest").rstrip() == "rest         abstains: lost �[2J�no"
    heading = _heading(["left\x1b[31m", "right\n"])
    assert heading.isprintable()
    assert "left�[31m" in heading
