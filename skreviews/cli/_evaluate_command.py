"""evaluate: score a model on a file of test reviews."""

import skreviews
from skreviews._atomic import check_folder
from skreviews.cli._model_files import open_model, save_page
from skreviews.cli._options import (
    add_column_options,
    add_model_argument,
    add_page_option,
    add_shared_options,
)


def add_parser(commands):
    """Add the command."""
    parser = commands.add_parser(
        "evaluate",
        help="score a model on reviews it was not trained on",
        description="Print scores with intervals and, with --train, those of "
        "baselines.",
        epilog="example: python -m skreviews evaluate model.joblib test.csv --train "
        "train.csv --html report.html",
    )
    add_model_argument(parser)
    parser.add_argument("file", metavar="FILE", help="CSV, TSV, JSONL or Parquet")
    add_column_options(parser)
    parser.add_argument(
        "--train",
        metavar="FILE",
        help="the training reviews, with the same columns, for baselines and for the "
        "count of texts in both files",
    )
    add_page_option(parser)
    add_shared_options(parser, seed_of="the intervals")
    parser.set_defaults(run=run)


def run(args):
    """Evaluate, print and save."""
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
    save_page(report, args.html, args.quiet)
