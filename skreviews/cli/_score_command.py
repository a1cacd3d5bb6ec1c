"""score: predict the labels of a file of reviews of any size."""

import json
import sys

import skreviews
from skreviews.cli._model_files import open_model
from skreviews.cli._options import (
    add_column_options,
    add_model_argument,
    add_shared_options,
)

_FORMATS = ["csv", "tsv", "jsonl", "parquet"]


def add_parser(commands):
    """Add the command."""
    parser = commands.add_parser(
        "score",
        help="predict the labels of reviews",
        description="Write a row with 'prediction', 'proba_<label>' and 'status' for "
        "each row of a file. An interrupted run resumes from TARGET.journal.",
        epilog="example: python -m skreviews score model.skr reviews.csv -o out.csv "
        "--id reviewId",
    )
    add_model_argument(parser)
    parser.add_argument(
        "file",
        metavar="SOURCE",
        help="CSV, TSV or JSONL (each also .gz or .zst) or Parquet; a folder of "
        "Parquet, a pattern in quotes, or - for standard input",
    )
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="TARGET",
        help="a file of these formats; a folder, such as parts/, for Parquet; or - for "
        "standard output. Existing files are not overwritten",
    )
    add_column_options(parser, target=False)
    parser.add_argument(
        "--id",
        metavar="COLUMN",
        help="column to write instead of 'row', the number of the row",
    )
    parser.add_argument(
        "--columns",
        nargs="*",
        metavar="COLUMN",
        help="columns to copy (default: that of the texts; none without a name)",
    )
    parser.add_argument(
        "--batch-rows",
        default=10_000,
        type=int,
        metavar="ROWS",
        help="rows per batch; smaller batches need less memory (default: 10000)",
    )
    parser.add_argument(
        "--jobs",
        default=1,
        type=int,
        metavar="N",
        help="processes with one thread each, -1 for all cores (default: 1, this "
        "process with all threads)",
    )
    parser.add_argument(
        "--no-resume",
        action="store_true",
        help="discard the results of an interrupted run",
    )
    for name in ("source", "target"):
        parser.add_argument(
            f"--{name}-format",
            choices=_FORMATS,
            help=f"format of the {name}, if its name does not contain it",
        )
    parser.add_argument(
        "--on-error",
        choices=["record", "raise"],
        default="record",
        help="whether an unreadable row gets that status or stops the run (default: "
        "record)",
    )
    parser.add_argument(
        "--raw-formulas",
        action="store_true",
        help="in CSV, do not escape texts that a spreadsheet would run",
    )
    parser.add_argument(
        "--log-json",
        action="store_true",
        help="log to standard error, one JSON object per line, instead of a progress "
        "bar",
    )
    add_shared_options(parser, ["device", "quiet"])
    parser.set_defaults(run=run)


def run(args):
    """Score the file."""
    summary = skreviews.score_file(
        open_model(args.model, args.device),
        args.file,
        args.output,
        text=args.text,
        id=args.id,
        columns=[args.text] if args.columns is None else args.columns,
        batch_rows=args.batch_rows,
        n_jobs=args.jobs,
        resume=not args.no_resume,
        progress=not (args.quiet or args.log_json),
        on_error=args.on_error,
        escape_formulas=not args.raw_formulas,
        source_format=args.source_format,
        target_format=args.target_format,
        log=_log if args.log_json else None,
    )
    if not args.quiet and not args.log_json:
        print(summary, file=sys.stderr if args.output == "-" else sys.stdout)


def _log(event):
    print(json.dumps(event), file=sys.stderr, flush=True)
