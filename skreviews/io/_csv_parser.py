"""Parser of CSV: by Arrow, or row by row where a block has a broken row.

Arrow reads a block completely or not at all. A block whose quotes all open or close a
field is read by Arrow. Any other block is read by the csv module of Python, which skips
single broken rows.
"""

import csv
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

# Limit of a row, and of the text after a quote that is never closed.
MAX_ROW_BYTES = 2**25

_QUOTE, _LINE_FEED, _RETURN = b'"\n\r'
_UNCLOSED = "a quote is not closed properly"


class CsvParser:
    """Parses bytes of a CSV into columns of bytes.

    Parameters
    ----------
    delimiter : str

    Attributes
    ----------
    names : list of str or None
        The columns, once the header is read.
    """

    # Writers leave a cell empty, or write two quotes, for a missing value.
    empty_is_missing = True

    def __init__(self, delimiter):
        self.delimiter = delimiter
        self.names = None

    def read_header(self, buffer, is_last, columns):
        """Return the number of bytes of the header, or None if it is incomplete."""
        for fields, _, end in _iter_rows(buffer, self.delimiter, is_last):
            if fields is None:
                raise pa.ArrowInvalid(f"the header: {_UNCLOSED}.")
            names = [name.encode("latin-1") for name in fields]
            self.names = [name.decode("utf-8", "replace") for name in names]
            return end
        return None

    def parse(self, buffer, is_last, chosen):
        """Read the complete rows at the beginning of the buffer.

        Parameters
        ----------
        buffer : bytes
            Starts with a row.
        is_last : bool
            Whether the buffer ends with the file.
        chosen : list of int
            Positions of the columns to return, that of the texts first.

        Returns
        -------
        columns : list of pyarrow.BinaryArray
        reasons : dict of int to str
            Why rows cannot be read, by their position. Their columns are null.
        end : int
            Number of bytes read.
        """
        end = _find_end(buffer, ord(self.delimiter), is_last)
        if end or (end == 0 and len(buffer) < MAX_ROW_BYTES):
            try:
                return self._parse_block(buffer[:end], chosen), {}, end
            except pa.ArrowInvalid:
                pass
        rows, reasons, end = [], {}, 0
        for fields, reason, stop in _iter_rows(buffer, self.delimiter, is_last):
            end = stop
            if fields is not None and len(fields) != len(self.names):
                reason = (
                    f"the number of fields is {len(fields)} where the header has "
                    f"{len(self.names)}"
                )
            if reason:
                reasons[len(rows)] = reason
                rows.append([None] * len(chosen))
            else:
                rows.append([fields[position].encode("latin-1") for position in chosen])
        columns = zip(*rows, strict=True) if rows else [[] for _ in chosen]
        return [pa.array(column, pa.binary()) for column in columns], reasons, end

    def _parse_block(self, block, chosen):
        if not block.strip(b"\r\n"):
            return [pa.array([], pa.binary()) for _ in chosen]
        names = [str(position) for position in range(len(self.names))]
        table = pa_csv.read_csv(
            pa.BufferReader(block),
            pa_csv.ReadOptions(
                column_names=names, use_threads=False, block_size=len(block) + 1
            ),
            pa_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            pa_csv.ConvertOptions(
                check_utf8=False,
                include_columns=[names[position] for position in chosen],
                column_types=dict.fromkeys(names, pa.binary()),
            ),
        )
        return [column.combine_chunks() for column in table.columns]


def _find_end(buffer, delimiter, is_last):
    """Return the end of the last complete row, or None if a quote is misplaced.

    If each quote opens or closes a field, or is one of two inside it, a line break
    after an even number of quotes ends a row.
    """
    data = np.frombuffer(buffer, np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    if len(quotes):
        borders = np.array([delimiter, _LINE_FEED, _RETURN, _QUOTE], np.uint8)
        opening, closing = quotes[::2], quotes[1::2]
        before = data[opening[opening > 0] - 1]
        after = data[closing[closing < len(data) - 1] + 1]
        if not np.isin(before, borders).all() or not np.isin(after, borders).all():
            return None
    if is_last:
        return len(data) if len(quotes) % 2 == 0 else None
    breaks = np.flatnonzero((data == _LINE_FEED) | (data == _RETURN))
    ends = breaks[np.searchsorted(quotes, breaks) % 2 == 0]
    return int(ends[-1]) + 1 if len(ends) else 0


def _iter_rows(buffer, delimiter, is_last):
    """Yield the fields of each row as Latin-1, or None and the reason, and its end."""
    lines = buffer.splitlines(keepends=True)
    if lines and not is_last and not lines[-1].endswith((b"\n", b"\r")):
        lines.pop()  # the next block may continue it
    position = end = 0
    with _long_fields():
        while position < len(lines):
            if not lines[position].strip(b"\r\n"):
                fields, n_lines, reason = [], 1, None
            else:
                fields, n_lines, reason = _read_row(lines, position, delimiter)
            # The next block may close the quote.
            is_open = fields is None and position + n_lines == len(lines)
            if is_open and not is_last and len(buffer) - end < MAX_ROW_BYTES:
                return
            if fields is None:
                n_lines = 1
            end += sum(map(len, lines[position : position + n_lines]))
            position += n_lines
            if fields != []:
                yield fields, reason, end


def _read_row(lines, position, delimiter):
    """Return the fields of a row, its number of lines, and why it cannot be read.

    A quoted field of several lines must be closed properly. Otherwise its quote was a
    mistake, and the lines after it are rows of their own.
    """
    n_lines = 0

    def feed():
        nonlocal n_lines
        while position + n_lines < len(lines):
            n_lines += 1
            yield lines[position + n_lines - 1].decode("latin-1")

    try:
        return next(csv.reader(feed(), delimiter=delimiter, strict=True)), n_lines, None
    except csv.Error:
        if n_lines == 1:
            line = lines[position].decode("latin-1")
            reader = csv.reader([line, ""], delimiter=delimiter)
            fields = next(reader)
            if reader.line_num == 1:  # closed within the line when read leniently
                return fields, 1, None
        return None, n_lines, _UNCLOSED


@contextmanager
def _long_fields():
    before = csv.field_size_limit(2 * MAX_ROW_BYTES)
    try:
        yield
    finally:
        csv.field_size_limit(before)
