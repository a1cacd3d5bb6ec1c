"""What is scored: files of texts, read in a stream, and batches in memory.

Whatever a source is, it comes out as Arrow tables of one kind: the chosen columns, the
texts among them as strings, and a last column that says why a row is unreadable, null
for all others. In files of text each value is a string: "007" stays what it is.
"""

import codecs
import glob
import gzip
import hashlib
import os
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from skreviews.io._csv import MAX_ROW_BYTES, CsvParser
from skreviews.io._jsonl import JsonParser
from skreviews.io._read_reviews import _check_columns
from skreviews.preprocessing._texts import check_texts

STANDARD_STREAM = "-"
REASON = "\0reason"
COMPRESSIONS = (".gz", ".zst")
PARSERS = {
    "csv": lambda: CsvParser(","),
    "tsv": lambda: CsvParser("\t"),
    "jsonl": JsonParser,
}
FORMATS = (*PARSERS, "parquet")

_BLOCK_BYTES = 2**20
# A batch ends here even if it has fewer rows than it may, so that long texts do not
# fill the memory.
_BATCH_BYTES = 2**26
_FINGERPRINT_BYTES = 2**20


class Source:
    """Files of texts, or standard input.

    Parameters
    ----------
    source : str or path-like
        A file, a folder of Parquet files, a pattern such as ``"day-*.csv"``, or "-".
    names : list of str
        The columns to read, that of the texts first.
    file_format : {'csv', 'tsv', 'jsonl', 'parquet'} or None
        None goes by the names of the files.

    Attributes
    ----------
    types : list of pyarrow.DataType
        Those of the columns, as they come out.
    total : int or None
        Bytes of the files, rows of Parquet files; None if nobody can tell.
    done : int
        How much of it has been read.
    """

    def __init__(self, source, names, file_format=None):
        self.name = "standard input" if is_stream(source) else os.fspath(source)
        self.names = names
        self.done = 0
        self.types = [pa.string() for _ in names]
        if is_stream(source):
            self.files, self.format = [], file_format or "csv"
            if self.format == "parquet":
                raise ValueError(
                    "Parquet is read from its end, which standard input has not: give "
                    "a file."
                )
            self.total = None
            self._stream = self._open_text(_read_blocks(sys.stdin.buffer), self.name)
            next(self._stream)
            return
        self.files = _find_files(source)
        self.format = _find_common_format(self.files, file_format)
        if self.format == "parquet":
            self._check_parquet()
            return
        self.total = sum(path.stat().st_size for path in self.files)
        for path in self.files:
            with _named_errors(path.name), _open(path) as (file, _):
                next(self._open_text(_read_blocks(file), path.name))

    def fingerprint(self):
        """Return what tells whether the files have changed, a list of dict."""
        return [_fingerprint(path) for path in self.files]

    def read(self):
        """Yield the rows as tables of any length."""
        if not self.files:
            with _named_errors(self.name):
                yield from self._stream
            return
        for path in self.files:
            with _named_errors(path.name):
                read = self._read_parquet if self.format == "parquet" else self._read
                yield from read(path)

    def _read(self, path):
        before = self.done
        with _open(path) as (file, raw):
            tables = self._open_text(_read_blocks(file), path.name)
            next(tables)
            for table in tables:
                self.done = before + raw.tell()
                yield table
        self.done = before + path.stat().st_size

    def _open_text(self, blocks, name):
        """Yield nothing once, when the columns are found to be there, then tables."""
        parser = PARSERS[self.format]()
        rest, places, wanted, is_skipping = b"", None, 0, False
        for block, is_last in _mark_last(_decode(blocks)):
            rest += block
            if is_skipping:
                _, is_found, rest = rest.partition(b"\n")
                is_skipping = not is_found
            if len(rest) < wanted and not is_last:
                continue
            if places is None:
                end = parser.read_header(rest, is_last)
                if end is None and not is_last:
                    wanted = 2 * len(rest)
                    continue
                _check_columns(Path(name), parser.names or [], self.names)
                places = [parser.names.index(column) for column in self.names]
                yield None
                rest = rest[end:]
            columns, reasons, end = parser.parse(rest, is_last, places)
            # A row in many blocks is not looked at anew with each of them.
            wanted = 0 if end else 2 * len(rest)
            rest = rest[end:]
            if not end and len(rest) >= MAX_ROW_BYTES:
                reasons = {0: f"it has more than {MAX_ROW_BYTES:,} bytes"}
                columns = [pa.array([None], pa.binary()) for _ in places]
                rest, wanted, is_skipping = b"", 0, True
            if len(columns[0]):
                yield self._to_table(columns, reasons, parser.empty_is_missing)

    def _to_table(self, columns, reasons, empty_is_missing):
        texts, *others = columns
        texts, broken = _decode_column(texts)
        for row in broken:
            reasons.setdefault(row, "its text is not UTF-8")
        if empty_is_missing:
            texts = pc.if_else(pc.equal(texts, ""), None, texts)
        others = [_decode_column(column)[0] for column in others]
        return _make_table(self.names, [texts, *others], reasons)

    def _check_parquet(self):
        self.total = 0
        types = {}
        for path in self.files:
            with _named_errors(path.name), pq.ParquetFile(path) as file:
                schema = file.schema_arrow
                self.total += file.metadata.num_rows
            _check_columns(path, schema.names, self.names)
            for name in self.names:
                kind = _plain_type(schema.field(name).type)
                first = types.setdefault(name, kind)
                if kind != first:
                    raise ValueError(
                        f"column {name!r} of {path.name} is {kind}, but that of "
                        f"{self.files[0].name} is {first}: score them one by one."
                    )
        kind = types[self.names[0]]
        if kind not in (pa.string(), pa.binary(), pa.null()):
            raise ValueError(
                f"column {self.names[0]!r} of {self.files[0].name} is {kind}, not text."
            )
        self.types = [pa.string(), *(types[name] for name in self.names[1:])]

    def _read_parquet(self, path):
        # Not a row group at once, which may hold the whole file.
        options = {"buffer_size": _BLOCK_BYTES, "pre_buffer": False}
        with pq.ParquetFile(path, **options) as file:
            for batch in file.iter_batches(4096, columns=self.names, use_threads=False):
                columns = [_to_plain(batch[name]) for name in self.names]
                reasons = {}
                if columns[0].type != pa.string():
                    binary = columns[0].cast(pa.binary())
                    columns[0], broken = _decode_column(binary)
                    reasons = dict.fromkeys(broken, "its text is not UTF-8")
                self.done += len(batch)
                yield _make_table(self.names, columns, reasons)


def read_memory(batch, names):
    """Return the table of one batch: Arrow, a DataFrame, or texts alone."""
    if isinstance(batch, pd.DataFrame):
        _check_columns(Path("the DataFrame"), list(batch.columns), names)
        texts, *others = [batch[name] for name in names]
        others = [pa.array(column, from_pandas=True) for column in others]
    elif isinstance(batch, (pa.Table, pa.RecordBatch)):
        _check_columns(Path("the batch"), batch.schema.names, names)
        texts, *others = [_to_plain(batch[name]) for name in names]
    elif len(names) > 1:
        raise ValueError(
            f"a batch of the type {type(batch).__name__} has texts alone, not the "
            f"column {names[1]!r}: pass DataFrames or Arrow tables."
        )
    else:
        texts, others = batch, []
    texts = _check_memory(texts)
    return _make_table(names, [texts, *others], {})


def rebatch(tables, batch_rows, n_skipped=0):
    """Yield the rows behind the skipped ones in tables of `batch_rows` rows.

    Where the texts are long a table has fewer rows, and always the same for the same
    rows behind the same start.
    """
    held = None
    for table in tables:
        if n_skipped:
            n_left_out = min(n_skipped, len(table))
            table = table.slice(n_left_out)
            n_skipped -= n_left_out
        held = table if held is None else pa.concat_tables([held, table])
        while n_rows := _find_batch(held, batch_rows):
            yield held.slice(0, n_rows)
            held = held.slice(n_rows)
    if held is not None and len(held):
        yield held


def is_stream(path):
    """Tell whether standard input or output is meant."""
    return isinstance(path, str) and path == STANDARD_STREAM


def find_format(path):
    """Return the format that the name of a file tells, and its compression or None."""
    *_, last = ["", *path.suffixes]
    compression = last.lower() if last.lower() in COMPRESSIONS else None
    stem = path.name[: -len(last)] if compression else path.name
    file_format = Path(stem).suffix.lower().removeprefix(".")
    if file_format not in FORMATS or (compression and file_format == "parquet"):
        raise ValueError(
            f"cannot tell the format of {path.name}: its name must end in .csv, .tsv, "
            ".jsonl (each also with .gz or .zst after it) or .parquet."
        )
    return file_format, compression


def _find_files(source):
    path = Path(source)
    if path.is_dir():
        files = [
            file
            for file in sorted(path.rglob("*.parquet"))
            if not any(
                part.startswith((".", "_")) for part in file.relative_to(path).parts
            )
        ]
        if not files:
            raise ValueError(f"the folder {path} holds no .parquet file.")
        return files
    if not path.exists() and glob.has_magic(os.fspath(source)):
        files = sorted(map(Path, glob.glob(os.fspath(source), recursive=True)))
        files = [file for file in files if file.is_file()]
        if not files:
            raise ValueError(f"no file has a name such as {source}.")
        return files
    path.stat()  # or else FileNotFoundError
    return [path]


def _find_common_format(files, file_format):
    if file_format is not None:
        return file_format
    formats = {find_format(path)[0]: path for path in files}
    if len(formats) > 1:
        names = ", ".join(path.name for path in formats.values())
        raise ValueError(f"{names} have several formats: score them one by one.")
    return next(iter(formats))


def _fingerprint(path):
    stat = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_FINGERPRINT_BYTES))
        file.seek(max(0, stat.st_size - _FINGERPRINT_BYTES))
        digest.update(file.read())
    return {
        "file": str(path.resolve()),
        "size": stat.st_size,
        "modified": stat.st_mtime_ns,
        "sha256 of both ends": digest.hexdigest(),
    }


@contextmanager
def _named_errors(name):
    """Let complaints about the content name the file; the disk's own do so already."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"cannot read {name}: {error}") from error


@contextmanager
def _open(path):
    """Open a file and what is in it, which is the same if it is not compressed."""
    with path.open("rb") as raw:
        match path.suffix.lower():
            case ".gz":
                with gzip.open(raw) as file:
                    yield file, raw
            case ".zst":
                with pa.input_stream(raw, compression="zstd") as file:
                    yield file, raw
            case _:
                yield raw, raw


def _read_blocks(file):
    while block := file.read(_BLOCK_BYTES):
        yield block


def _decode(blocks):
    """Yield UTF-8 without a byte order mark."""
    first = next(blocks, b"")
    if not first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    yield decoder.decode(first).encode()
    for block in blocks:
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


def _mark_last(blocks):
    held = next(blocks)
    for block in blocks:
        yield held, False
        held = block
    yield held, True


def _decode_column(column):
    """Return bytes as strings, and the rows that are not UTF-8, mended."""
    try:
        return column.cast(pa.string()), []
    except pa.ArrowInvalid:
        pass
    values, broken = column.to_pylist(), []
    for row, value in enumerate(values):
        if value is not None:
            values[row] = value.decode("utf-8", "replace")
            if values[row].encode() != value:
                broken.append(row)
    return pa.array(values, pa.string()), broken


def _make_table(names, columns, reasons):
    """Return the columns with the reasons behind them; such rows have no text."""
    if reasons:
        messages = pa.array(
            [reasons.get(row) for row in range(len(columns[0]))], pa.string()
        )
        columns[0] = pc.if_else(messages.is_null(), columns[0], None)
    else:
        messages = pa.nulls(len(columns[0]), pa.string())
    return pa.table([*columns, messages], names=[*names, REASON])


def _plain_type(kind):
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    return kind


def _to_plain(column):
    """Return a column without dictionary, and of the plain type of its strings."""
    return column.cast(_plain_type(column.type))


def _check_memory(texts):
    """Return texts in memory as strings, None where one is missing."""
    if len(texts) == 0:
        return pa.array([], pa.string())
    if isinstance(texts, (pa.Array, pa.ChunkedArray)):
        missing = texts.is_null()
        texts = check_texts(texts, missing="empty")
    else:
        texts = pd.Series(texts, dtype=object)
        missing = pa.array(texts.isna())
        texts = check_texts(texts, missing="empty")
    return pc.if_else(missing, None, texts.cast(pa.string()))


def _find_batch(table, batch_rows):
    """Return the rows of the first batch, or 0 if it is not whole."""
    lengths = pc.fill_null(pc.binary_length(table[0]), 0).to_numpy()
    n_rows = np.searchsorted(np.cumsum(lengths), _BATCH_BYTES) + 1
    n_rows = min(int(n_rows), batch_rows)
    return n_rows if n_rows <= len(table) else 0
