"""Real-time EEG classifier daemon.

The data's way through the program is the list of files, top to bottom::

    discovery     which stream
    pick          how the model's samples come out of it, or why they cannot; ``overrides`` is what
                  the config says of the stream
    inlet         LSL → Chunk
    timeline      Chunk → regular samples
    montage       the model's channels, in its order and unit
    quality       whether they can be EEG; what is not never reaches the model
    conditioning  resampled, filtered, referenced as the model was trained
    ring          the last `window` steps, channel-major
    reorder       the ring's window → the model's inputs
    encoders/     the model, as fast as it can be run exactly
    decision      probabilities → label or abstention
    outlet        Prediction → three LSL streams

``clock`` decides for timeline what a late sample means, by ``regression``, which keeps the line
that the sender's timestamps lie along, and ``jitter``, how they lie around it; ``residuals``
measures that. ``resampling`` helps conditioning, whose words are ``steps`` with their
``step_options``, and ``electrodes`` where channels lie. ``intake`` puts timeline … conditioning
together once, for training too; ``pipeline`` puts it before ring … decision, for live runs and
recordings alike; ``service`` runs that between a ``subscription`` and an outlet, with
``commentary`` in the log. ``assembly`` makes intake and pipeline of a config, ``model`` model and
engine, which alone needs TensorFlow. ``live`` is the whole daemon, and makes it anew at each
reload; its ``startup`` holds the stream against the contract before TensorFlow is imported, and
builds ``beside`` the search. ``recompute`` checks afterwards what was published; ``cli/`` calls
them, a file for each kind of thing that commands are about. ``records``, ``reasons``, ``contract``,
``units``, ``config`` and ``errors`` are the words they speak with each other; ``validation`` reads
YAML, ``mistakes`` says what is wrong in it, ``text`` cleans what strangers wrote, ``alike`` tells
texts that differ in numbers alone as one, ``stop`` hears the signals, ``chatter`` keeps libraries
quiet.

Around it stand::

    recordings/   files → EEG and markers
    encoders/     Keras, TensorFlow and ONNX Runtime
    offline/      finished recordings and sessions: score, verify, compare
    training/     recordings → a bundle, honestly evaluated
    rehearsal/    simulated amplifiers, replay, demo
    runtime/      what the daemon runs on beside its core: metrics, log, name lock, systemd
    doctor/       what is wrong with this computer, its network and its streams
    views/        the page and the terminal view of a running daemon
    bench/        how fast it is here

each with the list of its files in its ``__init__.py``.

Everything between inlet and outlet is pure: NumPy and SciPy only, no clock, thread, LSL or logging.
The ring and the reorder serve the window engine, which runs whole windows; a model that is streamed
needs neither: it takes every sample as it comes.
"""

__version__ = "0.1.0"
