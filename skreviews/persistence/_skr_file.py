"""The file format: one safetensors file with JSON in its metadata."""

import hashlib
import json
import os
import re

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

FORMAT_VERSION = 1
# The only key of the metadata: safetensors writes several in random order.
_KEY = "skreviews"
_MAX_BYTES = 2**32
_MAX_HEADER = 2**26 + 2**24
_MAX_TENSORS = 1000
_MAX_DEPTH = 50
_DTYPES = ("F32", "F16", "I8")
_COPY = "Copy the file again from its source, or save the pipeline again."
_DISTRUST = "Do not use the file."


class SkreviewsFileError(ValueError):
    """Raised for a model file that cannot be written, or that `load` refuses.

    The message contains the cause and the remedy.

    See Also
    --------
    save : Writes model files.
    load : Reads model files.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skreviews import SkreviewsFileError, load
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.skr")
    ...     _ = path.write_bytes(b"not a model")
    ...     try:
    ...         load(path)
    ...     except SkreviewsFileError as error:
    ...         print("refused")
    refused
    """


def write_file(path, contents, tensors):
    """Write a model file.

    Parameters
    ----------
    path : str
        The file.
    contents : dict
        What JSON can hold. The version of the format and a checksum are added.
    tensors : dict of {str: ndarray}
        Contiguous arrays of float32, float16 or int8.
    """
    contents = {"format_version": FORMAT_VERSION, **contents}
    contents["sha256"] = _hash(contents, tensors)
    text = _to_json(contents)
    _check_size("its header", len(text), _MAX_HEADER)
    save_file(tensors, path, {_KEY: text})


def read_file(path):
    """Read a model file.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    contents : dict
        The JSON, without the checksum.
    tensors : dict of {str: ndarray}

    Raises
    ------
    SkreviewsFileError
        If the file is damaged, too large, of another or of a newer format.
    """
    _check_sizes(path)
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            contents = _parse(file.metadata() or {})
            names = file.keys()
            if len(names) > _MAX_TENSORS:
                raise SkreviewsFileError(
                    f"it holds {len(names):,} tensors; a model has at most "
                    f"{_MAX_TENSORS:,}. {_DISTRUST}"
                )
            for name in names:
                dtype = file.get_slice(name).get_dtype()
                if dtype not in _DTYPES:
                    raise SkreviewsFileError(
                        f"the tensor {name!r} is of dtype {dtype}; a model has "
                        f"{', '.join(_DTYPES)}. {_DISTRUST}"
                    )
            tensors = {name: file.get_tensor(name) for name in names}
        checksum = contents.pop("sha256", None)
        is_intact = _hash(contents, tensors) == checksum
    except SkreviewsFileError:
        raise
    except (SafetensorError, ValueError, OverflowError) as error:
        raise SkreviewsFileError(
            f"it is not a model file, or it is damaged: {error}. {_COPY} (joblib.load "
            "opens files of joblib.dump.)"
        ) from error
    if not is_intact:
        raise SkreviewsFileError(f"its contents do not match the checksum. {_COPY}")
    return contents, tensors


def _to_json(contents):
    text = json.dumps(contents, ensure_ascii=False, allow_nan=False)
    # UTF-8 cannot encode a lone surrogate; JSON escapes it, as in \ud800.
    return text.encode("utf-8", "backslashreplace").decode()


def _hash(contents, tensors):
    """Return a checksum; safetensors does not detect changed values."""
    digest = hashlib.sha256(_to_json(contents).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name])
    return digest.hexdigest()


def _check_sizes(path):
    with open(path, "rb") as file:
        n_bytes = os.fstat(file.fileno()).st_size
        n_header = int.from_bytes(file.read(8), "little")
    if 8 + n_header > n_bytes:
        raise SkreviewsFileError(
            "it is not a model file, or it is incomplete: its header is longer than "
            f"the file. {_COPY} (joblib.load opens files of joblib.dump.)"
        )
    _check_size("it", n_bytes, _MAX_BYTES)
    _check_size("its header", n_header, _MAX_HEADER)


def _check_size(name, size, limit):
    if size > limit:
        raise SkreviewsFileError(
            f"{name} has {size:,} bytes, more than the limit of {limit:,}. To save a "
            'large model, use embeddings="float16", or fewer or shorter words. A file '
            "from others may be hostile."
        )


def _parse(metadata):
    """Return the JSON of the metadata, if it is that of a model."""
    text = metadata.get(_KEY, "null")
    if _find_depth(text) > _MAX_DEPTH:
        raise SkreviewsFileError(f"its JSON is nested too deep. {_DISTRUST}")
    try:
        contents = json.loads(text)
    except ValueError as error:
        raise SkreviewsFileError(f"its JSON is damaged: {error}. {_COPY}") from error
    if not isinstance(contents, dict) or metadata.keys() != {_KEY}:
        raise SkreviewsFileError(
            "it is a safetensors file, but not a model of skreviews. Pass a file that "
            "skreviews.save has written."
        )
    version = contents.get("format_version")
    if type(version) is not int or version < 1:
        raise SkreviewsFileError(f"its format version is {version!r}. {_COPY}")
    if version > FORMAT_VERSION:
        raise SkreviewsFileError(
            f"its format version is {version}, and this skreviews reads up to "
            f"{FORMAT_VERSION}: install a newer skreviews."
        )
    return contents


def _find_depth(text):
    """Return how deep lists and objects are nested, without parsing them."""
    depth = deepest = 0
    for found in re.finditer(r'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])', text):
        depth += bool(found[1]) - bool(found[2])
        deepest = max(deepest, depth)
    return deepest
