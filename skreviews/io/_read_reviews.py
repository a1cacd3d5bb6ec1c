"""Reader of texts and labels from the files that stores and databases export."""

import os
import warnings
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.utils._param_validation import validate_params

from skreviews.io._source import REASON, Source

# What pandas, R and databases write for a missing label.
MISSING_LABELS = pa.array(["", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null"])

# No leading zero: "01" is a code and not the number 1. At most 18 digits fit an int64.
WHOLE_NUMBER = r"^-?(0|[1-9]\d{0,17})(\.0+)?$"


@validate_params(
    {"path": [str, os.PathLike], "text": [str], "target": [str]},
    prefer_skip_nested_validation=True,
)
def read_reviews(path, *, text="content", target="score"):
    """Read review texts and their labels from a file.

    Texts are returned exactly as they stand in the file: line breaks inside a
    review are kept, and "007" or "NA" stays this text. Rows without a text or a
    label are dropped with a warning that counts them.

    Parameters
    ----------
    path : str or path-like
        The file: `.csv`, `.tsv` or `.jsonl` (one JSON object per line), each also
        with `.gz` or `.zst` after it, or `.parquet`. Also a folder of Parquet files,
        a pattern such as ``"day-*.csv"``, whose files are read in the order of their
        names, or ``"-"`` for CSV from standard input. Text files are UTF-8, or UTF-16
        with a byte order mark, which is what Google Play exports.

    text : str, default="content"
        The column of the texts. A text is missing if it is null, empty or only white
        space.

    target : str, default="score"
        The column of the labels. A label is missing if it is null, empty or one of
        the usual signs for it, such as "NA" and "NaN".

    Returns
    -------
    X : Series of str of shape (n_samples,)
        The texts. The index holds the row numbers, from 0 and without headers.

    y : Series of shape (n_samples,)
        The labels, with the same index: int64 if all are whole numbers, also when
        written as "5" or 5.0. Otherwise the labels of text files are strings, and
        those of Parquet files keep their type.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file has another format or is broken, if a row is broken, if a column
        is absent, or if no row has both a text and a label.

    Warns
    -----
    UserWarning
        If rows are dropped, or if some labels are whole numbers but not all, so
        that 5 becomes "5".

    See Also
    --------
    load_app_reviews : Reviews that come with the package.
    score_file : Predicts the labels of such a file.

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
    if text == target:
        raise ValueError(f"text and target are the same column, {text!r}.")
    source = Source(path, [text, target], n_checked=2)
    texts, labels = _read_columns(source)

    no_text = _is_missing(texts, pa.array([""]))
    no_label = _is_missing(labels, MISSING_LABELS)
    keep = ~(no_text | no_label)
    if not keep.any():
        raise ValueError(
            f"{source.name}: none of its {len(keep):,} rows has a text and a label."
        )
    if not keep.all():
        _warn_of_dropped_rows(source.name, no_text, no_label)

    rows = np.flatnonzero(keep)
    labels = _convert_labels(source.name, labels.filter(pa.array(keep)), rows)
    X = texts.filter(pa.array(keep)).to_pandas().set_axis(rows).rename(text)
    return X, labels.to_pandas().set_axis(rows).rename(target)


def _read_columns(source):
    """Return the texts and the labels as chunked arrays; raise at a broken row."""
    columns = [[] for _ in source.types]
    n_rows = 0
    for table in source.read():
        reasons = table[REASON]
        if reasons.null_count < len(table):
            row, reason = next(
                item for item in enumerate(reasons.to_pylist()) if item[1] is not None
            )
            raise ValueError(
                f"cannot read {source.name}: row {n_rows + row:,} (from 0, without "
                f"headers): {reason}. Repair the row or remove it."
            )
        n_rows += len(table)
        for chunks, column in zip(columns, table.columns, strict=False):
            chunks.extend(column.chunks)
    return map(pa.chunked_array, columns, source.types)


def _is_missing(values, signs):
    """Return where values are null, NaN or one of the signs, boolean ndarray."""
    missing = pc.is_null(values, nan_is_null=True)
    if pa.types.is_string(values.type):
        is_sign = pc.is_in(pc.utf8_trim_whitespace(values), value_set=signs)
        missing = pc.or_(missing, is_sign)
    return missing.to_numpy()


def _warn_of_dropped_rows(name, no_text, no_label):
    counts = {
        "without text": np.sum(no_text & ~no_label),
        "without a label": np.sum(no_label & ~no_text),
        "without both": np.sum(no_text & no_label),
    }
    reasons = [f"{count:,} {reason}" for reason, count in counts.items() if count]
    warnings.warn(
        f"{name}: dropped {sum(counts.values()):,} of {len(no_text):,} rows: "
        f"{', '.join(reasons)}.",
        stacklevel=4,
    )


def _convert_labels(name, labels, rows):
    """Return whole numbers as int64 and all other labels unchanged."""
    if pa.types.is_string(labels.type):
        numbers = pc.utf8_trim_whitespace(labels)
        is_whole = pc.match_substring_regex(numbers, WHOLE_NUMBER).to_numpy()
        if is_whole.all():
            return pc.replace_substring_regex(numbers, r"\.0+$", "").cast(pa.int64())
        if is_whole.any():
            others = np.flatnonzero(~is_whole)
            warnings.warn(
                f"{name}: {len(others):,} of {len(labels):,} labels are not whole "
                f"numbers, such as {labels[others[0]].as_py()!r} in row "
                f"{rows[others[0]]}: all labels are kept as strings.",
                stacklevel=4,
            )
    elif pa.types.is_integer(labels.type) or pa.types.is_floating(labels.type):
        with suppress(pa.ArrowInvalid):  # some numbers are not whole
            return labels.cast(pa.int64())
    return labels
