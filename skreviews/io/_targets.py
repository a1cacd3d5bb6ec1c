"""What is written: tables as bytes, and the bytes of all of them as one file."""

import gzip
import json
import shutil

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from skreviews.io._freed_memory import return_freed_memory

# What a spreadsheet takes for the beginning of a formula [OWASP, "CSV Injection"], the
# wide forms of East Asian keyboards included. A plain number is none.
_FORMULA = "^[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


class TextTarget:
    """CSV, TSV or JSON lines, compressed if asked for.

    Parts stand behind one another as they are: so may parts that are compressed.

    Parameters
    ----------
    file_format : {'csv', 'tsv', 'jsonl'}
    compression : {None, '.gz', '.zst'}
    schema : pyarrow.Schema
    escape_formulas : bool
        Put an apostrophe before what a spreadsheet would run.
    """

    def __init__(self, file_format, compression, schema, escape_formulas):
        self.delimiter = {"csv": ",", "tsv": "\t", "jsonl": None}[file_format]
        self.compression = compression
        self.schema = schema
        self.escape_formulas = escape_formulas
        for field in schema if self.delimiter else ():
            if pa.types.is_nested(field.type) or field.type == pa.binary():
                raise ValueError(
                    f"column {field.name!r} is {field.type}, which a CSV cannot hold: "
                    "write Parquet or JSONL, or leave it out."
                )

    def header(self):
        """Return the bytes before the first part."""
        if not self.delimiter:
            return b""
        return self._compress(self._to_csv(self.schema.empty_table(), header=True))

    def encode(self, table):
        """Return the bytes of a part."""
        if self.delimiter:
            return self._compress(self._to_csv(table))
        rows = zip(*map(_to_values, table.columns), strict=True)
        names = table.column_names
        lines = [
            json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n"
            for row in map(_to_json, rows)
        ]
        return self._compress("".join(lines).encode("utf-8", "replace"))

    def join(self, parts, file):
        """Write the files of all parts into one."""
        file.write(self.header())
        for path in parts:
            with path.open("rb") as part:
                shutil.copyfileobj(part, file)

    def _to_csv(self, table, header=False):
        if self.escape_formulas:
            columns = [
                _escape(column) if column.type == pa.string() else column
                for column in table.columns
            ]
            names = _escape(pa.array(table.column_names)).to_pylist()
            table = pa.table(columns, names=names)
        out = pa.BufferOutputStream()
        options = pa_csv.WriteOptions(include_header=header, delimiter=self.delimiter)
        pa_csv.write_csv(table, out, options)
        return out.getvalue().to_pybytes()

    def _compress(self, data):
        if self.compression == ".gz":
            return gzip.compress(data, 6, mtime=0)
        if self.compression == ".zst":
            return pa.compress(data, codec="zstd", asbytes=True)
        return data


class ParquetTarget:
    """Parquet: each part is a file, and a row group where they become one file.

    Parameters
    ----------
    schema : pyarrow.Schema
    """

    def __init__(self, schema):
        self.schema = schema

    def encode(self, table):
        out = pa.BufferOutputStream()
        pq.write_table(table, out)
        return out.getvalue().to_pybytes()

    def join(self, parts, file):
        with pq.ParquetWriter(file, self.schema) as writer:
            for path in parts:
                with pq.ParquetFile(path) as part:
                    writer.write_table(part.read(use_threads=False))
                return_freed_memory()  # else Arrow keeps more, the more parts


def _escape(column):
    is_formula = pc.match_substring_regex(column, _FORMULA)
    is_formula = pc.and_not(is_formula, pc.match_substring_regex(column, _NUMBER))
    return pc.if_else(is_formula, pc.binary_join_element_wise("'", column, ""), column)


def _to_values(column):
    """Return the values for JSON, which has no NaN and no numbers of 32 bits."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, None)
        # 0.1 of 32 bits is 0.10000000149011612 of 64.
        column = column.cast(pa.string()).cast(pa.float64())
    return column.to_pylist()


def _to_json(row):
    return [
        value
        if value is None or isinstance(value, (str, int, float, list, dict))
        else str(value)
        for value in row
    ]
