"""score: predict the labels of a file of reviews, of whatever size."""

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
    """Add the command to the others."""
    parser = commands.add_parser(
        "score",
        help="predict the labels of reviews",
        description="Write a row with 'prediction', 'proba_<label>' and 'status' for "
        "each row of a file. A run that was cut off goes on where it was; until it is "
        "done, its parts stand in TARGET.journal.",
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
        help="a file, named likewise; a folder, as parts/, for Parquet; or - for "
        "standard output. What is there already is not overwritten",
    )
    add_column_options(parser, target=False)
    parser.add_argument(
        "--id",
        metavar="COLUMN",
        help="column to write in place of 'row', the number of the row",
    )
    parser.add_argument(
        "--columns",
        nargs="*",
        metavar="COLUMN",
        help="columns to carry along (default: that of the texts; none if no name "
        "follows)",
    )
    parser.add_argument(
        "--batch-rows",
        default=10_000,
        type=int,
        metavar="ROWS",
        help="rows at once; fewer take less memory (default: 10000)",
    )
    parser.add_argument(
        "--jobs",
        default=1,
        type=int,
        metavar="N",
        help="processes with one thread each, -1 for all cores (default: 1, this "
        "process with all of its threads)",
    )
    parser.add_argument(
        "--no-resume",
        action="store_true",
        help="throw away what an earlier run has done",
    )
    parser.add_argument(
        "--source-format",
        choices=_FORMATS,
        help="where the name does not tell it (standard input: csv)",
    )
    parser.add_argument(
        "--target-format", choices=_FORMATS, help="likewise, of the target"
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
        help="in CSV, leave texts alone that a spreadsheet would run",
    )
    parser.add_argument(
        "--log-json",
        action="store_true",
        help="report on standard error, a JSON object a line, in place of a bar",
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
