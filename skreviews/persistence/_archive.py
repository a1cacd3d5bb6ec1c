"""The archive around a model: a zip that is checked before anything in it is read.

Its parts are stored, not compressed. So no part can be larger than the file, and a
small file cannot swell.
"""

import hashlib
import json
import os
import re
import struct
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
PARAMS = "params.json"
VOCABULARY = "vocabulary.json"
WEIGHTS = "weights.safetensors"
CARD = "card.md"
# The parts in their order, and how many bytes each may have at most.
_LIMITS = {
    MANIFEST: 2**16,
    PARAMS: 2**24,
    VOCABULARY: 2**26,
    WEIGHTS: 2**32 - 2**28,
    CARD: 2**20,
}
_MAX_DEPTH = 50
# The record at the end of a zip: signature, disks, entries, size and place of the
# directory, length of a comment.
_END = struct.Struct("<4s4H2IH")
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_LOCATOR_SIZE = 20
_MAX_DIRECTORY = 2**12
# What zipfile raises where bytes make no sense to it.
_BROKEN = (
    BadZipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
)
_AGAIN = "Copy it again from where it was saved, or save the pipeline anew."


class SkreviewsFileError(ValueError):
    """A model file that cannot be written, or that must not be trusted.

    The message says what is wrong and what to do.

    See Also
    --------
    save : Writes model files.
    load : Reads them.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skreviews import SkreviewsFileError, load
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.skr")
    ...     _ = path.write_bytes(b"no model")
    ...     try:
    ...         load(path)
    ...     except SkreviewsFileError as error:
    ...         print("refused")
    refused
    """


def write_parts(path, parts, about):
    """Write the parts and a manifest.

    Parameters
    ----------
    path : str
        The file.
    parts : dict of {str: bytes}
        All parts but the manifest.
    about : dict
        What else the manifest says of them.
    """
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    manifest = {
        "format": "skreviews",
        "format_version": FORMAT_VERSION,
        **about,
        "sha256": sums,
    }
    parts = {MANIFEST: to_json(manifest, indent=1), **parts}
    for name, data in parts.items():
        _check_size(name, len(data))
    with ZipFile(path, "w", ZIP_STORED, allowZip64=False) as archive:
        for name in _LIMITS:
            archive.writestr(ZipInfo(name), parts[name])


def read_parts(path):
    """Return the manifest and the other parts.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    manifest : dict
    parts : dict of {str: bytes}

    Raises
    ------
    SkreviewsFileError
        If it is no file as `write_parts` writes it, or of a newer version.
    """
    with open(path, "rb") as file:
        size = _check_end(file)
        try:
            with ZipFile(file) as archive:
                return _read(archive, size)
        except SkreviewsFileError:
            raise
        except _BROKEN as error:
            raise SkreviewsFileError(f"it is damaged: {error}. {_AGAIN}") from error


def to_json(value, indent=None):
    """Return JSON as bytes."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    # A word may be half a pair of surrogates.
    return text.encode("utf-8", "surrogatepass")


def from_json(name, data):
    """Return what the JSON of a part holds."""
    try:
        text = data.decode("utf-8", "surrogatepass")
        if _find_depth(text) > _MAX_DEPTH:
            raise SkreviewsFileError(f"{name} is nested too deep. {_AGAIN}")
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if isinstance(error, SkreviewsFileError):
            raise
        raise SkreviewsFileError(f"{name} is no JSON: {error}. {_AGAIN}") from error


def _check_end(file):
    """Check the end of a zip, before zipfile builds a list of all its entries."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END.size - _ZIP64_LOCATOR_SIZE))
    tail = file.read()
    if size < _END.size or not tail[-_END.size :].startswith(b"PK\x05\x06"):
        raise SkreviewsFileError(
            "it is no model file, or not all of it: the end of the archive is "
            f"missing. {_AGAIN} (Pipelines of joblib.dump open with joblib.load.)"
        )
    _, _, _, _, n_entries, n_bytes, start, n_comment = _END.unpack(tail[-_END.size :])
    if n_entries > len(_LIMITS) or n_bytes > _MAX_DIRECTORY:
        raise SkreviewsFileError(
            f"it lists {n_entries} parts in {n_bytes:,} bytes, more than the "
            f"{len(_LIMITS)} of a model. Do not use it."
        )
    is_zip64 = tail.startswith(_ZIP64_LOCATOR)
    if is_zip64 or n_comment or start + n_bytes + _END.size != size:
        raise SkreviewsFileError(
            f"its list of parts does not end where the file does. {_AGAIN}"
        )
    return size


def _read(archive, size):
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if names[:1] != [MANIFEST]:
        raise SkreviewsFileError(
            f"it is no model file: it begins with {names[:1]}, not with {MANIFEST}. "
            "Pass a file that skreviews.save has written."
        )
    for info in infos:
        _check_entry(info)
    if sum(info.file_size for info in infos) > size:
        raise SkreviewsFileError(
            f"its parts claim to be larger than the file. {_AGAIN}"
        )
    _check_size(MANIFEST, infos[0].file_size)
    manifest = from_json(MANIFEST, archive.read(MANIFEST))
    _check_version(manifest)
    if names != list(_LIMITS):
        raise SkreviewsFileError(
            f"its parts are {names} and should be {list(_LIMITS)}. Do not use it."
        )
    parts = {}
    for info in infos[1:]:
        name = info.filename
        _check_size(name, info.file_size)
        parts[name] = archive.read(name)
        if hashlib.sha256(parts[name]).hexdigest() != manifest["sha256"].get(name):
            raise SkreviewsFileError(
                f"{name} has another checksum than when it was saved. {_AGAIN}"
            )
    return manifest, parts


def _check_entry(info):
    if info.flag_bits & 1:
        raise SkreviewsFileError(
            f"{info.filename!r} is encrypted, which save never does. Do not use it."
        )
    if info.compress_type != ZIP_STORED or info.compress_size != info.file_size:
        raise SkreviewsFileError(
            f"{info.filename!r} is compressed, which save never does: it may swell "
            "when it is read. Do not use it."
        )


def _check_size(name, size):
    if size > _LIMITS[name]:
        raise SkreviewsFileError(
            f"{name} has {size:,} bytes, more than the {_LIMITS[name]:,} that it may "
            'have. To save a model this big, use embeddings="float16", or fewer or '
            "shorter words; a file that others have made may be hostile."
        )


def _check_version(manifest):
    if not isinstance(manifest, dict) or manifest.get("format") != "skreviews":
        raise SkreviewsFileError(
            f"its {MANIFEST} is not that of a model of skreviews. Pass a file that "
            "skreviews.save has written."
        )
    version = manifest.get("format_version")
    if type(version) is not int or version < 1:
        raise SkreviewsFileError(f"its format version {version!r} is none. {_AGAIN}")
    if version > FORMAT_VERSION:
        raise SkreviewsFileError(
            f"its format version is {version}, and this skreviews reads up to "
            f"{FORMAT_VERSION}: install a newer skreviews."
        )
    if not isinstance(manifest.get("sha256"), dict):
        raise SkreviewsFileError(f"its {MANIFEST} lacks the checksums. {_AGAIN}")


def _find_depth(text):
    """Return how deep lists and objects are nested, without parsing them."""
    depth = deepest = 0
    for found in re.finditer(r'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])', text):
        depth += bool(found[1]) - bool(found[2])
        deepest = max(deepest, depth)
    return deepest
