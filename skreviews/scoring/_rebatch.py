"""Tables of equal numbers of rows."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Bytes of text that end a batch: long texts do not fill the memory.
_BATCH_BYTES = 2**26


def rebatch(tables, batch_rows, n_skipped=0):
    """Yield the rows after the skipped ones in tables of `batch_rows` rows.

    Tables of long texts have fewer rows. The tables depend only on the rows after the
    skipped ones, not on `tables`.
    """
    held = None
    for table in tables:
        if n_skipped:
            n_left_out = min(n_skipped, len(table))
            table = table.slice(n_left_out)
            n_skipped -= n_left_out
        held = table if held is None else pa.concat_tables([held, table])
        while n_rows := _find_batch(held, batch_rows):
            yield held.slice(0, n_rows)
            held = held.slice(n_rows)
    if held is not None and len(held):
        yield held


def _find_batch(table, batch_rows):
    """Return the number of rows of the first batch, or 0 if it is incomplete."""
    lengths = pc.fill_null(pc.binary_length(table[0]), 0).to_numpy()
    n_rows = np.searchsorted(np.cumsum(lengths), _BATCH_BYTES) + 1
    n_rows = min(int(n_rows), batch_rows)
    return n_rows if n_rows <= len(table) else 0
