"""iter_scores: predictions for batches in memory."""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.utils._param_validation import StrOptions, validate_params

from skreviews.io._source import check_columns, make_table, to_plain
from skreviews.preprocessing import check_texts
from skreviews.scoring._rows import (
    assemble,
    list_columns,
    make_schema,
    raise_unreadable,
)
from skreviews.scoring._scorer import Scorer, open_model


@validate_params(
    {
        "model": "no_validation",
        "batches": "no_validation",
        "text": [str],
        "id": [str, None],
        "columns": ["array-like"],
        "device": [str],
        "on_error": [StrOptions({"record", "raise"})],
    },
    prefer_skip_nested_validation=True,
)
def iter_scores(
    model,
    batches,
    *,
    text="content",
    id=None,
    columns=(),
    device="auto",
    on_error="record",
):
    """Predict the label of each text of a stream of batches.

    Parameters
    ----------
    model : str, path-like or Pipeline
        A file written by `save`, or a fitted pipeline.
    batches : iterable
        Arrow tables or record batches, DataFrames, or lists, Series or Arrow arrays of
        texts. They are not modified.
    text : str, default="content"
        The column of the texts in batches with columns.
    id : str or None, default=None
        A column to write in place of ``row``, the number of the row in the stream.
    columns : list of str, default=()
        Columns to copy.
    device : str, default='auto'
        Device of a model from a file.
    on_error : {'record', 'raise'}, default='record'
        Whether a text that a step of the pipeline refuses gets the status
        ``unreadable`` or raises an error.

    Returns
    -------
    scores : iterator of pyarrow.Table
        One table for each batch, with as many rows: ``row`` or the id, ``prediction``,
        ``proba_<label>`` for each label, ``status`` as in `score_file`, and the copied
        columns.

    Raises
    ------
    ValueError
        From the iterator, if a batch lacks a column or its texts are not strings.

    See Also
    --------
    score_file : Scores a file and writes another.

    Examples
    --------
    >>> from skreviews import iter_scores, make_review_pipeline, make_reviews
    >>> X, y = make_reviews(50, random_state=0)
    >>> pipe = make_review_pipeline(lstm__hidden_size=4, lstm__max_epochs=1).fit(X, y)
    >>> for scores in iter_scores(pipe, [["good app", None], ["crashes"]]):
    ...     print(scores["row"].to_pylist(), scores["status"].to_pylist())
    [0, 1] ['ok', 'missing']
    [2] ['ok']
    """
    names = list_columns(text, id, columns)
    scorer = Scorer(open_model(model, device))
    return _iter_scores(scorer, batches, names, id, columns, on_error)


def _iter_scores(scorer, batches, names, id, columns, on_error):
    row = 0
    for batch in batches:
        table = _to_table(batch, names)
        types = [field.type for field in table.schema][:-1]
        schema = make_schema(scorer.classes, id, names, columns, types)
        found = scorer.score(table[0].combine_chunks())
        scores, reasons = assemble(table, found, row, scorer, schema, id)
        if reasons and on_error == "raise":
            raise_unreadable(row, reasons, "the stream")
        row += len(table)
        yield scores


def _to_table(batch, names):
    """Return the columns of a batch: an Arrow table, a DataFrame, or texts alone."""
    others = []
    if isinstance(batch, pd.DataFrame):
        check_columns("the DataFrame", list(batch.columns), names)
        texts, *others = [batch[name] for name in names]
        others = [pa.array(column, from_pandas=True) for column in others]
    elif isinstance(batch, (pa.Table, pa.RecordBatch)):
        check_columns("the batch", batch.schema.names, names)
        texts, *others = [to_plain(batch[name]) for name in names]
    elif len(names) > 1:
        raise ValueError(
            f"a batch of the type {type(batch).__name__} holds texts only, not the "
            f"column {names[1]!r}: pass DataFrames or Arrow tables."
        )
    else:
        texts = batch
    return make_table(names, [_to_strings(texts), *others], {})


def _to_strings(texts):
    """Return checked texts as strings, null where a text is missing."""
    if len(texts) == 0:
        return pa.array([], pa.string())
    if isinstance(texts, (pa.Array, pa.ChunkedArray)):
        missing = texts.is_null()
    else:
        texts = pd.Series(texts, dtype=object)
        missing = pa.array(texts.isna())
    texts = check_texts(texts, missing="empty").cast(pa.string())
    return pc.if_else(missing, None, texts)
