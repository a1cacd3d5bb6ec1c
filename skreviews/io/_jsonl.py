"""JSON lines: each line an object, and one that is none costs nothing but itself."""

import json

import pyarrow as pa


class JsonParser:
    """Turns bytes of JSON lines into columns of bytes, as `CsvParser` does.

    Strings come as they are, all other values as their JSON text. There is no header:
    the names are those of the first block.
    """

    empty_is_missing = False

    def __init__(self):
        self.names = None

    def read_header(self, buffer, is_last):
        records = [_read_line(line)[0] or {} for line in _split(buffer, is_last)[0]]
        if not records:
            return None
        self.names = list(dict.fromkeys(name for record in records for name in record))
        return 0

    def parse(self, buffer, is_last, chosen):
        lines, end = _split(buffer, is_last)
        rows, reasons = [], {}
        names = [self.names[place] for place in chosen]
        for number, line in enumerate(lines):
            record, reason = _read_line(line)
            if reason:
                reasons[number], record = reason, {}
            rows.append([_to_bytes(record.get(name)) for name in names])
        columns = zip(*rows, strict=True) if rows else [[] for _ in chosen]
        return [pa.array(column, pa.binary()) for column in columns], reasons, end


def _split(buffer, is_last):
    end = len(buffer) if is_last else buffer.rfind(b"\n") + 1
    return [line for line in buffer[:end].split(b"\n") if line.strip()], end


def _read_line(line):
    """Return the record, or None and what is wrong with the line."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return None, f"no JSON ({error})"
    if not isinstance(record, dict):
        return None, f"no JSON object, but {type(record).__name__}"
    return record, None


def _to_bytes(value):
    if value is None:
        return None
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False)
    return value.encode("utf-8", "surrogatepass")  # half a pair is no UTF-8
