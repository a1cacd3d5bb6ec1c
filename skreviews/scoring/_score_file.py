"""score_file and iter_scores: one row of predictions for each row of texts."""

import os
import sys
from numbers import Integral
from pathlib import Path
from time import perf_counter

from sklearn.utils._param_validation import Interval, StrOptions, validate_params

import skreviews
from skreviews._atomic import check_folder
from skreviews.io._sources import (
    FORMATS,
    Source,
    find_format,
    is_stream,
    read_memory,
)
from skreviews.io._targets import ParquetTarget, TextTarget
from skreviews.scoring._journal import Journal
from skreviews.scoring._rows import assemble, make_schema, raise_unreadable
from skreviews.scoring._run import Run, Stream
from skreviews.scoring._scorer import Scorer, open_model


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
    """Predict the label of each text of a file, of whatever size.

    Each row of the source gives one row of the target, in the same order: its number
    or its id, ``prediction``, ``proba_<label>`` for each label, ``status``, and the
    columns that are carried along. The memory that this takes does not grow with the
    file. A run that was cut off is finished by calling it again.

    Parameters
    ----------
    model : str, path-like or Pipeline
        A file that `save` has written, or a fitted pipeline such as
        `make_review_pipeline` returns.
    source : str or path-like
        A file: ``.csv``, ``.tsv`` or ``.jsonl`` (one JSON object a line), each also
        with ``.gz`` or ``.zst`` after it, or ``.parquet``; a folder of Parquet files;
        a pattern such as ``"day-*.csv"``, whose files are read in the order of their
        names; ``"-"`` for standard input.
    target : str or path-like
        A file, named likewise; a folder that is there or whose name ends in ``/``,
        for parts as Parquet; ``"-"`` for standard output. It appears when it is whole,
        and a file that is there already is not overwritten.
    text : str, default="content"
        The column of the texts.
    id : str or None, default=None
        A column that stands in the target in place of ``row``, the number of the row
        in the source, from 0 on and without headers.
    columns : list of str, default=()
        Columns of the source that are carried along.
    batch_rows : int, default=10_000
        Rows that are scored and written at once. More of them take more memory.
    n_jobs : int or None, default=1
        Number of processes, with one thread each; -1 is one for each core. 1 is this
        process with all of its threads, which is as fast on few cores.
    device : str, default='auto'
        Where a model from a file computes. A pipeline computes where its classifier's
        own `device` says.
    resume : bool, default=True
        Go on where an earlier run of the same job was cut off; else start anew.
        Standard input and output cannot be taken up again.
    progress : bool, default=True
        Show a bar on standard error if that is a terminal.
    on_error : {'record', 'raise'}, default='record'
        Whether a row that cannot be read gets the status ``unreadable``, or stops the
        run.
    escape_formulas : bool, default=True
        In CSV and TSV, put an apostrophe before texts that a spreadsheet would take
        for a formula: those that begin with one of ``= + - @``, a tab or a line break,
        and are no plain number [1]_.
    source_format, target_format : {'csv', 'tsv', 'jsonl', 'parquet'} or None, \
            default=None
        None goes by the name of the file, and takes CSV for the standard streams.
    log : callable or None, default=None
        Gets a dict after each batch: ``rows``, ``rows_per_second``, ``share`` of the
        source, ``seconds_left``, ``statuses``.

    Returns
    -------
    summary : ScoreSummary
        ``rows``, ``statuses`` (a dict of counts), ``resumed_rows``, ``seconds``,
        ``rows_per_second``.

    Raises
    ------
    ValueError
        Before any work if a column is not there or stands there twice, if formats or
        names do not fit, if the target exists, or if it belongs to an unfinished run
        on another source, with another model or other parameters. Later if an archive
        is broken.
    OSError
        If a file cannot be opened or written. What was done by then is kept for the
        next run.
    RuntimeError
        If worker processes die again and again over the same rows.

    Warns
    -----
    UserWarning
        If rows are unreadable.
    RuntimeWarning
        If a worker process has died; its rows are scored by another.

    See Also
    --------
    iter_scores : The same for batches in memory.
    save : Writes the model.

    Notes
    -----
    The statuses are ``ok``; ``empty``, a text of nothing but white space, and
    ``missing``, no text at all, which have neither a prediction nor probabilities;
    ``all_unknown``, no word of the text is known, and ``too_long_truncated``, it has
    more words than the model reads, which are scored all the same; ``unreadable``, not
    scored: the row has too few or too many fields, a quote that is not closed, no valid
    JSON, a text that is not UTF-8, or one that a step of the pipeline refuses.

    In files of text all columns are strings. A cell of a CSV with nothing in it is
    missing. Other values of JSON than strings are carried along as their JSON text.

    While a run is not finished, the folder ``<target>.journal`` stands beside the
    target, with the parts that are done. To give a job up, delete it.

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
    names = _list_columns(text, id, columns)
    to_stream, is_folder = is_stream(target), _is_folder(target)
    file_format, compression = _find_target_format(target, target_format)
    target = Path(target)
    if not to_stream:
        check_folder(target)
    opened = Source(source, names, source_format)
    if not to_stream:
        _check_apart(opened, Path(source), target)
    pipe = open_model(model, device)
    scorer = Scorer(pipe)
    schema = make_schema(scorer.classes, id, names, columns, opened.types)
    if file_format == "parquet":
        writer = ParquetTarget(schema)
    else:
        writer = TextTarget(file_format, compression, schema, escape_formulas)
    run = Run(opened, pipe, scorer, schema, id, on_error, batch_rows, n_jobs)
    if to_stream:
        sink = Stream(sys.stdout.buffer, writer)
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
        sink = Journal(target, job, resume, is_folder, suffix)
    try:
        return run.score(sink, writer, progress, log, start)
    finally:
        sink.close()


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
        A file that `save` has written, or a fitted pipeline.
    batches : iterable
        Of Arrow tables or record batches, of DataFrames, or of lists, Series or Arrow
        arrays of texts. They are not modified.
    text : str, default="content"
        The column of the texts, where a batch has columns.
    id : str or None, default=None
        A column that takes the place of ``row``, the number of the row in the stream.
    columns : list of str, default=()
        Columns that are carried along.
    device : str, default='auto'
        Where a model from a file computes.
    on_error : {'record', 'raise'}, default='record'
        Whether a text that a step of the pipeline refuses gets the status
        ``unreadable``, or stops the stream.

    Returns
    -------
    scores : iterator of pyarrow.Table
        One for each batch, with as many rows: ``row`` or the id, ``prediction``,
        ``proba_<label>`` for each label, ``status`` as `score_file` explains it, and
        the columns that are carried along.

    Raises
    ------
    ValueError
        From the iterator, if a batch lacks a column or holds anything but texts there.

    See Also
    --------
    score_file : The same from file to file.

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
    names = _list_columns(text, id, columns)
    scorer = Scorer(open_model(model, device))
    return _iter_scores(scorer, batches, names, id, columns, on_error)


def _list_columns(text, id, columns):
    """Return the columns to read, each once, that of the texts first."""
    columns = list(columns)
    if repeated := [name for name in columns if columns.count(name) > 1]:
        raise ValueError(f"columns names {repeated[0]!r} more than once.")
    return list(dict.fromkeys([text, *([] if id is None else [id]), *columns]))


def _is_folder(target):
    return os.fspath(target).endswith(("/", os.sep)) or Path(target).is_dir()


def _find_target_format(target, file_format):
    """Return the format and the compression, or None."""
    if is_stream(target):
        if file_format == "parquet":
            raise ValueError(
                "Parquet is not written to standard output: name a file, or choose "
                "'csv', 'tsv' or 'jsonl'."
            )
        return file_format or "csv", None
    if _is_folder(target):
        if file_format not in (None, "parquet"):
            raise ValueError(
                f"{target} is a folder, whose parts are Parquet and not {file_format}: "
                "name a file."
            )
        return "parquet", None
    return find_format(Path(target)) if file_format is None else (file_format, None)


def _check_apart(source, place, target):
    for path in source.files:
        if target.exists() and path.samefile(target):
            raise ValueError(f"source and target are the same file, {target}.")
    if place.is_dir() and target.resolve().is_relative_to(place.resolve()):
        raise ValueError(
            f"the target {target} lies in the source {place}, and would be read the "
            "next time: choose another folder."
        )


def _iter_scores(scorer, batches, names, id, columns, on_error):
    row = 0
    for batch in batches:
        table = read_memory(batch, names)
        types = [field.type for field in table.schema][:-1]
        schema = make_schema(scorer.classes, id, names, columns, types)
        found = scorer.score(table[0].combine_chunks())
        scores, reasons = assemble(table, found, row, scorer, schema, id)
        if reasons and on_error == "raise":
            raise_unreadable(row, reasons, "the stream")
        row += len(table)
        yield scores
