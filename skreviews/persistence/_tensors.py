"""Weights as the tensors of a model file, in full or reduced precision."""

import numpy as np

from skreviews.persistence._skr_file import SkreviewsFileError

# The word vectors and the weights of the n-grams: nearly all of a model.
TABLES = ("lstm.embedding.weight", "ngrams.weights")
SCALE = ".scale"


def pack_tensors(weights, embeddings):
    """Return weights as they are stored.

    Parameters
    ----------
    weights : dict of {str: ndarray of float32}
    embeddings : {'float32', 'float16', 'int8'}
        Precision of the tables. 'int8' divides each column into 127 steps up to its
        largest absolute value; a tensor of its own holds the size of the steps.

    Returns
    -------
    tensors : dict of {str: ndarray}
    """
    tensors = {}
    for name, weight in weights.items():
        if name in TABLES and embeddings == "float16":
            weight = weight.astype(np.float16)
        elif name in TABLES and embeddings == "int8":
            scale = np.abs(weight).max(axis=0) / np.float32(127)
            tensors[name + SCALE] = scale
            weight = np.rint(weight / np.where(scale == 0, 1, scale)).astype(np.int8)
        tensors[name] = np.ascontiguousarray(weight)
    return tensors


def unpack_tensors(tensors, shapes, embeddings):
    """Return the weights of a model file.

    Parameters
    ----------
    tensors : dict of {str: ndarray}
    shapes : dict of {str: tuple of int}
        The shapes of the weights.
    embeddings : {'float32', 'float16', 'int8'}
        Precision of the tables.

    Returns
    -------
    weights : dict of {str: ndarray of float32}

    Raises
    ------
    SkreviewsFileError
        If a tensor is missing, superfluous, of another shape or dtype, or not finite.
    """
    expected = {}
    for name, shape in shapes.items():
        expected[name] = ("float32", shape)
        if name in TABLES:
            expected[name] = (embeddings, shape)
            if embeddings == "int8":
                expected[name + SCALE] = ("float32", shape[1:])
    found = {name: (t.dtype.name, t.shape) for name, t in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            raise SkreviewsFileError(
                f"the tensor {name!r} is {found.get(name)}, and by the parameters it "
                f"should be {expected.get(name)}. Do not use the file."
            )
    weights = {}
    for name in shapes:
        weights[name] = tensors[name].astype(np.float32, copy=False)
        if name + SCALE in tensors:
            weights[name] *= tensors[name + SCALE]
        if not np.isfinite(weights[name]).all():
            raise SkreviewsFileError(
                f"{name!r} has values that are NaN, infinite, or too large for "
                f"embeddings={embeddings!r}: train again with a lower lr, or save with "
                'embeddings="float32".'
            )
    return weights
