"""score_file: predictions for each row of a file, in a run that can resume."""

import os
import warnings
from contextlib import closing
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from time import perf_counter

from sklearn.utils._param_validation import Interval, StrOptions, validate_params

import skreviews
from skreviews._atomic import check_folder
from skreviews.io._source import FORMATS, STANDARD_STREAM, Source, find_format
from skreviews.io._targets import ParquetTarget, TextTarget
from skreviews.scoring._journal import Journal
from skreviews.scoring._progress import Progress
from skreviews.scoring._rebatch import rebatch
from skreviews.scoring._rows import (
    assemble,
    list_columns,
    make_schema,
    raise_unreadable,
)
from skreviews.scoring._scorer import STATUSES, UNREADABLE, Scorer, open_model
from skreviews.scoring._standard_output import StandardOutput
from skreviews.scoring._workers import map_scores


@validate_params(
    {
        "model": "no_validation",
        "source": [str, os.PathLike],
        "target": [str, os.PathLike],
        "text": [str],
        "id": [str, None],
        "columns": ["array-like"],
        "batch_rows": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "device": [str],
        "resume": ["boolean"],
        "progress": ["boolean"],
        "on_error": [StrOptions({"record", "raise"})],
        "escape_formulas": ["boolean"],
        "source_format": [StrOptions(set(FORMATS)), None],
        "target_format": [StrOptions(set(FORMATS)), None],
        "log": [callable, None],
    },
    prefer_skip_nested_validation=True,
)
def score_file(
    model,
    source,
    target,
    *,
    text="content",
    id=None,
    columns=(),
    batch_rows=10_000,
    n_jobs=1,
    device="auto",
    resume=True,
    progress=True,
    on_error="record",
    escape_formulas=True,
    source_format=None,
    target_format=None,
    log=None,
):
    """Predict the label of each text of a file of any size.

    Each row of the source gives one row of the target, in the same order: its number
    or its id, ``prediction``, ``proba_<label>`` for each label, ``status``, and the
    copied columns. Memory use does not grow with the file. To resume an interrupted
    run, call the function again.

    Parameters
    ----------
    model : str, path-like or Pipeline
        A file written by `save`, or a fitted pipeline such as that of
        `make_review_pipeline`.
    source : str or path-like
        A file: ``.csv``, ``.tsv`` or ``.jsonl`` (one JSON object per line), each also
        with ``.gz`` or ``.zst`` after it, or ``.parquet``; a folder of Parquet files;
        a pattern such as ``"day-*.csv"``, whose files are read in the order of their
        names; ``"-"`` for standard input.
    target : str or path-like
        A file, named likewise; a folder that exists or whose name ends in ``/``, for
        parts as Parquet; ``"-"`` for standard output. It appears when it is complete.
        An existing file is not overwritten.
    text : str, default="content"
        The column of the texts.
    id : str or None, default=None
        A column to write in place of ``row``, the number of the row in the source,
        from 0 and without headers.
    columns : list of str, default=()
        Columns of the source to copy.
    batch_rows : int, default=10_000
        Rows to score and write at once. More rows take more memory.
    n_jobs : int or None, default=1
        Number of processes with one thread each; -1 is one per core. 1 is this process
        with all of its threads, which is as fast on few cores.
    device : str, default='auto'
        Device of a model from a file. A pipeline uses the `device` of its classifier.
    resume : bool, default=True
        Resume an interrupted run of the same job; otherwise start anew. Runs on
        standard input or output cannot resume.
    progress : bool, default=True
        Show a bar on standard error if it is a terminal.
    on_error : {'record', 'raise'}, default='record'
        Whether an unreadable row gets the status ``unreadable`` or raises an error.
    escape_formulas : bool, default=True
        In CSV and TSV, put an apostrophe before texts that a spreadsheet would run as
        a formula: those that begin with one of ``= + - @``, a tab or a line break,
        except plain numbers [1]_.
    source_format, target_format : {'csv', 'tsv', 'jsonl', 'parquet'} or None, \
            default=None
        None infers the format from the name; that of the standard streams is CSV.
    log : callable or None, default=None
        Called after each batch with a dict: ``rows``, ``rows_per_second``, ``share``
        of the source, ``seconds_left``, ``statuses``.

    Returns
    -------
    summary : ScoreSummary
        ``rows``, ``statuses`` (a dict of counts), ``resumed_rows``, ``seconds``,
        ``rows_per_second``.

    Raises
    ------
    ValueError
        Before any work if a column is absent or occurs twice, if a format or a name is
        invalid, if the target exists, or if it belongs to an unfinished run on another
        source, with another model or other parameters. Later if an archive is broken.
    OSError
        If a file cannot be opened or written. The next run continues after the parts
        that are finished by then.
    RuntimeError
        If worker processes die three times while scoring the same rows.

    Warns
    -----
    UserWarning
        If rows are unreadable.
    RuntimeWarning
        If a worker process dies. Another one scores its rows.

    See Also
    --------
    iter_scores : Scores batches in memory.
    save : Writes the model.

    Notes
    -----
    Texts with these statuses are scored: ``ok``; ``all_unknown``, the vocabulary of
    the model has no word of the text; ``too_long_truncated``, the text has more words
    than `max_len` of the model. Texts with these are not: ``empty``, the text is only
    white space; ``missing``, the row has no text; ``unreadable``, the row has too few
    or too many fields, an unclosed quote, invalid JSON, a text that is not UTF-8, or a
    text that a step of the pipeline refuses.

    All columns of CSV, TSV and JSONL are strings. An empty cell of a CSV is a missing
    text. JSON values other than strings are copied as their JSON text.

    While a run is unfinished, its parts are in the folder ``<target>.journal`` beside
    the target. To cancel the job, delete that folder.

    References
    ----------
    .. [1] OWASP, "CSV Injection",
       https://owasp.org/www-community/attacks/CSV_Injection

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skreviews import make_review_pipeline, make_reviews, score_file
    >>> X, y = make_reviews(50, random_state=0)
    >>> pipe = make_review_pipeline(lstm__hidden_size=4, lstm__max_epochs=1).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     source, target = Path(folder, "new.csv"), Path(folder, "scored.csv")
    ...     _ = source.write_text("id,content\\na7,good app\\na8,\\n")
    ...     summary = score_file(pipe, source, target, id="id")
    ...     lines = target.read_text().splitlines()
    >>> lines[0]
    '"id","prediction","proba_1","proba_2","proba_3","proba_4","proba_5","status"'
    >>> lines[2]
    '"a8",,,,,,,"missing"'
    >>> summary.statuses["ok"], summary.statuses["missing"]
    (1, 1)
    """
    start = perf_counter()
    names = list_columns(text, id, columns)
    is_folder = _is_folder(target)
    file_format, compression = _find_target_format(target, target_format)
    if target != STANDARD_STREAM:
        check_folder(Path(target))
    opened = Source(source, names, source_format)
    _check_apart(opened, source, target)
    scorer = Scorer(open_model(model, device))
    schema = make_schema(scorer.classes, id, names, columns, opened.types)
    if file_format == "parquet":
        writer = ParquetTarget(schema)
    else:
        writer = TextTarget(file_format, compression, schema, escape_formulas)
    if target == STANDARD_STREAM:
        sink = StandardOutput(writer.header())
    else:
        job = {
            "skreviews version": skreviews.__version__,
            "source": opened.fingerprint(),
            "model": scorer.fingerprint(),
            "parameters": {
                "text": text,
                "id": id,
                "columns": list(columns),
                "source_format": opened.format,
                "target_format": [file_format, compression],
                "escape_formulas": escape_formulas,
            },
        }
        suffix = f".{file_format}{compression or ''}"
        sink = Journal(Path(target), job, resume, is_folder, suffix)

    rows = resumed_rows = sum(part["rows"] for part in sink.parts)
    statuses = {
        status: sum(part["statuses"][status] for part in sink.parts)
        for status in STATUSES
    }
    first_unreadable = None
    bar = Progress(opened, progress, log, rows)
    with closing(sink), closing(bar):
        if not sink.is_finished:
            tables = bar.track(rebatch(opened.read(), batch_rows, rows))
            for table, found in map_scores(scorer, tables, n_jobs):
                scores, reasons = assemble(table, found, rows, scorer, schema, id)
                if reasons and on_error == "raise":
                    raise_unreadable(rows, reasons, opened.name)
                if reasons and first_unreadable is None:
                    first_unreadable = rows + min(reasons), reasons[min(reasons)]
                counts = _count(scores["status"])
                notes = {"rows": len(scores), "statuses": counts}
                sink.add(writer.encode(scores), notes)
                rows += len(scores)
                statuses = {name: statuses[name] + counts[name] for name in counts}
                bar.update(rows, statuses)
            sink.finish(writer.join)
    if first_unreadable is not None:
        row, reason = first_unreadable
        warnings.warn(
            f"{opened.name}: {statuses[STATUSES[UNREADABLE]]:,} of {rows:,} rows are "
            f"unreadable; row {row:,}: {reason}.",
            stacklevel=3,
        )
    return ScoreSummary(rows, statuses, resumed_rows, perf_counter() - start)


@dataclass(frozen=True)
class ScoreSummary:
    """The result of `score_file`.

    Attributes
    ----------
    rows : int
        Number of rows of the target.
    statuses : dict of str to int
        Number of rows of each status.
    resumed_rows : int
        Number of rows that an interrupted run had scored.
    seconds : float
        Duration of this run.
    """

    rows: int
    statuses: dict
    resumed_rows: int
    seconds: float

    @property
    def rows_per_second(self):
        """Number of rows that this run scored per second."""
        return (self.rows - self.resumed_rows) / max(self.seconds, 1e-9)

    def __str__(self):
        counts = [f"{n:,} {status}" for status, n in self.statuses.items() if n]
        resumed = ""
        if self.resumed_rows:
            resumed = f", the first {self.resumed_rows:,} of them in an earlier run"
        return (
            f"Scored {self.rows:,} rows in {self.seconds:,.1f} s "
            f"({self.rows_per_second:,.0f} rows/s){resumed}: "
            f"{', '.join(counts) or 'none'}."
        )


def _is_folder(target):
    return os.fspath(target).endswith(("/", os.sep)) or Path(target).is_dir()


def _find_target_format(target, file_format):
    """Return the format, and the compression or None."""
    if target == STANDARD_STREAM:
        if file_format == "parquet":
            raise ValueError(
                "Parquet is not written to standard output: pass a file, or choose "
                "'csv', 'tsv' or 'jsonl'."
            )
        return file_format or "csv", None
    if _is_folder(target):
        if file_format not in (None, "parquet"):
            raise ValueError(
                f"{target} is a folder, whose parts are Parquet and not {file_format}: "
                "pass a file."
            )
        return "parquet", None
    return find_format(Path(target)) if file_format is None else (file_format, None)


def _check_apart(opened, source, target):
    """Raise if the run would read what it writes."""
    if STANDARD_STREAM in (source, target):
        return
    source, target = Path(source), Path(target)
    if target.exists() and any(path.samefile(target) for path in opened.files):
        raise ValueError(f"source and target are the same file, {target}.")
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        raise ValueError(
            f"the target {target} is inside the source {source}, and the next run "
            "would read it: choose another folder."
        )


def _count(statuses):
    found = {
        item["values"]: item["counts"] for item in statuses.value_counts().to_pylist()
    }
    return {status: found.get(status, 0) for status in STATUSES}
