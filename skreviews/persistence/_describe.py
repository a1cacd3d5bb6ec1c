"""describe: tell what is in a model file, without building the model."""

import hashlib
import math

import numpy as np

from skreviews.persistence._archive import (
    CARD,
    PARAMS,
    VOCABULARY,
    WEIGHTS,
    SkreviewsFileError,
    from_json,
    read_parts,
)
from skreviews.persistence._load import check_words
from skreviews.persistence._params import decode_labels, decode_step
from skreviews.persistence._weights import count_weights


def describe(path):
    """Tell what is in a file that `save` has written.

    No network is built and no code of the file is run. Checksums are compared, but only
    `load` looks at the weights themselves.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    about : dict
        What JSON can hold: ``bytes`` and ``sha256`` of the file, ``format_version``,
        ``versions`` of the packages that it was made with, ``training`` (rows after any
        resampling, words, classes, and the date on which it was saved), ``labels``,
        ``steps`` with the parameters that differ from the defaults, ``n_words``,
        ``max_len``, ``n_weights``, ``embeddings`` (the precision in which the word
        vectors are stored), ``parts`` with the size of each, and ``card``.

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
    {'class_weight': 'auto', 'hidden_size': 4, 'max_epochs': 1}
    >>> about["embeddings"], about["format_version"]
    ('float32', 1)
    """
    try:
        about = _describe(path)
    except SkreviewsFileError as error:
        raise SkreviewsFileError(f"{path} cannot be read: {error}") from error
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest, **about}


def _describe(path):
    manifest, parts = read_parts(path)
    params = from_json(PARAMS, parts[PARAMS])
    words = check_words(from_json(VOCABULARY, parts[VOCABULARY]))
    try:
        versions, training = manifest["versions"], manifest["training"]
        steps = {name: _describe_step(spec, words) for name, spec in params["steps"]}
        return {
            "format_version": manifest["format_version"],
            "versions": {name: str(version) for name, version in versions.items()},
            "training": {
                "rows": int(training["rows"]),
                "words": int(training["words"]),
                "classes": list(map(str, training["classes"])),
                "date": str(training["date"]),
            },
            "labels": list(map(_to_plain, decode_labels(params["labels"]).tolist())),
            "steps": steps,
            "n_words": len(words),
            "max_len": int(params["max_len"]),
            "n_weights": int(count_weights(parts[WEIGHTS])),
            "embeddings": str(params["embeddings"]),
            "parts": {name: len(data) for name, data in parts.items()},
            "card": parts[CARD].decode("utf-8", "surrogatepass"),
        }
    except SkreviewsFileError:
        raise
    except Exception as error:  # what is not as it should be can raise anything
        raise SkreviewsFileError(
            f"its parameters make no pipeline ({type(error).__name__}: {error}). Do "
            "not use the file."
        ) from error


def _describe_step(spec, words):
    """Return the class of a step and those of its parameters that were chosen."""
    step = decode_step(spec, words)
    if step is None or isinstance(step, str):
        return {"class": None, "params": {}}
    defaults = type(step)().get_params(deep=False)
    chosen = {}
    for name, value in step.get_params(deep=False).items():
        if repr(value) != repr(defaults[name]):
            is_words = name == "vocabulary"
            chosen[name] = f"{len(value):,} words" if is_words else _to_plain(value)
    return {"class": spec["class"], "params": chosen}


def _to_plain(value):
    """Return a value that JSON can hold: itself, or as it is written in Python."""
    if isinstance(value, type):
        return np.dtype(value).name
    if isinstance(value, (int, float)) and math.isfinite(value):
        return value
    return value if value is None or isinstance(value, str) else repr(value)
