"""How far a run is: a bar for people, dicts for machines."""

import sys
from time import perf_counter

from tqdm import tqdm

_KNOWN = "{percentage:3.0f}%|{bar}|{postfix} [{elapsed}<{remaining}]"
_UNKNOWN = "{postfix} [{elapsed}]"


class Progress:
    """Shows and reports rows, speed, share and time left.

    Parameters
    ----------
    source : Source
    is_shown : bool
        Draw a bar, if standard error is a terminal.
    log : callable or None
        Gets a dict after each part.
    rows : int
        Rows that an earlier run has done.
    """

    def __init__(self, source, is_shown, log, rows):
        self.source = source
        self.log = log
        self.rows_before = rows
        self.bar = None
        self.is_shown = is_shown and sys.stderr.isatty()
        self.start = perf_counter()

    def begin(self):
        """Start the clock: the rows of an earlier run have been passed over."""
        self.start = perf_counter()
        self.done_before = self.source.done if self.rows_before else 0
        total = self.source.total
        self.bar = tqdm(
            total=total,
            initial=self.done_before,
            bar_format=_UNKNOWN if total is None else _KNOWN,
            disable=not self.is_shown,
        )

    def update(self, rows, statuses):
        """Tell that so many rows are done in all."""
        seconds = perf_counter() - self.start
        speed = (rows - self.rows_before) / max(seconds, 1e-9)
        self.bar.set_postfix_str(f" {rows:,} rows, {speed:,.0f} rows/s", refresh=False)
        self.bar.update(self.source.done - self.bar.n)
        if self.log is None:
            return
        done, total = self.source.done, self.source.total
        left = None
        if total is not None:
            fresh = max(done - self.done_before, 1)
            left = round(seconds * max(total - done, 0) / fresh, 1)
        self.log(
            {
                "rows": rows,
                "rows_per_second": round(speed, 1),
                "share": None if total is None else round(done / max(total, 1), 4),
                "seconds_left": left,
                "statuses": statuses,
            }
        )

    def close(self):
        if self.bar is not None:
            self.bar.close()
