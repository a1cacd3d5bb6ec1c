"""train: fit a pipeline to a file, judge it on a fifth of it, and save it."""

from pathlib import Path

import skreviews
from skreviews._atomic import check_folder, write_whole
from skreviews.cli._model_files import save_model
from skreviews.cli._options import add_column_options, add_shared_options


def add_parser(commands):
    """Add the command to the others."""
    parser = commands.add_parser(
        "train",
        help="train a model and judge it on reviews it has not seen",
        description="Train a model on four fifths of the reviews, judge it on the "
        "rest, and save it with a plot of the loss in training.",
        epilog="example: python -m skreviews train reviews.csv --output model.joblib",
    )
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="CSV, TSV, JSONL (each also .gz) or Parquet; without it the reviews that "
        "come with the package",
    )
    add_column_options(parser)
    parser.add_argument(
        "-o",
        "--output",
        default="model.joblib",
        type=Path,
        metavar="MODEL",
        help="where the model goes: as .skr, which holds no code, or else for joblib; "
        "its plot goes beside it as .png (default: model.joblib)",
    )
    parser.add_argument(
        "--validation-fraction",
        type=float,
        metavar="SHARE",
        help="share of the training reviews that is held out, say 0.1, so that table "
        "and plot show the validation loss too (default: none, all of them train)",
    )
    add_shared_options(parser, seed_of="the split and of the training")
    parser.set_defaults(run=run)


def run(args):
    """Train, judge, save."""
    # Heavy imports wait until a command needs them: --help answers at once.
    from sklearn.metrics import classification_report, confusion_matrix

    plot = args.output.with_suffix(".png")
    if args.output == plot:
        raise ValueError(f"{plot} is where the plot goes: give the model another name.")
    check_folder(args.output)
    share = args.validation_fraction
    if share is not None and not 0 < share < 1:
        raise ValueError(f"--validation-fraction={share} is not between 0 and 1.")
    if args.file is None:
        X, y = skreviews.load_app_reviews(return_X_y=True)
    else:
        X, y = skreviews.read_reviews(args.file, text=args.text, target=args.target)
    in_test = _hold_out(X, y, args.seed)
    pipe = skreviews.make_review_pipeline(
        device=args.device,
        random_state=args.seed,
        verbose=0 if args.quiet else 1,
        lstm__validation_fraction=share,
    )
    pipe.fit(X[~in_test], y[~in_test])
    y_test, y_pred = y[in_test], pipe.predict(X[in_test])
    # Before the report, which may go to a `head` that stops reading.
    _plot_training(pipe, plot)
    save_model(pipe, args.output)

    if not args.quiet:
        print()
    print(f"Trained on {(~in_test).sum():,} reviews, tested on {in_test.sum():,}.")
    print(f"Accuracy: {(y_test == y_pred).mean():.3f}\n")
    print(classification_report(y_test, y_pred, labels=pipe.classes_, zero_division=0))
    print("Confusion matrix (rows: true, columns: predicted)")
    print(_to_table(confusion_matrix(y_test, y_pred, labels=pipe.classes_), pipe))
    if not args.quiet:
        print(f"\nSaved the model as {args.output} and the plot of its loss as {plot}.")


def _hold_out(X, y, seed):
    """Mark a fifth of the distinct texts, stratified by their label."""
    from sklearn.model_selection import train_test_split

    texts = X.drop_duplicates()
    counts = y[texts.index].value_counts()
    if counts.min() < 2:
        rarest = counts.index.tolist()[-1]
        raise ValueError(
            f"the label {rarest!r} has one text only; each needs at least 2, to train "
            "on one and to test on the other."
        )
    _, held_out = train_test_split(
        texts, test_size=0.2, stratify=y[texts.index], random_state=seed
    )
    return X.isin(held_out)


def _to_table(matrix, pipe):
    import pandas as pd

    return pd.DataFrame(matrix, index=pipe.classes_, columns=pipe.classes_)


def _plot_training(pipe, path):
    import matplotlib

    with matplotlib.rc_context({"backend": "agg"}):
        figure = skreviews.TrainingDisplay.from_estimator(pipe).figure_
        write_whole(path, lambda name: figure.savefig(name, dpi=150))
