"""CSV in blocks: read by Arrow, and row by row where a block is broken.

Arrow reads a block as a whole or not at all, and cannot say which bytes a broken row
has. So the bytes are cut at ends of rows first. A block whose quotes all stand where
they should goes to Arrow; any other one goes through Python's csv module, where a
broken row costs nothing but itself.
"""

import csv
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

# A row is not longer, nor the text behind a quote that nobody has closed.
MAX_ROW_BYTES = 2**25

_QUOTE, _LINE_FEED, _RETURN = b'"\n\r'
_NEVER_CLOSED = "its quote is not closed as it should be"


class CsvParser:
    """Turns bytes of a CSV into columns of bytes.

    Parameters
    ----------
    delimiter : str

    Attributes
    ----------
    names : list of str or None
        The columns, once the header is read.
    """

    # What is between two delimiters with nothing there, or with two quotes: writers
    # put either for a value that is not there.
    empty_is_missing = True

    def __init__(self, delimiter):
        self.delimiter = delimiter
        self.names = None

    def read_header(self, buffer, is_last):
        """Return how many bytes the header has, or None if more of them are needed."""
        for fields, _, end in _iter_rows(buffer, self.delimiter, is_last):
            if fields is None:
                raise ValueError(f"the header cannot be read: {_NEVER_CLOSED}.")
            names = [name.encode("latin-1") for name in fields]
            self.names = [name.decode("utf-8", "replace") for name in names]
            return end
        return None

    def parse(self, buffer, is_last, chosen):
        """Read the whole rows at the beginning of the buffer.

        Parameters
        ----------
        buffer : bytes
            Starts with a row.
        is_last : bool
            Nothing follows.
        chosen : list of int
            Places of the columns to return.

        Returns
        -------
        columns : list of pyarrow.BinaryArray
        reasons : dict
            Number of a row -> why it cannot be read; its columns are null.
        end : int
            Number of bytes that were read.
        """
        end = _find_end(buffer, ord(self.delimiter), is_last)
        if end or (end == 0 and len(buffer) < MAX_ROW_BYTES):
            try:
                return self._parse_whole(buffer[:end], chosen), {}, end
            except pa.ArrowInvalid:
                pass
        rows, reasons, end = [], {}, 0
        for fields, reason, stop in _iter_rows(buffer, self.delimiter, is_last):
            end = stop
            if fields is not None and len(fields) != len(self.names):
                n_fields = len(fields)
                reason = f"{n_fields} fields where the header has {len(self.names)}"
            if reason:
                reasons[len(rows)] = reason
                rows.append([None] * len(chosen))
            else:
                rows.append([fields[place].encode("latin-1") for place in chosen])
        columns = zip(*rows, strict=True) if rows else [[] for _ in chosen]
        return [pa.array(column, pa.binary()) for column in columns], reasons, end

    def _parse_whole(self, block, chosen):
        if not block.strip(b"\r\n"):
            return [pa.array([], pa.binary()) for _ in chosen]
        names = [str(place) for place in range(len(self.names))]
        table = pa_csv.read_csv(
            pa.BufferReader(block),
            pa_csv.ReadOptions(
                column_names=names, use_threads=False, block_size=len(block) + 1
            ),
            pa_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            pa_csv.ConvertOptions(
                check_utf8=False,
                include_columns=[names[place] for place in chosen],
                column_types=dict.fromkeys(names, pa.binary()),
            ),
        )
        return [column.combine_chunks() for column in table.columns]


def _find_end(buffer, delimiter, is_last):
    """Return where the last whole row ends, or None if a quote stands anywhere odd.

    If each quote opens or closes a field, or is one of two inside it, then a line break
    with an even number of quotes before it ends a row.
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
    """Yield the fields of each row as Latin-1, or None, the reason, and its end."""
    lines = buffer.splitlines(keepends=True)
    if lines and not is_last and not lines[-1].endswith((b"\n", b"\r")):
        lines.pop()  # it may go on
    place = end = 0
    with _long_fields():
        while place < len(lines):
            if not lines[place].strip(b"\r\n"):
                fields, n_lines, reason = [], 1, None
            else:
                fields, n_lines, reason = _read_row(lines, place, delimiter)
            # Is it broken, or has it not come to its end yet?
            is_open = fields is None and place + n_lines == len(lines)
            if is_open and not is_last and len(buffer) - end < MAX_ROW_BYTES:
                return
            if fields is None:
                n_lines = 1
            end += sum(map(len, lines[place : place + n_lines]))
            place += n_lines
            if fields != []:
                yield fields, reason, end


def _read_row(lines, place, delimiter):
    """Return the fields of the row that starts here, its lines, and what is wrong.

    A quoted field that goes over the end of its line must end as it should: else its
    quote was one too many, and what seems to be its text are the next rows.
    """
    n_lines = 0

    def feed():
        nonlocal n_lines
        while place + n_lines < len(lines):
            n_lines += 1
            yield lines[place + n_lines - 1].decode("latin-1")

    try:
        return next(csv.reader(feed(), delimiter=delimiter, strict=True)), n_lines, None
    except csv.Error:
        if n_lines == 1 and _is_closed(lines[place], delimiter):
            line = lines[place].decode("latin-1")
            return next(csv.reader([line], delimiter=delimiter)), 1, None
        return None, n_lines, _NEVER_CLOSED


def _is_closed(line, delimiter):
    """Tell whether a line with odd quotes ends outside of them, read leniently."""
    reader = csv.reader([line.decode("latin-1"), ""], delimiter=delimiter)
    next(reader)
    return reader.line_num == 1


@contextmanager
def _long_fields():
    before = csv.field_size_limit(2 * MAX_ROW_BYTES)
    try:
        yield
    finally:
        csv.field_size_limit(before)
