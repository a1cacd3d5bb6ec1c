"""evaluate: judge a model on a file of reviews that it has not seen."""

from pathlib import Path

import skreviews
from skreviews._atomic import check_folder
from skreviews.cli._model_files import open_model
from skreviews.cli._options import (
    add_column_options,
    add_model_argument,
    add_shared_options,
)


def add_parser(commands):
    """Add the command to the others."""
    parser = commands.add_parser(
        "evaluate",
        help="judge a model on reviews that it was not trained on",
        description="Print scores with intervals and, with --train, those of simple "
        "models beside them.",
        epilog="example: python -m skreviews evaluate model.joblib test.csv --train "
        "train.csv --html report.html",
    )
    add_model_argument(parser)
    parser.add_argument("file", metavar="FILE", help="CSV, TSV, JSONL or Parquet")
    add_column_options(parser)
    parser.add_argument(
        "--train",
        metavar="FILE",
        help="the reviews it was trained on, with the same columns: for simple models "
        "beside it, and for finding texts that stand in both files",
    )
    parser.add_argument(
        "--html", type=Path, metavar="PAGE", help="save the report as a page with plots"
    )
    add_shared_options(parser, seed_of="the intervals")
    parser.set_defaults(run=run)


def run(args):
    """Print the report; save it as a page."""
    if args.html is not None:
        check_folder(args.html)
    columns = {"text": args.text, "target": args.target}
    X, y = skreviews.read_reviews(args.file, **columns)
    X_train = y_train = None
    if args.train is not None:
        X_train, y_train = skreviews.read_reviews(args.train, **columns)
    pipe = open_model(args.model, args.device)
    report = skreviews.evaluate(
        pipe, X, y, X_train=X_train, y_train=y_train, random_state=args.seed
    )
    print(report)
    if args.html is not None:
        report.save_html(args.html)
        if not args.quiet:
            print(f"\nSaved the report as {args.html}.")
