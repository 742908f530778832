"""A process that opens files on request, so that a crash or a hang in a library is only its own.

Says ``ready``; then a line with ``kind path`` in, a line of JSON out: [outcome, text]. ``ok``
and ``refused`` are what may happen, ``bug`` is everything else, with its traceback.
"""

import json
import resource
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np

from daemon.encoders.container import opened
from daemon.encoders.described import guessed
from daemon.encoders.description import Refused
from daemon.encoders.onnx_network import load_onnx
from daemon.errors import EegdError
from daemon.offline.session import read_session
from daemon.recordings.reading import read_recording

MEMORY = 6 << 30  # bytes of address space


def run(kind: str, path: Path) -> tuple[str, str]:
    try:
        if kind == "model":
            with tempfile.TemporaryDirectory() as folder:
                opened(path, Path(folder))
        elif kind == "onnx":
            network, _ = load_onnx(path)
            guess = guessed(network)
            # A larger one may take minutes, rightly.
            if guess.steps and guess.channels and guess.steps * guess.channels < 1 << 20:
                window = np.zeros((guess.channels, guess.steps), np.float32)
                network.run("", guess.layouts[0])(window)
        else:
            read_recording(path, type=None)
            if path.suffix == ".xdf":
                read_session(path, {}, "Out")
    except (EegdError, Refused) as error:
        text = str(error)
        fit = text.isprintable() and len(text) < 3000
        return ("refused" if fit else "bug"), text
    except BaseException:  # noqa: BLE001
        return "bug", traceback.format_exc()
    return "ok", ""


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers, sys.stdout = sys.stdout, sys.stderr
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        kind, _, path = line.rstrip("\n").partition(" ")
        answers.write(json.dumps(run(kind, Path(path))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
