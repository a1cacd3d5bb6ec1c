"""The weights of a network as safetensors, checked before a network is built."""

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from skreviews.persistence._archive import WEIGHTS, SkreviewsFileError, from_json

# The vectors of the words and the weights of the n-grams: nearly all of a model.
TABLES = ("embedding.weight", "wide.weight")
_TYPES = {"float32": "F32", "float16": "F16", "int8": "I8"}
_DTYPES = {"F32": "<f4", "F16": "<f2", "I8": "<i1"}
_MAX_HEADER = 2**20
_SCALE = ".scale"


def pack_weights(weights, embeddings):
    """Return weights as the bytes of a safetensors file.

    Parameters
    ----------
    weights : dict of {str: ndarray of float32}
    embeddings : {'float32', 'float16', 'int8'}
        Numbers of the two tables. With 'int8' each column is 127 steps up to its
        largest number, whose size stands beside it.
    """
    packed = {}
    for name, weight in weights.items():
        if name in TABLES and embeddings == "float16":
            weight = weight.astype(np.float16)
        elif name in TABLES and embeddings == "int8":
            scale = np.abs(weight).max(0) / np.float32(127)
            packed[name + _SCALE] = scale
            weight = np.rint(weight / np.where(scale == 0, 1, scale)).astype(np.int8)
        packed[name] = np.ascontiguousarray(weight)
    return save(packed)


def unpack_weights(data, module, embeddings):
    """Return the weights, or raise if they are not those of this module.

    Parameters
    ----------
    data : bytes
        A safetensors file.
    module : dict
        Parameters of an `LSTMModule`.
    embeddings : {'float32', 'float16', 'int8'}
        Numbers of the two tables.

    Returns
    -------
    weights : dict of {str: ndarray of float32}
    """
    _find_head(data)
    try:
        tensors = dict(deserialize(data))
    except SafetensorError as error:
        raise SkreviewsFileError(
            f"{WEIGHTS} is no safetensors file: {error}. Save the pipeline anew."
        ) from error
    # A file cannot make the loop below longer than itself.
    if module["num_layers"] > len(tensors):
        raise SkreviewsFileError(
            f"its parameters speak of {module['num_layers']} layers, and {WEIGHTS} "
            f"holds {len(tensors)} tensors. Do not use it."
        )
    wanted = _find_layout(module, embeddings)
    found = {name: (t["dtype"], tuple(t["shape"])) for name, t in tensors.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if found.get(name) != wanted.get(name):
            raise SkreviewsFileError(
                f"{name!r} in {WEIGHTS} is {found.get(name)}, and by the parameters it "
                f"should be {wanted.get(name)}. Do not use it."
            )
    arrays = {
        name: np.frombuffer(t["data"], _DTYPES[t["dtype"]]).reshape(t["shape"])
        for name, t in tensors.items()
    }
    weights = {}
    for name in find_shapes(**module):
        weights[name] = arrays[name].astype(np.float32)
        if name + _SCALE in arrays:
            weights[name] *= arrays[name + _SCALE]
        if not np.isfinite(weights[name]).all():
            raise SkreviewsFileError(
                f"{name!r} holds NaN or infinite numbers, or some too large for "
                f"embeddings={embeddings!r}: train again, with a lower lr, or save "
                'with embeddings="float32".'
            )
    return weights


def count_weights(data):
    """Return how many weights the head of a safetensors file speaks of."""
    head = from_json(WEIGHTS, data[8 : 8 + _find_head(data)])
    n_weights = 0
    for name, tensor in head.items():
        if name != "__metadata__" and not name.endswith(_SCALE):
            start, end = tensor["data_offsets"]
            n_weights += (end - start) // np.dtype(_DTYPES[tensor["dtype"]]).itemsize
    return n_weights


def find_shapes(
    *,
    n_tokens,
    n_classes,
    embedding_dim,
    hidden_size,
    num_layers,
    bidirectional,
    cell,
    pooling,
    ngram_range,
    ngram_buckets,
    **others,
):
    """Return the shapes of the weights of an `LSTMModule`, without building it."""
    directions = ["ahead", "back"] if bidirectional else ["ahead"]
    n_gates = {"lstm": 4, "gru": 3}[cell] * hidden_size
    n_states = hidden_size * len(directions)
    shapes = {"embedding.weight": (n_tokens, embedding_dim)}
    for layer in range(num_layers):
        for direction in directions:
            prefix = f"layers.{layer}.{direction}."
            n_inputs = n_states if layer else embedding_dim
            shapes[prefix + "weight_ih_l0"] = (n_gates, n_inputs)
            shapes[prefix + "weight_hh_l0"] = (n_gates, hidden_size)
            shapes[prefix + "bias_ih_l0"] = (n_gates,)
            shapes[prefix + "bias_hh_l0"] = (n_gates,)
    if pooling == "attention":
        shapes |= {"attention.weight": (1, n_states), "attention.bias": (1,)}
    n_pooled = 2 * n_states if pooling == "mean_max" else n_states
    shapes |= {"head.weight": (n_classes, n_pooled), "head.bias": (n_classes,)}
    if ngram_range is not None:
        n_rows = n_tokens + (ngram_buckets if ngram_range[1] > 1 else 0)
        shapes |= {"wide.weight": (n_rows, n_classes), "wide.bias": (n_classes,)}
    return shapes


def _find_head(data):
    """Return the length of the head, which comes first."""
    length = int.from_bytes(data[:8], "little")
    if length > _MAX_HEADER:
        raise SkreviewsFileError(f"the head of {WEIGHTS} is too long. Do not use it.")
    return length


def _find_layout(module, embeddings):
    """Return the type and the shape of each tensor of the file."""
    layout = {}
    for name, shape in find_shapes(**module).items():
        layout[name] = ("F32", shape)
        if name in TABLES:
            layout[name] = (_TYPES[embeddings], shape)
            if embeddings == "int8":
                layout[name + _SCALE] = ("F32", shape[1:])
    return layout
