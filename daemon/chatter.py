"""What liblsl and TensorFlow write to the terminal by themselves, and how it is kept from there.

Both write past Python's logging. What matters of it this program says in its own words.
"""

from __future__ import annotations

import os
import sys
import tempfile

# Keras imports these for extras of its own where they are installed: a second, and 85 MB.
_EXTRAS = ("matplotlib", "sklearn", "pandas", "torch")
# Where liblsl looks for its configuration, the first counts.
LSL_PLACES = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")


def quiet_liblsl() -> None:
    """Only fatal messages, unless the user has an LSL configuration, which then decides.

    Has to come before liblsl is first used in the process.
    """
    if "LSLAPICFG" in os.environ or any(map(os.path.exists, map(os.path.expanduser, LSL_PLACES))):
        return
    import pylsl

    pylsl.set_config_content("[log]\nlevel = -3\n")


def import_tensorflow(*, gpu: bool = True) -> None:
    """Import TensorFlow without its banner; where the import fails, with all it had to say.

    Without ``gpu`` it never sees one; with it, it takes of the GPU's memory what it needs, not all.
    Keras leaves out what it would import of other libraries only for its own extras.
    """
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if not gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        hidden = [name for name in _EXTRAS if name not in sys.modules]
        sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # refuses the import
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            said.seek(0)
            os.write(stderr, said.read())
            raise
        finally:
            for name in hidden:
                sys.modules.pop(name, None)
            os.dup2(stderr, 2)
            os.close(stderr)
