"""describe: report what a model file holds, without building the model."""

import hashlib
import math

import numpy as np

from skreviews.persistence._load import decode_vocabulary, refusing
from skreviews.persistence._params import decode_labels, decode_recipe, decode_step
from skreviews.persistence._skr_file import SkreviewsFileError, read_file
from skreviews.persistence._tensors import SCALE


def describe(path):
    """Report what a file that `save` has written holds.

    `describe` builds no network and runs no code of the file. It compares the checksum,
    but only `load` compares the weights with the parameters.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    about : dict
        Values that JSON can hold: ``bytes`` and ``sha256`` of the file,
        ``format_version``, ``versions`` of the packages of its writer, ``training``
        (distinct samples, their words, classes, and the date of saving), ``labels``,
        ``steps`` with the parameters that differ from the defaults, ``recipe`` with
        name, value and reason of each setting, ``n_words``, ``max_len``, ``n_weights``,
        ``embeddings`` (the precision of the stored word vectors), ``tensors`` with
        dtype, shape and bytes of each, and ``card``.

    Raises
    ------
    SkreviewsFileError
        If the file is damaged, of a newer version, or holds what `save` does not write.
    OSError
        If the file cannot be opened.

    See Also
    --------
    load : Reads the model.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skreviews import make_review_pipeline, make_reviews, save
    >>> from skreviews.persistence import describe
    >>> pipe = make_review_pipeline(lstm__hidden_size=4, lstm__max_epochs=1)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.skr")
    ...     _ = save(pipe.fit(*make_reviews(50, random_state=0)), path)
    ...     about = describe(path)
    >>> about["steps"]["lstm"]["params"]
    {'class_weight': 'auto', 'hidden_size': 4, 'max_epochs': 1,
     'ngrams': 'NgramClassifier()'}
    >>> about["embeddings"], about["format_version"]
    ('float32', 1)
    """
    try:
        contents, tensors = read_file(path)
        with refusing():
            about = _describe(contents, tensors)
    except SkreviewsFileError as error:
        raise SkreviewsFileError(f"{path} cannot be read: {error}") from error
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest, **about}


def _describe(contents, tensors):
    params, training = contents["parameters"], contents["training"]
    words, _ = decode_vocabulary(contents["vocabulary"])
    recipe = decode_recipe(params["recipe"])
    return {
        "format_version": contents["format_version"],
        "versions": {name: str(v) for name, v in contents["versions"].items()},
        "training": {
            "samples": int(training["samples"]),
            "words": int(training["words"]),
            "classes": list(map(str, training["classes"])),
            "date": str(training["date"]),
        },
        "labels": list(map(_to_plain, decode_labels(params["labels"]).tolist())),
        "steps": {name: _describe_step(spec, words) for name, spec in params["steps"]},
        "recipe": [
            {"name": name, "value": _to_plain(value), "why": str(why)}
            for name, value, why in recipe.to_frame().itertuples(index=False)
        ],
        "n_words": len(words),
        "max_len": int(params["max_len"]),
        "n_weights": sum(tensors[name].size for name in tensors if SCALE not in name),
        "embeddings": str(params["embeddings"]),
        "tensors": {
            name: {
                "dtype": tensor.dtype.name,
                "shape": list(tensor.shape),
                "bytes": tensor.nbytes,
            }
            for name, tensor in tensors.items()
        },
        "card": str(contents["card"]),
    }


def _describe_step(spec, words):
    """Return the class of a step and its parameters that differ from the defaults."""
    step = decode_step(spec, words)
    if step is None or isinstance(step, str):
        return {"class": None, "params": {}}
    defaults = type(step)().get_params(deep=False)
    params = {}
    for name, value in step.get_params(deep=False).items():
        if repr(value) != repr(defaults[name]):
            is_words = name == "vocabulary"
            params[name] = f"{len(value):,} words" if is_words else _to_plain(value)
    return {"class": spec["class"], "params": params}


def _to_plain(value):
    """Return a value that JSON can hold: the value itself or its repr."""
    if isinstance(value, type):
        return np.dtype(value).name
    if isinstance(value, (int, float)) and math.isfinite(value):
        return value
    return value if value is None or isinstance(value, str) else repr(value)
