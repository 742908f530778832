"""TensorFlow's import: what it leaves out, and that this is there for others afterwards."""

import subprocess
import sys

_IMPORT = """
import sys
from daemon.chatter import import_tensorflow
import_tensorflow()
found = [name for name in ("matplotlib", "sklearn", "pandas", "torch") if name in sys.modules]
import sklearn.linear_model
import keras
print(found, keras.layers.LSTM.__name__, sklearn.linear_model.LogisticRegression.__name__)
"""


def test_keras_imports_no_library_for_extras_that_are_not_used() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "[] LSTM LogisticRegression\n"
    assert done.stderr == ""
