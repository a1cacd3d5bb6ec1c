"""Files of texts, read as a stream of Arrow tables.

Each table has the chosen columns, that of the texts first and as strings, and a last
column with the reason why a row is unreadable, null for all other rows. All columns of
CSV, TSV and JSONL are strings: "007" stays "007".
"""

import codecs
import glob
import hashlib
import os
import sys
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from skreviews.io._csv_parser import MAX_ROW_BYTES, CsvParser
from skreviews.io._json_parser import JsonParser

STANDARD_STREAM = "-"  # standard input or output in place of a path
REASON = "\0reason"
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
PARSERS = {
    "csv": lambda: CsvParser(","),
    "tsv": lambda: CsvParser("\t"),
    "jsonl": JsonParser,
}
FORMATS = (*PARSERS, "parquet")

_BLOCK_BYTES = 2**20


class Source:
    """Files of texts, or standard input.

    Parameters
    ----------
    source : str or path-like
        A file, a folder of Parquet files, a pattern such as ``"day-*.csv"``, or "-".
    names : list of str
        The columns to read, that of the texts first.
    file_format : {'csv', 'tsv', 'jsonl', 'parquet'} or None, default=None
        None infers it from the names of the files.
    n_checked : int, default=1
        The first columns, in which bytes that are not UTF-8 make a row unreadable.
        In other columns such bytes are replaced.

    Attributes
    ----------
    types : list of pyarrow.DataType
        Those of the columns.
    total : int or None
        Number of bytes, or of rows of Parquet files. None for standard input.
    done : int
        How much of `total` has been read.
    """

    def __init__(self, source, names, file_format=None, n_checked=1):
        is_stream = source == STANDARD_STREAM
        self.name = "standard input" if is_stream else Path(source).name
        self.names = names
        self.n_checked = n_checked
        self.done = 0
        self.types = [pa.string() for _ in names]
        if is_stream:
            self.files, self.format = [], file_format or "csv"
            if self.format == "parquet":
                raise ValueError(
                    "Parquet is not read from standard input, which allows no random "
                    "access: pass a file."
                )
            self.total = None
            self._stream = self._open_text(_read_blocks(sys.stdin.buffer), self.name)
            with _named_errors(self.name):
                next(self._stream)
            return
        self.files = _find_files(source)
        self.format = file_format or _find_common_format(self.files)
        if self.format == "parquet":
            self._check_parquet()
            return
        self.total = sum(path.stat().st_size for path in self.files)
        for path in self.files:
            with _named_errors(path.name), _open(path) as (file, _):
                next(self._open_text(_read_blocks(file), path.name))

    def fingerprint(self):
        """Return what changes with the contents of the files, a list of dict."""
        return [
            {
                "file": str(path.resolve()),
                **identify(path),
                "sha256 of both ends": _hash_ends(path),
            }
            for path in self.files
        ]

    def read(self):
        """Yield the rows as tables of any length."""
        if not self.files:
            with _named_errors(self.name):
                yield from self._stream
            return
        read = self._read_parquet if self.format == "parquet" else self._read_text
        for path in self.files:
            with _named_errors(path.name):
                yield from read(path)

    def _read_text(self, path):
        before = self.done
        with _open(path) as (file, raw):
            tables = self._open_text(_read_blocks(file), path.name)
            next(tables)
            for table in tables:
                self.done = before + raw.tell()
                yield table
        self.done = before + path.stat().st_size

    def _open_text(self, blocks, name):
        """Yield None once the columns are found, then the tables."""
        parser = PARSERS[self.format]()
        rest, positions, wanted, is_skipping = b"", None, 0, False
        for block, is_last in _mark_last(_decode(blocks)):
            rest += block
            if is_skipping:
                _, is_found, rest = rest.partition(b"\n")
                is_skipping = not is_found
            if len(rest) < wanted and not is_last:
                continue
            if positions is None:
                end = parser.read_header(rest, is_last, self.names)
                if end is None and not is_last:
                    wanted = 2 * len(rest)
                    continue
                check_columns(name, parser.names or [], self.names)
                positions = [parser.names.index(column) for column in self.names]
                yield None
                rest = rest[end:]
            columns, reasons, end = parser.parse(rest, is_last, positions)
            # A row of many blocks is not parsed again after each of them.
            wanted = 0 if end else 2 * len(rest)
            rest = rest[end:]
            if not end and len(rest) >= MAX_ROW_BYTES:
                reasons = {0: f"it has more than {MAX_ROW_BYTES:,} bytes"}
                columns = [pa.array([None], pa.binary()) for _ in positions]
                rest, wanted, is_skipping = b"", 0, True
            if len(columns[0]):
                columns = self._to_strings(columns, reasons)
                if parser.empty_is_missing:
                    columns[0] = pc.if_else(pc.equal(columns[0], ""), None, columns[0])
                yield make_table(self.names, columns, reasons)

    def _to_strings(self, columns, reasons):
        """Decode the columns, and add reasons for rows that are not UTF-8."""
        decoded = []
        for number, column in enumerate(columns):
            column, broken = _decode_column(column)
            for row in broken if number < self.n_checked else ():
                what = "text" if number == 0 else repr(self.names[number])
                reasons.setdefault(row, f"its {what} is not valid UTF-8")
            decoded.append(column)
        return decoded

    def _check_parquet(self):
        self.total = 0
        types = {}
        for path in self.files:
            with _named_errors(path.name), pq.ParquetFile(path) as file:
                schema = file.schema_arrow
                self.total += file.metadata.num_rows
            check_columns(path.name, schema.names, self.names)
            for name in self.names:
                kind = _plain_type(schema.field(name).type)
                first = types.setdefault(name, kind)
                if kind != first:
                    raise ValueError(
                        f"column {name!r} of {path.name} is {kind}, but that of "
                        f"{self.files[0].name} is {first}: read them one by one."
                    )
        kind = types[self.names[0]]
        if kind not in (pa.string(), pa.binary(), pa.null()):
            raise ValueError(
                f"column {self.names[0]!r} of {self.files[0].name} is {kind}, not text."
            )
        self.types = [pa.string(), *(types[name] for name in self.names[1:])]

    def _read_parquet(self, path):
        # A row group may hold the whole file: read less at once.
        options = {"buffer_size": _BLOCK_BYTES, "pre_buffer": False}
        with pq.ParquetFile(path, **options) as file:
            for batch in file.iter_batches(4096, columns=self.names, use_threads=False):
                columns = [to_plain(batch[name]) for name in self.names]
                reasons = {}
                if columns[0].type != pa.string():
                    columns[:1] = self._to_strings(
                        [columns[0].cast(pa.binary())], reasons
                    )
                self.done += len(batch)
                yield make_table(self.names, columns, reasons)


def find_format(path):
    """Return the format that a file name stands for, and its compression or None."""
    last = path.suffix
    compression = last.lower() if last.lower() in COMPRESSIONS else None
    stem = path.name[: -len(last)] if compression else path.name
    file_format = Path(stem).suffix.lower().removeprefix(".")
    if file_format not in FORMATS or (compression and file_format == "parquet"):
        raise ValueError(
            f"cannot infer the format of {path.name}: its name must end in .csv, .tsv, "
            ".jsonl (each also with .gz or .zst after it) or .parquet."
        )
    return file_format, compression


def identify(path):
    """Return what changes with the content of a file, for JSON."""
    stat = path.stat()
    return {"size": stat.st_size, "modified": stat.st_mtime_ns}


def _hash_ends(path):
    """Return a hash of the first and the last MiB: edits may keep size and time."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(2**20))
        file.seek(max(0, path.stat().st_size - 2**20))
        digest.update(file.read())
    return digest.hexdigest()


def check_columns(name, present, columns):
    """Raise unless the file or table `name` has each of the columns once."""
    if not present:
        raise ValueError(f"{name} is empty.")
    for column in columns:
        if present.count(column) > 1:
            raise ValueError(f"{name} has more than one column {column!r}.")
        if column not in present:
            message = (
                f"column {column!r} is not in {name}; its columns are: "
                f"{', '.join(map(repr, present))}."
            )
            if close := get_close_matches(column, present, n=1):
                message += f" Did you mean {close[0]!r}?"
            raise ValueError(message)


def to_plain(column):
    """Return a column without dictionary, and of the plain type of its strings."""
    return column.cast(_plain_type(column.type))


def make_table(names, columns, reasons):
    """Return a table of the columns and the reasons; unreadable rows have no text."""
    messages = pa.nulls(len(columns[0]), pa.string())
    if reasons:
        messages = [reasons.get(row) for row in range(len(columns[0]))]
        messages = pa.array(messages, pa.string())
        columns = [pc.if_else(messages.is_null(), columns[0], None), *columns[1:]]
    return pa.table([*columns, messages], names=[*names, REASON])


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
            raise ValueError(f"no file matches the pattern {source}.")
        return files
    path.stat()  # raises FileNotFoundError
    return [path]


def _find_common_format(files):
    formats = {find_format(path)[0]: path for path in files}
    if len(formats) > 1:
        names = ", ".join(path.name for path in formats.values())
        raise ValueError(f"{names} have several formats: read them one by one.")
    return next(iter(formats))


@contextmanager
def _named_errors(name):
    """Add the file name to errors of its content; those of the system have it."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"cannot read {name}: {error}") from error


@contextmanager
def _open(path):
    """Open a file; give its decompressed content and the file itself."""
    with path.open("rb") as raw:
        compression = COMPRESSIONS.get(path.suffix.lower())
        with pa.input_stream(raw, compression=compression) as file:
            yield file, raw


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
    """Return bytes as strings, invalid ones replaced, and the rows of these."""
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


def _plain_type(kind):
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    return kind
