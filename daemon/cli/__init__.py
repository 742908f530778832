"""The command line: a function a command; `assembly`, `model` and `live` put its parts together.

Imports stand inside the commands, so that `eegd --help` answers at once and TensorFlow is loaded
only by commands that run a model.
"""

from daemon.cli import amplifiers, computer, live, models, recordings
from daemon.cli.group import main

__all__ = ["amplifiers", "computer", "live", "main", "models", "recordings"]
