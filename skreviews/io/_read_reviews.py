"""Reader of reviews in the files that stores and databases export."""

import codecs
import gzip
import json
import os
import warnings
import zlib
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from sklearn.utils._param_validation import validate_params

# What pandas, R and databases write for a label that is not there.
MISSING_LABELS = pa.array(["", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null"])

# No leading zero: "01" is a code and not the number 1. No more digits than fit.
WHOLE_NUMBER = r"^-?(0|[1-9]\d{0,17})(\.0+)?$"


@validate_params(
    {"path": [str, os.PathLike], "text": [str], "target": [str]},
    prefer_skip_nested_validation=True,
)
def read_reviews(path, *, text="content", target="score"):
    """Read review texts and their labels from a file.

    Texts are returned exactly as they stand in the file: line breaks inside a
    review are kept, and "007" or "NA" stays this text. Rows without a text or a
    label are dropped with a warning that says how many.

    Parameters
    ----------
    path : str or path-like
        The file: `.csv`, `.tsv` or `.jsonl` (one JSON object a line), each also
        with `.gz` after it, or `.parquet`. Text files are UTF-8; a CSV may also be
        UTF-16 with a byte order mark, which is what Google Play exports.

    text : str, default="content"
        The column of the texts. A text is missing if it is null, empty or nothing
        but white space.

    target : str, default="score"
        The column of the labels. A label is missing if it is null, empty or one of
        the usual signs for it, such as "NA" and "NaN".

    Returns
    -------
    X : Series of str of shape (n_samples,)
        The texts. The index holds the numbers of the rows in the file, from 0 on,
        without the header.

    y : Series of shape (n_samples,)
        The labels, with the same index: int64 if all are whole numbers, also when
        written as "5" or 5.0. Otherwise the labels of a text file are strings and
        those of other files are as they are.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file has another format or is broken, if it lacks one of the columns,
        or if no row has both a text and a label.

    Warns
    -----
    UserWarning
        If rows are dropped, or if some labels are whole numbers but not all, so
        that 5 becomes "5".

    See Also
    --------
    load_app_reviews : Reviews that come with the package.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skreviews import read_reviews
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "reviews.csv")
    ...     _ = path.write_text('score,content\\n5,"Love it!\\nReally."\\n1,Meh')
    ...     X, y = read_reviews(path)
    >>> X.tolist(), y.tolist()
    (['Love it!\\nReally.', 'Meh'], [5, 1])
    """
    path = Path(path)
    if text == target:
        raise ValueError(f"text and target are the same column, {text!r}.")
    table = read_table(path, [text, target])
    texts, labels = table[text], _decode(table[target])
    try:
        texts = texts.cast(pa.string())
    except pa.ArrowException as error:
        raise ValueError(f"cannot read {path.name}: {text!r}: {error}") from error

    no_text = _is_missing(texts, pa.array([""]))
    no_label = _is_missing(labels, MISSING_LABELS)
    keep = ~(no_text | no_label)
    if not keep.any():
        raise ValueError(
            f"{path.name}: none of its {len(keep):,} rows has a text and a label."
        )
    if not keep.all():
        _warn_of_dropped_rows(path, no_text, no_label)

    rows = np.flatnonzero(keep)
    labels = _convert_labels(path, labels.filter(pa.array(keep)), rows)
    X = texts.filter(pa.array(keep)).to_pandas().set_axis(rows).rename(text)
    return X, labels.to_pandas().set_axis(rows).rename(target)


def read_table(path, columns, *, others=False):
    """Read columns of a file as an Arrow table; those of a CSV are strings.

    Parameters
    ----------
    path : Path
        File in one of the formats of `read_reviews`.
    columns : list of str
        Columns that must be there.
    others : bool, default=False
        Read all other columns too.

    Returns
    -------
    table : pyarrow.Table
    """
    read = _find_reader(path)
    try:
        return read(path, columns, others)
    except (pa.ArrowException, OSError, EOFError, UnicodeError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # The disk's complaint, not the content's: no such file, no access.
        raise ValueError(f"cannot read {path.name}: {error}") from error


def _find_reader(path):
    for suffix, read in READERS.items():
        if path.name.lower().endswith(suffix):
            return read
    raise ValueError(
        f"cannot tell the format of {path.name}: its name must end in one of "
        f"{', '.join(READERS)}."
    )


def _open(path):
    is_gzip = path.suffix.lower() == ".gz"
    return gzip.open(path, "rb") if is_gzip else path.open("rb")


def _read_csv(path, columns, others, delimiter=","):
    with _open(path) as file:
        start = file.read(2)
    is_utf16 = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    options = {
        # With more than one thread, arrow cannot tell the row of an error.
        "read_options": pa_csv.ReadOptions(
            use_threads=False, encoding="utf-16" if is_utf16 else "utf-8"
        ),
        "parse_options": pa_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True
        ),
    }
    with _open(path) as file, pa_csv.open_csv(file, **options) as reader:
        names = reader.schema.names
    _check_columns(path, names, columns)
    chosen = names if others else columns
    convert_options = pa_csv.ConvertOptions(
        include_columns=chosen, column_types=dict.fromkeys(chosen, pa.string())
    )
    with _open(path) as file:
        return pa_csv.read_csv(file, **options, convert_options=convert_options)


def _read_jsonl(path, columns, others):
    records, names = [], {}
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
                names.update(dict.fromkeys(record.keys()))
            except (ValueError, AttributeError) as error:  # No JSON, or no object.
                message = f"cannot read {path.name}: line {number}: {error}"
                raise ValueError(message) from error
            if not others:
                record = {name: record.get(name) for name in columns}
            records.append(record)
    _check_columns(path, list(names), columns)
    chosen = names if others else columns
    return pa.table(
        {name: _to_arrow([record.get(name) for record in records]) for name in chosen}
    )


def _to_arrow(values):
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # Mixed types, say.
        return pa.array([None if value is None else str(value) for value in values])


def _read_parquet(path, columns, others):
    with pq.ParquetFile(path) as file:
        _check_columns(path, file.schema_arrow.names, columns)
        return file.read(columns=None if others else columns)


READERS = {
    ".csv": _read_csv,
    ".csv.gz": _read_csv,
    ".tsv": partial(_read_csv, delimiter="\t"),
    ".tsv.gz": partial(_read_csv, delimiter="\t"),
    ".jsonl": _read_jsonl,
    ".jsonl.gz": _read_jsonl,
    ".parquet": _read_parquet,
}


def _check_columns(path, names, columns):
    """Raise if the file has not each of the columns once."""
    if not names:
        raise ValueError(f"{path.name} is empty.")
    for column in columns:
        if names.count(column) > 1:
            raise ValueError(f"{path.name} has more than one column {column!r}.")
        if column not in names:
            message = (
                f"column {column!r} is not in {path.name}; its columns are: "
                f"{', '.join(map(repr, names))}."
            )
            if close := get_close_matches(column, names, n=1):
                message += f" Did you mean {close[0]!r}?"
            raise ValueError(message)


def _decode(labels):
    """Return the plain type behind a dictionary and behind the types of a string."""
    if pa.types.is_dictionary(labels.type):
        labels = labels.cast(labels.type.value_type)
    if pa.types.is_large_string(labels.type) or pa.types.is_string_view(labels.type):
        labels = labels.cast(pa.string())
    return labels


def _is_missing(values, signs):
    """Return where values are null, NaN or a sign for it, boolean ndarray."""
    missing = pc.is_null(values, nan_is_null=True)
    if pa.types.is_string(values.type):
        is_sign = pc.is_in(pc.utf8_trim_whitespace(values), value_set=signs)
        missing = pc.or_(missing, is_sign)
    return missing.to_numpy()


def _warn_of_dropped_rows(path, no_text, no_label):
    counts = {
        "without text": np.sum(no_text & ~no_label),
        "without a label": np.sum(no_label & ~no_text),
        "without both": np.sum(no_text & no_label),
    }
    reasons = [f"{count:,} {reason}" for reason, count in counts.items() if count]
    warnings.warn(
        f"{path.name}: dropped {sum(counts.values()):,} of {len(no_text):,} rows: "
        f"{', '.join(reasons)}.",
        stacklevel=4,
    )


def _convert_labels(path, labels, rows):
    """Return whole numbers as int64 and all other labels as they are."""
    if pa.types.is_string(labels.type):
        numbers = pc.utf8_trim_whitespace(labels)
        is_whole = pc.match_substring_regex(numbers, WHOLE_NUMBER).to_numpy()
        if is_whole.all():
            return pc.replace_substring_regex(numbers, r"\.0+$", "").cast(pa.int64())
        if is_whole.any():
            others = np.flatnonzero(~is_whole)
            warnings.warn(
                f"{path.name}: {len(others):,} of {len(labels):,} labels are not whole "
                f"numbers, such as {labels[others[0]].as_py()!r} in row "
                f"{rows[others[0]]}: all labels are kept as strings.",
                stacklevel=4,
            )
    elif pa.types.is_integer(labels.type) or pa.types.is_floating(labels.type):
        with suppress(pa.ArrowInvalid):  # Raised for numbers that are not whole.
            return labels.cast(pa.int64())
    return labels
