"""Progress of a run: a bar on a terminal, and dicts for a log."""

import sys
from time import perf_counter

from tqdm import tqdm

_KNOWN = "{percentage:3.0f}%|{bar}|{postfix} [{elapsed}<{remaining}]"
_UNKNOWN = "{postfix} [{elapsed}]"


class Progress:
    """Shows and reports rows, speed, share and remaining time.

    Parameters
    ----------
    source : Source
    is_shown : bool
        Draw a bar, if standard error is a terminal.
    log : callable or None
        Called with a dict after each batch.
    rows : int
        Number of rows of an earlier run.
    """

    def __init__(self, source, is_shown, log, rows):
        self.source = source
        self.log = log
        self.rows_before = rows
        self.done_before = 0
        self.bar = None
        self.is_shown = is_shown and sys.stderr.isatty()

    def track(self, tables):
        """Yield the tables; the clock starts with the first."""
        for table in tables:
            if self.bar is None:
                self.start = perf_counter()
                if self.rows_before:
                    self.done_before = self.source.done
                total = self.source.total
                self.bar = tqdm(
                    total=total,
                    initial=self.done_before,
                    bar_format=_UNKNOWN if total is None else _KNOWN,
                    disable=not self.is_shown,
                )
            yield table

    def update(self, rows, statuses):
        """Report the number of rows so far, those of an earlier run included."""
        seconds = perf_counter() - self.start
        speed = (rows - self.rows_before) / max(seconds, 1e-9)
        done, total = self.source.done, self.source.total
        self.bar.set_postfix_str(f" {rows:,} rows, {speed:,.0f} rows/s", refresh=False)
        self.bar.update(done - self.bar.n)
        if self.log is None:
            return
        share = left = None
        if total is not None:
            share = round(done / max(total, 1), 4)
            n_new = max(done - self.done_before, 1)
            left = round(seconds * max(total - done, 0) / n_new, 1)
        self.log(
            {
                "rows": rows,
                "rows_per_second": round(speed, 1),
                "share": share,
                "seconds_left": left,
                "statuses": statuses,
            }
        )

    def close(self):
        if self.bar is not None:
            self.bar.close()
