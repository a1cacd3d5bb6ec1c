"""Rows of the target: their schema, and their values from the scores."""

import numpy as np
import pyarrow as pa

from skreviews.io._source import REASON
from skreviews.scoring._scorer import EMPTY, MISSING, STATUSES, UNREADABLE

_UNSCORED = (EMPTY, MISSING, UNREADABLE)


def list_columns(text, id, columns):
    """Return the columns to read, each once, that of the texts first."""
    columns = list(columns)
    if repeated := [name for name in columns if columns.count(name) > 1]:
        raise ValueError(f"columns contains {repeated[0]!r} more than once.")
    return list(dict.fromkeys([text, *([] if id is None else [id]), *columns]))


def make_schema(classes, id, names, columns, types):
    """Return the schema of the target, and raise if two columns have one name."""
    labels = classes.tolist()
    try:
        kind = pa.array(labels).type
    except pa.ArrowException:  # labels of several types
        kind = pa.string()
    types = dict(zip(names, types, strict=True))
    fields = [("row", pa.int64()) if id is None else (id, types[id])]
    fields += [("prediction", kind)]
    fields += [(f"proba_{label}", pa.float32()) for label in labels]
    fields += [("status", pa.string())]
    taken = [name for name, _ in fields]
    if clashes := [name for name in taken[1:] if name == id]:
        raise ValueError(
            f"the id column {clashes[0]!r} has the name of a column of the scores: "
            "rename it."
        )
    if repeated := [name for name in taken if taken.count(name) > 1]:
        raise ValueError(f"two labels of the model are both {repeated[0][6:]!r}.")
    for name in columns:
        if name == id:
            continue
        if name in taken:
            raise ValueError(
                f"the source has the column {name!r}, which is also one of the scores: "
                "rename it, or omit it from columns."
            )
        fields.append((name, types[name]))
    return pa.schema(fields)


def assemble(table, found, row, scorer, schema, id):
    """Return the rows of the target, and why some are unreadable."""
    codes, probabilities, reasons = found
    broken = table[REASON].to_pylist() if table[REASON].null_count < len(table) else []
    reasons = reasons | {i: why for i, why in enumerate(broken) if why is not None}
    codes[list(reasons)] = UNREADABLE
    is_scored = ~np.isin(codes, _UNSCORED)
    labels = np.full(len(table), None, object)
    labels[is_scored] = scorer.decide(probabilities[is_scored]).tolist()
    if schema.field("prediction").type == pa.string():
        labels = [None if label is None else str(label) for label in labels]
    scores = [
        pa.array(labels, schema.field("prediction").type),
        *(pa.array(column, mask=~is_scored) for column in probabilities.T),
        pa.array(np.array(STATUSES, object)[codes], pa.string()),
    ]
    start = np.arange(row, row + len(table)) if id is None else table[id]
    copied = [table[name] for name in schema.names[1 + len(scores) :]]
    return pa.table([start, *scores, *copied], schema=schema), reasons


def raise_unreadable(row, reasons, name):
    first = min(reasons)
    raise ValueError(
        f"row {row + first:,} of {name} is unreadable: {reasons[first]}. Repair it, "
        'or pass on_error="record" to continue.'
    )
