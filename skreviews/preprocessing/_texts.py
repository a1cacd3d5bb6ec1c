"""Check raw texts, and split them into words with Arrow."""

import reprlib
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

# Texts in one task of a thread: many enough to hide the overhead of Python, few enough
# to use all cores for a few thousand texts.
_CHUNK_ROWS = 1024

# The white space outside ASCII at which str.split splits.
_WIDE_SPACE = (
    r"[\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
)

_KNOWN = (list, tuple, np.ndarray, pd.Series, pd.Index, pa.Array, pa.ChunkedArray)
_TEXT_TYPES = (pa.string(), pa.large_string(), pa.string_view(), pa.null())


def check_texts(X, *, missing="error"):
    """Check raw texts and return them as one Arrow array.

    Parameters
    ----------
    X : list, tuple, ndarray, Series, Index or pyarrow array of shape (n_samples,)
        Texts. They are not modified.
    missing : {'error', 'empty'}, default='error'
        Treatment of missing texts (None, NaN, NA): raise, or replace by ``""``.

    Returns
    -------
    texts : pyarrow.LargeStringArray of shape (n_samples,)

    Raises
    ------
    ValueError
        If `X` is a single string, not one-dimensional or empty, or contains anything
        but strings. The message names the first invalid position.

    Examples
    --------
    >>> from skreviews.preprocessing import check_texts
    >>> check_texts(["Great app", "Crashes"]).to_pylist()
    ['Great app', 'Crashes']
    >>> check_texts(["Great app", None])
    Traceback (most recent call last):
        ...
    ValueError: X[1] is None (NoneType), not a str. Drop the row, or clean it
    first with TextCleaner(missing="empty").
    """
    _check_container(X)
    if not isinstance(X, _KNOWN):
        X = np.asarray(X)
    if len(X) == 0:
        raise ValueError("X is empty (0 texts): at least one text is needed.")
    texts = _to_arrow(X)
    if texts.null_count:
        if missing == "error":
            _raise_at(texts.is_null().index(True).as_py(), X)
        texts = texts.fill_null("")
    return texts


def map_chunks(function, texts):
    """Apply a function to slices of an Arrow array in threads, and list the results.

    Arrow's kernels release the GIL. `joblib.cpu_count` respects the limits of a
    container, and `pyarrow.cpu_count` respects OMP_NUM_THREADS, which joblib sets in
    its worker processes.
    """
    chunks = [
        texts.slice(start, _CHUNK_ROWS) for start in range(0, len(texts), _CHUNK_ROWS)
    ]
    if len(chunks) == 1:  # counting the cores takes as long as splitting a text
        return [function(chunks[0])]
    n_threads = min(len(chunks), joblib.cpu_count(), pa.cpu_count())
    if n_threads == 1:
        return list(map(function, chunks))
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(function, chunks))


def split_words(texts):
    """Split texts at white space and encode the words.

    Parameters
    ----------
    texts : pyarrow.LargeStringArray of shape (n_samples,)

    Returns
    -------
    codes : ndarray of int32 of shape (n_tokens,)
        The index of each token in `words`.
    offsets : ndarray of int64 of shape (n_samples + 1,)
        Text `i` has the tokens ``codes[offsets[i]:offsets[i + 1]]``.
    words : pyarrow.LargeStringArray of shape (n_distinct_words,)
        The distinct words.
    """
    encoded, lengths = zip(*map_chunks(_split_chunk, texts), strict=True)
    encoded = pa.chunked_array(encoded).unify_dictionaries()
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
    return codes, to_offsets(np.concatenate(lengths)), encoded.chunk(0).dictionary


def to_offsets(lengths):
    """Return the offsets of the rows of a ragged array, of shape (n_rows + 1,)."""
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def to_bytes(texts):
    """Return views of the row offsets and the UTF-8 bytes of an Arrow array."""
    _, offsets, data = texts.buffers()
    offsets = np.frombuffer(offsets, np.int64, len(texts) + 1, 8 * texts.offset)
    data = np.frombuffer(data or b"", np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], data


def to_strings(offsets, data):
    """Return row offsets and UTF-8 bytes as an Arrow array, without a copy."""
    offsets, data = pa.py_buffer(offsets), pa.py_buffer(data)
    return pa.LargeStringArray.from_buffers(offsets.size // 8 - 1, offsets, data)


def _check_container(X):
    if isinstance(X, (str, bytes)):
        raise ValueError(
            f"X is a single {type(X).__name__}, not a sequence of texts. "
            "Pass a list: [text]."
        )
    if isinstance(X, pd.DataFrame):
        raise ValueError(
            f"X is a DataFrame of shape {X.shape}, not a sequence of texts. "
            f"Pass one of its columns, such as X[{next(iter(X.columns), 'text')!r}]."
        )
    if not isinstance(X, _KNOWN) and not hasattr(X, "__array__"):
        raise ValueError(
            f"X is a {type(X).__name__}, not a sequence of texts. Pass a list, an "
            "ndarray, a Series or a pyarrow array of str."
        )
    shape = X.shape if hasattr(X, "shape") else (len(X),)
    if len(shape) != 1:
        raise ValueError(
            f"X has the shape {tuple(shape)}, but texts are one-dimensional. "
            "Pass one column, such as X[:, 0], or X.ravel()."
        )


def _to_arrow(X):
    try:
        texts = X if isinstance(X, (pa.Array, pa.ChunkedArray)) else _infer(X)
    except (pa.ArrowException, UnicodeEncodeError, TypeError, ValueError):
        texts = None  # mixed types or an invalid string, found by the scan below
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    if texts is not None and pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_decode()
    if texts is None or texts.type not in _TEXT_TYPES:
        # Arrow cannot infer the type of a list with pandas.NA.
        items = [None if _is_missing(item) else item for item in _items(X)]
        for position, item in enumerate(items):
            if item is not None and not _is_valid(item):
                _raise_at(position, X)
        texts = pa.array(items, type=pa.large_string())
    return texts.cast(pa.large_string())


def _infer(X):
    if isinstance(X, np.ndarray) and X.dtype.kind == "U":
        X = X.astype(object)  # Arrow cuts the texts of U arrays at a null character
    return pa.array(X, from_pandas=True)


def _items(X):
    return X.to_pylist() if isinstance(X, (pa.Array, pa.ChunkedArray)) else list(X)


def _is_missing(item):
    return pd.api.types.is_scalar(item) and pd.isna(item)


def _is_valid(item):
    if not isinstance(item, str):
        return False
    try:
        item.encode()
    except UnicodeEncodeError:
        return False
    return True


def _raise_at(position, X):
    item = _items(X)[position]
    if isinstance(item, str):
        raise ValueError(
            f"X[{position}] holds half a surrogate pair, which is invalid Unicode. "
            'Repair it with text.encode("utf-8", "replace").decode().'
        )
    if _is_missing(item):
        remedy = 'Drop the row, or clean it first with TextCleaner(missing="empty").'
    elif isinstance(item, bytes):
        remedy = 'Decode it first, such as item.decode("utf-8").'
    elif isinstance(item, Integral):
        remedy = "Pass raw texts, not token ids."
    else:
        remedy = "Pass one str for each text."
    raise ValueError(
        f"X[{position}] is {reprlib.repr(item)} ({type(item).__name__}), not a str. "
        f"{remedy}"
    )


def _split_chunk(texts):
    starts, offsets, data = _find_words(texts)
    # Each word with the white space after it, which is trimmed off the distinct words.
    words = to_strings(np.append(starts, len(data)), data).dictionary_encode()
    if pc.match_substring_regex(words.dictionary, _WIDE_SPACE).true_count:
        return _split_chunk(pc.replace_substring_regex(texts, _WIDE_SPACE, " "))
    trimmed = pc.utf8_trim_whitespace(words.dictionary).dictionary_encode()
    codes = trimmed.indices.to_numpy()[words.indices.to_numpy()]
    encoded = pa.DictionaryArray.from_arrays(codes, trimmed.dictionary)
    return encoded, np.diff(np.searchsorted(starts, offsets))


def _find_words(texts):
    """Return the starts of the words, the offsets of the texts, and the bytes."""
    offsets, data = to_bytes(texts)
    is_space = (data == 32) | (data - np.uint8(9) < 5) | (data - np.uint8(28) < 4)
    after_space = np.empty_like(is_space)
    after_space[1:] = is_space[:-1]
    after_space[offsets[offsets < len(data)]] = True
    return np.flatnonzero(after_space & ~is_space), offsets, data
