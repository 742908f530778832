"""The names that a model's description may use; all of them are Keras's own.

Layers are listed, not taken from ``keras.layers``: among those are some that run code from the
file (Lambda, TFSMLayer, TorchModuleWrapper, …) or read other files (StringLookup, …), and later
versions may add more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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

# Keras 3 writes what a Masking layer computes as operations of their own.
MASKING = frozenset({"Any", "NotEqual"})
OPERATIONS = "keras.src.ops.numpy"

# What Keras 2 wrote and Keras 3 does not know, by the start of the class name; left out where the
# value is one that changes nothing.
ANY = object()
OBSOLETE: Mapping[str, Mapping[str, tuple[object, ...]]] = {
    "": {
        "implementation": (0, 1, 2),
        "time_major": (False,),
        "ragged": (False, None),
        "sparse": (False, None),
        "synchronized": (False,),
    },
    "Conv": {"groups": (1,)},
    "DepthwiseConv": {"groups": (1,)},
    "SeparableConv": {
        "groups": (1,),
        "kernel_initializer": (ANY,),
        "kernel_regularizer": (ANY,),
        "kernel_constraint": (ANY,),
    },
    "SpatialDropout": {"noise_shape": (None,), "trainable": (ANY,)},
}
