"""Parser of JSON lines."""

import json

import pyarrow as pa

from skreviews.io._csv_parser import MAX_ROW_BYTES

_to_json = json.JSONEncoder(ensure_ascii=False).encode


class JsonParser:
    """Parses bytes of JSON lines into columns of bytes, as `CsvParser` does.

    Strings are returned as they are, other values as their JSON text. The columns are
    the keys of the first block.
    """

    empty_is_missing = False

    def __init__(self):
        self.names = None

    def read_header(self, buffer, is_last, columns):
        lines = [_read_line(line) for line in _split(buffer, is_last)[0]]
        names = list(
            dict.fromkeys(name for record, _ in lines for name in record or ())
        )
        # The first records may lack keys that later ones have.
        is_complete = names and set(columns) <= set(names)
        if not is_last and not is_complete and len(buffer) < MAX_ROW_BYTES:
            return None
        if lines and all(record is None for record, _ in lines):
            raise pa.ArrowInvalid(f"no line is a JSON object; the first: {lines[0][1]}")
        self.names = names
        return 0

    def parse(self, buffer, is_last, chosen):
        lines, end = _split(buffer, is_last)
        records, reasons = [], {}
        names = [self.names[position] for position in chosen]
        for number, line in enumerate(lines):
            record, reason = _read_line(line)
            if reason is None and isinstance(record.get(names[0]), (dict, list)):
                reason = "its text is a JSON object or array, not a string"
            if reason:
                reasons[number], record = reason, {}
            records.append(record)
        columns = [
            _to_column([record.get(name) for record in records]) for name in names
        ]
        return columns, reasons, end


def _split(buffer, is_last):
    end = len(buffer) if is_last else buffer.rfind(b"\n") + 1
    return [line for line in buffer[:end].split(b"\n") if line.strip()], end


def _read_line(line):
    """Return the record, or None and the reason why it cannot be read."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return None, f"invalid JSON ({error})"
    if not isinstance(record, dict):
        return None, f"a JSON {type(record).__name__} in place of an object"
    return record, None


def _to_column(values):
    try:
        return pa.array(values, pa.string()).cast(pa.binary())
    except (pa.ArrowException, UnicodeError):  # not all are valid strings
        return pa.array([_to_bytes(value) for value in values], pa.binary())


def _to_bytes(value):
    if value is None:
        return None
    if not isinstance(value, str):
        value = _to_json(value)
    return value.encode("utf-8", "surrogatepass")  # a lone surrogate is invalid UTF-8
