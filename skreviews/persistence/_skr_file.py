"""The file format: one safetensors file with JSON and Markdown in its metadata."""

import hashlib
import json
import os
import re

from safetensors import SafetensorError, safe_open

FORMAT_VERSION = 1
# The texts in the metadata, in their order, and the most characters of each.
_MAX_CHARACTERS = {
    "manifest": 2**16,
    "parameters": 2**24,
    "vocabulary": 2**26,
    "card": 2**20,
}
_MAX_HEADER = 2**26 + 2**24
_MAX_BYTES = 2**32
_MAX_TENSORS = 1000
_MAX_DEPTH = 50
_DTYPES = {"float32": "F32", "float16": "F16", "int8": "I8"}
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


def write_file(path, manifest, texts, tensors):
    """Write a model file.

    Equal arguments give equal bytes, which `safetensors.numpy.save_file` does not: it
    writes the metadata in random order.

    Parameters
    ----------
    path : str
        The file.
    manifest : dict
        What JSON can hold. The format, its version and a checksum are added.
    texts : dict of {str: str}
        The other texts of the metadata.
    tensors : dict of {str: ndarray}
        Contiguous arrays of float32, float16 or int8.
    """
    tensors = _sort(tensors)
    about = {"format": "skreviews", "format_version": FORMAT_VERSION}
    manifest = about | manifest | {"sha256": _hash(texts, tensors)}
    texts = {"manifest": to_json(manifest), **texts}
    for name, text in texts.items():
        _check_size(name, len(text))
    header = _make_header(texts, tensors)
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little"))
        file.write(header)
        for tensor in tensors.values():
            file.write(tensor)


def read_file(path):
    """Read a model file.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    manifest : dict
    texts : dict of {str: str}
        The other texts of the metadata.
    tensors : dict of {str: ndarray}

    Raises
    ------
    SkreviewsFileError
        If `write_file` does not write such a file, or if its format is newer.
    """
    header = _read_header(path)
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            texts = file.metadata() or {}
            manifest = _read_manifest(texts)
            names = file.keys()
            if len(names) > _MAX_TENSORS:
                raise SkreviewsFileError(
                    f"it holds {len(names):,} tensors; a model has at most "
                    f"{_MAX_TENSORS:,}. {_DISTRUST}"
                )
            for name in names:
                dtype = file.get_slice(name).get_dtype()
                if dtype not in _DTYPES.values():
                    raise SkreviewsFileError(
                        f"the tensor {name!r} is of dtype {dtype}; a model has "
                        f"{', '.join(_DTYPES.values())}. {_DISTRUST}"
                    )
            tensors = _sort({name: file.get_tensor(name) for name in names})
    except SkreviewsFileError:
        raise
    except (SafetensorError, ValueError, OverflowError) as error:
        raise SkreviewsFileError(
            f"it is not a model file, or it is damaged: {error}. {_COPY} (joblib.load "
            "opens files of joblib.dump.)"
        ) from error
    texts = {name: texts[name] for name in _MAX_CHARACTERS}
    if _make_header(texts, tensors) != header:  # a name occurs twice, say
        raise SkreviewsFileError(f"its header is not one of save. {_DISTRUST}")
    del texts["manifest"]
    if _hash(texts, tensors) != manifest.get("sha256"):
        raise SkreviewsFileError(
            f"its checksum differs from that of its contents. {_COPY}"
        )
    return manifest, texts, tensors


def to_json(value):
    """Return a value as JSON that safetensors accepts as metadata."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return replace_surrogates(text)


def replace_surrogates(text):
    r"""Write each half of a surrogate pair as ``\ud800``: it has no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def from_json(name, text):
    """Return the value of one text of the metadata."""
    if _find_depth(text) > _MAX_DEPTH:
        raise SkreviewsFileError(f"its text {name!r} is nested too deep. {_DISTRUST}")
    try:
        return json.loads(text)
    except ValueError as error:
        raise SkreviewsFileError(
            f"its text {name!r} is not JSON: {error}. {_COPY}"
        ) from error


def _hash(texts, tensors):
    """Return a checksum of all but the manifest; safetensors has none."""
    digest = hashlib.sha256()
    texts = {name: text.encode() for name, text in texts.items()}
    for name, part in (texts | tensors).items():
        digest.update(name.encode())
        digest.update(part)
    return digest.hexdigest()


def _sort(tensors):
    """Return the tensors in their order in the file, which aligns them."""
    order = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    return {name: tensors[name] for name in order}


def _make_header(texts, tensors):
    """Return the header of a safetensors file, as bytes."""
    header, stop = {"__metadata__": texts}, 0
    for name, tensor in tensors.items():
        start, stop = stop, stop + tensor.nbytes
        header[name] = {
            "dtype": _DTYPES[tensor.dtype.name],
            "shape": tensor.shape,
            "data_offsets": [start, stop],
        }
    header = json.dumps(header, ensure_ascii=False).encode()
    return header + b" " * (-len(header) % 8)


def _read_header(path):
    with open(path, "rb") as file:
        n_bytes = os.fstat(file.fileno()).st_size
        if n_bytes > _MAX_BYTES:
            raise SkreviewsFileError(_too_large("the file", n_bytes, _MAX_BYTES))
        length = int.from_bytes(file.read(8), "little")
        if 8 + length > n_bytes:
            raise SkreviewsFileError(
                "it is not a model file, or it is incomplete: its header is longer "
                f"than the file. {_COPY} (joblib.load opens files of joblib.dump.)"
            )
        if length > _MAX_HEADER:
            raise SkreviewsFileError(_too_large("its header", length, _MAX_HEADER))
        return file.read(length)


def _read_manifest(texts):
    for name, text in texts.items():
        if name in _MAX_CHARACTERS:
            _check_size(name, len(text))
    manifest = from_json("manifest", texts.get("manifest", "null"))
    if not isinstance(manifest, dict) or manifest.get("format") != "skreviews":
        raise SkreviewsFileError(
            "it is a safetensors file, but not a model of skreviews. Pass a file that "
            "skreviews.save has written."
        )
    version = manifest.get("format_version")
    if type(version) is not int or version < 1:
        raise SkreviewsFileError(f"its format version is {version!r}. {_COPY}")
    if version > FORMAT_VERSION:
        raise SkreviewsFileError(
            f"its format version is {version}, and this skreviews reads up to "
            f"{FORMAT_VERSION}: install a newer skreviews."
        )
    if texts.keys() != _MAX_CHARACTERS.keys():
        raise SkreviewsFileError(
            f"its metadata are {sorted(texts)} and should be "
            f"{sorted(_MAX_CHARACTERS)}. {_DISTRUST}"
        )
    return manifest


def _check_size(name, size):
    if size > _MAX_CHARACTERS[name]:
        limit = _MAX_CHARACTERS[name]
        raise SkreviewsFileError(_too_large(f"its text {name!r}", size, limit))


def _too_large(name, size, limit):
    return (
        f"{name} has {size:,} bytes, more than the limit of {limit:,}. To save a "
        'large model, use embeddings="float16", or fewer or shorter words. A file from '
        "others may be hostile."
    )


def _find_depth(text):
    """Return how deep lists and objects are nested, without parsing them."""
    depth = deepest = 0
    for found in re.finditer(r'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])', text):
        depth += bool(found[1]) - bool(found[2])
        deepest = max(deepest, depth)
    return deepest
