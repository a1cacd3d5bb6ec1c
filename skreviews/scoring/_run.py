"""One run from source to target, and what it has done."""

import warnings
from dataclasses import dataclass
from time import perf_counter

from skreviews.io._sources import rebatch
from skreviews.scoring._progress import Progress
from skreviews.scoring._rows import assemble, raise_unreadable
from skreviews.scoring._scorer import STATUSES, UNREADABLE
from skreviews.scoring._workers import map_scores


class Run:
    """One way through a source, batch by batch."""

    def __init__(self, source, pipe, scorer, schema, id, on_error, batch_rows, n_jobs):
        self.source = source
        self.pipe = pipe
        self.scorer = scorer
        self.schema = schema
        self.id = id
        self.on_error = on_error
        self.batch_rows = batch_rows
        self.n_jobs = n_jobs

    def score(self, sink, writer, progress, log, start):
        rows = resumed = sum(part["rows"] for part in sink.parts)
        statuses = {
            status: sum(part["statuses"][status] for part in sink.parts)
            for status in STATUSES
        }
        first_unreadable = None
        if not sink.is_finished:
            bar = Progress(self.source, progress, log, rows)
            tables = self._read(rows, bar)
            try:
                for table, found in map_scores(
                    self.scorer, self.pipe, tables, self.n_jobs
                ):
                    scores, reasons = assemble(
                        table, found, rows, self.scorer, self.schema, self.id
                    )
                    if reasons and self.on_error == "raise":
                        raise_unreadable(rows, reasons, self.source.name)
                    if reasons and first_unreadable is None:
                        first_unreadable = rows + min(reasons), reasons[min(reasons)]
                    counts = _count(scores["status"])
                    sink.add(
                        writer.encode(scores),
                        {"rows": len(scores), "statuses": counts},
                    )
                    rows += len(scores)
                    statuses = {name: statuses[name] + counts[name] for name in counts}
                    bar.update(rows, statuses)
            finally:
                bar.close()
            sink.finish(writer.join)
        if first_unreadable is not None:
            row, reason = first_unreadable
            warnings.warn(
                f"{self.source.name}: {statuses[STATUSES[UNREADABLE]]:,} of {rows:,} "
                f"rows are unreadable; row {row:,}: {reason}.",
                stacklevel=4,
            )
        seconds = perf_counter() - start
        return ScoreSummary(rows, statuses, resumed, seconds)

    def _read(self, n_skipped, bar):
        tables = rebatch(self.source.read(), self.batch_rows, n_skipped)
        for number, table in enumerate(tables):
            if number == 0:
                bar.begin()
            yield table


@dataclass(frozen=True)
class ScoreSummary:
    """What `score_file` has done.

    Attributes
    ----------
    rows : int
        Rows of the target.
    statuses : dict
        Number of rows of each status.
    resumed_rows : int
        Rows of an earlier run that was cut off.
    seconds : float
        Of this run.
    """

    rows: int
    statuses: dict
    resumed_rows: int
    seconds: float

    @property
    def rows_per_second(self):
        """Rows of this run in a second."""
        return (self.rows - self.resumed_rows) / max(self.seconds, 1e-9)

    def __str__(self):
        counts = [f"{n:,} {status}" for status, n in self.statuses.items() if n]
        resumed = ""
        if self.resumed_rows:
            resumed = f", the first {self.resumed_rows:,} of them by an earlier run"
        return (
            f"Scored {self.rows:,} rows in {self.seconds:,.1f} s "
            f"({self.rows_per_second:,.0f} rows/s){resumed}: "
            f"{', '.join(counts) or 'none'}."
        )


class Stream:
    """Standard output in place of a journal: what is written stays."""

    parts = ()
    is_finished = False

    def __init__(self, file, writer):
        self.file = file
        file.write(writer.header())

    def add(self, data, notes):
        self.file.write(data)
        self.file.flush()

    def finish(self, join):
        self.file.flush()

    def close(self):
        pass


def _count(statuses):
    found = {
        item["values"]: item["counts"] for item in statuses.value_counts().to_pylist()
    }
    return {status: found.get(status, 0) for status in STATUSES}
