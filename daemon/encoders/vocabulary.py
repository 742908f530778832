"""The names that a model's description may use; all of them are Keras's own.

Layers are listed, not taken from ``keras.layers``: among those are some that run code from the
file (Lambda, TFSMLayer, TorchModuleWrapper, …) or read other files (StringLookup, …), and later
versions may add more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

MODELS = frozenset({"Functional", "Model", "Sequential"})

_CELLS = "GRUCell LSTMCell SimpleRNNCell StackedRNNCells"
_POOLING = "AveragePooling MaxPooling GlobalAveragePooling GlobalMaxPooling"
_BY_DIMENSION = f"Conv ConvLSTM Cropping SpatialDropout UpSampling ZeroPadding {_POOLING}"

LAYERS = frozenset(
    f"""
    InputLayer Dense EinsumDense Activation Identity Masking Rescaling Normalization
    LSTM GRU SimpleRNN RNN {_CELLS} Bidirectional TimeDistributed
    {" ".join(f"{name}{n}D" for name in _BY_DIMENSION.split() for n in (1, 2, 3))}
    Conv1DTranspose Conv2DTranspose Conv3DTranspose
    DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D
    Attention AdditiveAttention MultiHeadAttention GroupQueryAttention
    BatchNormalization GroupNormalization LayerNormalization RMSNormalization UnitNormalization
    SpectralNormalization STFTSpectrogram
    ReLU LeakyReLU PReLU ELU Softmax
    Dropout AlphaDropout GaussianDropout GaussianNoise ActivityRegularization
    Flatten Permute RepeatVector Reshape
    Add Average Concatenate Dot Maximum Minimum Multiply Subtract
    """.split()
)

_ACTIVATIONS = """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh
    leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax
    softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink
    threshold
"""
ACTIVATIONS = frozenset(_ACTIVATIONS.split())
# The hard_sigmoid of Keras 2, another function than that of Keras 3; `daemon.encoders.additions`.
HARD_SIGMOID_2 = "eegd>hard_sigmoid_2"

DTYPES = frozenset(
    [
        *("float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16"),
        # Only an input may have these; it is refused later, with both sides in the message.
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    ]
)

# Where Keras keeps its own layers and models, by the names that its versions wrote. Its operations
# (keras.src.ops) share class names with layers and are others.
MODULES = re.compile(
    r"(keras|tf_keras|tensorflow\.keras|tensorflow\.python\.keras)(\.src)?"
    r"(\.(layers|models|engine)(\.\w+)*)?"
)

# Keras 2 had its LSTM and GRU for GPUs in classes of their own.
CUDNN: Mapping[str, str] = {"CuDNNLSTM": "LSTM", "CuDNNGRU": "GRU"}


class Setting(NamedTuple):
    """A setting of layers that not every Keras knows.

    Attributes
    ----------
    layers : str
        Regular expression of the classes that have it.
    neutral : tuple
        The values that change nothing at inference; `ANY` if none does.
    since : tuple of int, or None
        The first Keras 3 that knows it; None if no Keras does that eegd runs on.
    """

    layers: str
    neutral: tuple[object, ...]
    since: tuple[int, int] | None = None


ANY = object()

# A version of Keras writes all its settings, and refuses one that it does not know. These differ
# between Keras 2 and the versions of Keras 3. A neutral value is left out; another is given to a
# Keras that knows the setting, and refused where Keras does not.
SETTINGS: Mapping[str, Setting] = {
    "quantization_config": Setting("Dense|EinsumDense", (None,), (3, 13)),
    "renorm": Setting("BatchNormalization", (False,), (3, 14)),
    "renorm_clipping": Setting("BatchNormalization", (ANY,), (3, 14)),
    "renorm_momentum": Setting("BatchNormalization", (ANY,), (3, 14)),
    "use_gate": Setting("(Multi|Group)\\w+Attention", (False,), (3, 14)),
    "sliding_window": Setting("(Multi|Group)\\w+Attention", (None,), (3, 15)),
    "rms_scaling": Setting("LayerNormalization", (False,)),
    "synchronized": Setting("BatchNormalization", (ANY,)),
    # Of Keras 2.
    "implementation": Setting(".*", (ANY,)),
    "dynamic": Setting(".*", (False,)),
    "time_major": Setting(".*", (False,)),
    "ragged": Setting("InputLayer", (False, None), (3, 0)),
    "sparse": Setting("InputLayer", (False, None), (3, 0)),
    "groups": Setting("Conv.*Transpose|(Depthwise|Separable)Conv.*", (1,)),
    "kernel_initializer": Setting("SeparableConv.*", (ANY,)),
    "kernel_regularizer": Setting("SeparableConv.*", (ANY,)),
    "kernel_constraint": Setting("SeparableConv.*", (ANY,)),
    "noise_shape": Setting("SpatialDropout.*", (None,)),
    "trainable": Setting("SpatialDropout.*", (ANY,)),
    "causal": Setting("(Additive)?Attention", (False,)),
    "softmax_robust_masking": Setting("MultiHeadAttention", (False,)),
    "query_shape": Setting("MultiHeadAttention", (ANY,)),
    "key_shape": Setting("MultiHeadAttention", (ANY,)),
    "value_shape": Setting("MultiHeadAttention", (ANY,)),
}
