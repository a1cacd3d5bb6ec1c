"""Writers of tables: each part as bytes, and all parts as one file."""

import gzip
import json
import shutil

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from skreviews.io._freed_memory import return_freed_memory

# A spreadsheet runs cells that begin with these as formulas, also with the wide forms
# of East Asian keyboards (OWASP, "CSV Injection"). It does not run plain numbers.
_FORMULA = "^[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


class TextTarget:
    """CSV, TSV or JSON lines, optionally compressed.

    The file is the concatenation of its parts, compressed or not.

    Parameters
    ----------
    file_format : {'csv', 'tsv', 'jsonl'}
    compression : {None, '.gz', '.zst'}
    schema : pyarrow.Schema
    escape_formulas : bool
        Put an apostrophe before texts that a spreadsheet would run as formulas.
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
                    "write Parquet or JSONL, or omit the column."
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

    def join(self, parts, path):
        """Write the files of all parts into one."""
        with open(path, "wb") as file:
            file.write(self.header())
            for name in parts:
                with open(name, "rb") as part:
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
    """Parquet: each part is a file, and a row group of the joined file.

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

    def join(self, parts, path):
        with pq.ParquetWriter(path, self.schema) as writer:
            for name in parts:
                with pq.ParquetFile(name) as part:
                    writer.write_table(part.read(use_threads=False))
                return_freed_memory()  # Arrow keeps more of it with each part


def _escape(column):
    is_formula = pc.match_substring_regex(column, _FORMULA)
    is_formula = pc.and_not(is_formula, pc.match_substring_regex(column, _NUMBER))
    return pc.if_else(is_formula, pc.binary_join_element_wise("'", column, ""), column)


def _to_values(column):
    """Return the values for JSON, which has neither NaN nor float32."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, None)
        # A direct cast of the float32 0.1 gives 0.10000000149011612.
        column = column.cast(pa.string()).cast(pa.float64())
    return column.to_pylist()


def _to_json(row):
    return [
        value
        if value is None or isinstance(value, (str, int, float, list, dict))
        else str(value)
        for value in row
    ]
