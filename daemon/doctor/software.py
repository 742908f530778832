"""Python, TensorFlow, GPU and LSL library: what is here, and why the GPU is not used if it isn't.

TensorFlow is asked in a process of its own, so that one that crashes on import is a finding.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from daemon.doctor.finding import Finding, fault, ok, warning
from daemon.errors import with_extra
from daemon.text import clean

_PATIENCE = 180.0  # seconds: a first import from a slow disk
_NVIDIA = "0x10de"
# By name, as the extra 'gpu' brings them, with the number that TensorFlow's build asks for.
_CUDA_12 = (
    *("libcudart.so.12", "libcublas.so.12", "libcufft.so.11", "libcusolver.so.11"),
    *("libcusparse.so.12", "libcudnn.so.9"),
)
# Python would look for modules in the folder that it is called from, first of all.
_ASK = """
import sys
sys.path[:] = [place for place in sys.path if place]
import json
import tensorflow as tf
gpus = tf.config.list_physical_devices("GPU")
names = [tf.config.experimental.get_device_details(g).get("device_name", g.name) for g in gpus]
said = {"version": tf.__version__, "keras": tf.keras.__version__, "gpus": names,
        "cuda": tf.test.is_built_with_cuda()}
print("\\n" + json.dumps(said))
"""


@dataclass(frozen=True, slots=True)
class TensorFlow:
    """What TensorFlow says of itself.

    Attributes
    ----------
    error : str
        Why it cannot be imported, or nothing.
    version, keras : str
    gpus : tuple of str
        Names of those that it sees.
    cuda : bool
        Whether it was built for them.
    """

    error: str = ""
    version: str = ""
    keras: str = ""
    gpus: tuple[str, ...] = ()
    cuda: bool = False


@dataclass(frozen=True, slots=True)
class Graphics:
    """What the system says of NVIDIA's cards.

    Attributes
    ----------
    cards : int
        On the PCI bus.
    driver : str
        The loaded driver's version, or nothing.
    missing : tuple of str
        CUDA libraries that are neither installed with the system nor with this Python.
    """

    cards: int = 0
    driver: str = ""
    missing: tuple[str, ...] = ()


class Question:
    """Asks TensorFlow from construction on, in a process of its own, until `answer`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ASK],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )

    def answer(self) -> TensorFlow:
        try:
            out, err = self._process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return TensorFlow(error=f"no answer within {_PATIENCE:g} s")
        if self._process.returncode:
            last = [line for line in err.splitlines() if line.strip()][-1:]
            code = self._process.returncode
            return TensorFlow(error=last[0] if last and code > 0 else f"it crashed (code {code})")
        said = json.loads(out.splitlines()[-1])
        return TensorFlow("", said["version"], said["keras"], tuple(said["gpus"]), said["cuda"])


def graphics() -> Graphics:
    """As Linux tells; elsewhere TensorFlow has no GPU anyway."""
    cards = 0
    for device in Path("/sys/bus/pci/devices").glob("*"):
        try:
            kind = (device / "class").read_text()
            cards += (device / "vendor").read_text().strip() == _NVIDIA and kind.startswith("0x03")
        except OSError:
            continue
    version = Path("/proc/driver/nvidia/version")
    driver = version.read_text(errors="replace").splitlines()[0] if version.exists() else ""
    return Graphics(cards, clean(driver), tuple(name for name in _CUDA_12 if not _is_there(name)))


def _is_there(library: str) -> bool:
    spec = importlib.util.find_spec("nvidia")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if any(Path(folder).glob(f"*/lib/{library}")):
            return True
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def judge_tensorflow(tensorflow: TensorFlow) -> Finding:
    python = f"Python {platform.python_version()} ({sys.executable})"
    if tensorflow.error:
        return fault(
            "TensorFlow",
            f"cannot be imported: {clean(tensorflow.error, 300)}; {python}",
            "install this package anew, in an environment of its own: "
            "`python3 -m venv .venv && .venv/bin/python -m pip install -c constraints.txt -e .`",
        )
    return ok("TensorFlow", f"{tensorflow.version} with Keras {tensorflow.keras}; {python}")


def judge_gpu(tensorflow: TensorFlow, graphics: Graphics, device: str) -> Finding | None:
    """``device`` is the config's ``engine.device``; None where TensorFlow itself is broken."""
    if tensorflow.error:
        return None
    if tensorflow.gpus:
        used = "" if device != "cpu" else "; not used, since engine.device is cpu"
        return ok("GPU", f"TensorFlow sees {', '.join(map(clean, tensorflow.gpus))}{used}")
    if not graphics.cards and not graphics.driver:
        why, mend = "this computer has no NVIDIA GPU", "set engine.device to auto or cpu"
        if device != "gpu":
            return ok("GPU", f"not used: {why}")
    elif not graphics.driver:
        why = "there is an NVIDIA GPU, but its driver is not loaded"
        mend = "install NVIDIA's driver, start the computer anew, and see that `nvidia-smi` answers"
    elif not tensorflow.cuda:
        why = "there is an NVIDIA GPU, but this TensorFlow was built without CUDA"
        mend = f"install the extra for it: {with_extra('gpu')} (Linux only)"
    elif graphics.missing:
        why = f"there is an NVIDIA GPU, but libraries are missing: {', '.join(graphics.missing)}"
        mend = f"install them: {with_extra('gpu')}"
    else:
        why = f"driver ({graphics.driver}) and libraries are there, but TensorFlow sees no GPU"
        mend = "see that `nvidia-smi` answers; if so the driver is too old for CUDA 12, renew it"
    if device == "gpu":
        return fault("GPU", f"engine.device is gpu, but {why}", mend)
    if device == "cpu":
        return ok("GPU", f"not used: engine.device is cpu ({why})")
    return warning("GPU", f"not used: {why}", mend)


def judge_lsl(version: int, protocol: int) -> Finding:
    """As pylsl gives them: 118 for 1.18."""
    said = f"{version // 100}.{version % 100}, protocol {protocol // 100}.{protocol % 100}"
    if version < 116:
        return warning(
            "LSL library",
            f"liblsl {said} is older than the daemon was tested with",
            "`pip install -U pylsl`; unset PYLSL_LIB if that names another library",
        )
    return ok("LSL library", f"liblsl {said}")
