"""train: fit a pipeline to a file, evaluate it on a fifth of the texts, and save it."""

from pathlib import Path

import skreviews
from skreviews._atomic import check_folder, write_whole
from skreviews.cli._model_files import save_model
from skreviews.cli._options import add_column_options, add_shared_options

_TEST_FRACTION = 0.2


def add_parser(commands):
    """Add the command."""
    parser = commands.add_parser(
        "train",
        help="train a model and evaluate it on held-out reviews",
        description="Train a model on four fifths of the reviews, evaluate it on the "
        "rest, and save it with a plot of its training.",
        epilog="example: python -m skreviews train reviews.csv --output model.joblib",
    )
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="CSV, TSV, JSONL (each also .gz) or Parquet (default: the app reviews of "
        "the package)",
    )
    add_column_options(parser)
    parser.add_argument(
        "-o",
        "--output",
        default="model.joblib",
        type=Path,
        metavar="MODEL",
        help="path of the model: .skr, which holds no code, or else joblib; the plot "
        "gets the suffix .png (default: model.joblib)",
    )
    parser.add_argument(
        "--validation-fraction",
        type=float,
        metavar="SHARE",
        help="share of the training reviews to hold out for the validation loss, such "
        "as 0.1 (default: none)",
    )
    add_shared_options(parser, seed_of="the split and the training")
    parser.set_defaults(run=run)


def run(args):
    """Train, evaluate, save, print."""
    plot = args.output.with_suffix(".png")
    if args.output == plot:
        raise ValueError(
            f"{plot} is the file of the plot: give the model another name."
        )
    check_folder(args.output)
    share = args.validation_fraction
    if share is not None and not 0 < share < 1:
        raise ValueError(f"--validation-fraction={share} is not between 0 and 1.")
    if args.file is None:
        X, y = skreviews.load_app_reviews(return_X_y=True)
    else:
        X, y = skreviews.read_reviews(args.file, text=args.text, target=args.target)
    is_test = _hold_out(X, y, args.seed)
    X_train, X_test = X[~is_test], X[is_test]
    pipe = skreviews.make_review_pipeline(
        device=args.device,
        random_state=args.seed,
        verbose=0 if args.quiet else 1,
        lstm__validation_fraction=share,
    )
    pipe.fit(X_train, y[~is_test])
    report = skreviews.evaluate(
        pipe,
        X_test,
        y[is_test],
        X_train=X_train,
        baselines=False,
        random_state=args.seed,
    )
    # Before anything is printed: a closed output ends the process.
    _plot_training(pipe, plot)
    save_model(pipe, args.output)
    if not args.quiet:
        print()
    print(f"Trained on {len(X_train):,} reviews, tested on {len(X_test):,}.\n")
    print(report)
    if not args.quiet:
        print(f"\nSaved the model as {args.output} and the plot of its loss as {plot}.")


def _hold_out(X, y, seed):
    """Mark a fifth of the distinct texts of each label."""
    import numpy as np  # --help does not wait for imports

    from skreviews._labels import encode_labels
    from skreviews._splits import check_distinct, group_texts, hold_out

    classes, codes = encode_labels(y)
    groups = group_texts(X)
    remedy = "one to train and one to test. Add texts or drop the label"
    check_distinct(groups, classes, codes, 2, remedy)
    return hold_out(groups, codes, _TEST_FRACTION, np.random.default_rng(seed))


def _plot_training(pipe, path):
    import matplotlib

    with matplotlib.rc_context({"backend": "agg"}):
        figure = skreviews.TrainingDisplay.from_estimator(pipe).figure_
        write_whole(path, lambda name: figure.savefig(name, dpi=150))
