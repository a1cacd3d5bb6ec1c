"""The command line: train a model, evaluate it, score and explain reviews with it."""

import argparse
import sys
import warnings
from pathlib import Path

import skreviews
from skreviews._files import check_folder, write_whole


def main(argv=None) -> int:
    """Run a command and return its exit code: 0, or 2 after an error."""
    args = _make_parser().parse_args(argv)
    with warnings.catch_warnings():
        warnings.showwarning = _print_warning
        try:
            args.run(args)
        except (ValueError, OSError, LookupError, MemoryError) as error:
            message = " ".join(str(error).split()) or type(error).__name__
            print(f"skreviews {args.command}: error: {message}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(f"skreviews {args.command}: interrupted", file=sys.stderr)
            return 130
    return 0


def _make_parser():
    parser = argparse.ArgumentParser(
        prog="skreviews", description="Classify reviews with an LSTM."
    )
    parser.add_argument(
        "--version", action="version", version=f"skreviews {skreviews.__version__}"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = commands.add_parser(
        "train",
        help="train a model and judge it on reviews it has not seen",
        description="Train a model on four fifths of the reviews, judge it on the "
        "rest, and save it with a plot of the loss in training.",
        epilog="example: python -m skreviews train reviews.csv --output model.joblib",
    )
    train.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="CSV, TSV, JSONL (each also .gz) or Parquet; without it the reviews that "
        "come with the package",
    )
    _add_text_option(train)
    _add_target_option(train)
    train.add_argument(
        "--output",
        default="model.joblib",
        type=Path,
        metavar="MODEL",
        help="where the model goes: as .skr, which holds no code, or else for joblib; "
        "its plot goes beside it as .png (default: model.joblib)",
    )
    _add_device_option(train)
    train.add_argument(
        "--seed", default=0, type=int, help="seed of the split and of the training"
    )
    train.add_argument(
        "--validation-fraction",
        type=float,
        metavar="SHARE",
        help="share of the training reviews that is held out, say 0.1, so that table "
        "and plot show the validation loss too (default: none, all of them train)",
    )
    train.set_defaults(run=_train)

    evaluate = commands.add_parser(
        "evaluate",
        help="judge a model on reviews that it was not trained on",
        description="Print scores with intervals and, with --train, those of simple "
        "models beside them. A model file other than .skr can run code when it is "
        "opened: use those only that you trust.",
        epilog="example: python -m skreviews evaluate model.joblib test.csv --train "
        "train.csv --html report.html",
    )
    evaluate.add_argument("model", metavar="MODEL", type=Path, help="saved by train")
    evaluate.add_argument("file", metavar="FILE", help="CSV, TSV, JSONL or Parquet")
    _add_text_option(evaluate)
    _add_target_option(evaluate)
    evaluate.add_argument(
        "--train",
        metavar="FILE",
        help="the reviews it was trained on, with the same columns: for simple models "
        "beside it, and for finding texts that stand in both files",
    )
    evaluate.add_argument(
        "--html", type=Path, metavar="PAGE", help="save the report as a page with plots"
    )
    _add_device_option(evaluate)
    evaluate.add_argument(
        "--seed", default=0, type=int, help="seed of the intervals (default: 0)"
    )
    evaluate.set_defaults(run=_evaluate)

    score = commands.add_parser(
        "score",
        help="predict the labels of reviews",
        description="Add the columns 'prediction' and 'proba_<label>' to a file. A row "
        "without a text keeps them empty. A model file other than .skr can run code "
        "when it is opened: use those only that you trust.",
        epilog="example: python -m skreviews score model.joblib reviews.csv -o out.csv",
    )
    score.add_argument("model", metavar="MODEL", type=Path, help="saved by train")
    score.add_argument("file", metavar="FILE", help="CSV, TSV, JSONL or Parquet")
    _add_text_option(score)
    score.add_argument(
        "-o", "--output", required=True, type=Path, metavar="CSV", help="a CSV file"
    )
    _add_device_option(score)
    score.set_defaults(run=_score)

    explain = commands.add_parser(
        "explain",
        help="show which words speak for a label, and which against",
        description="Show which words of reviews speak for the label that is "
        "predicted, and which against, in colours on a terminal (none if NO_COLOR is "
        "set).",
        epilog='example: python -m skreviews explain model.joblib "Love it, but slow"',
    )
    explain.add_argument("model", metavar="MODEL", type=Path, help="saved by train")
    explain.add_argument("texts", metavar="TEXT", nargs="+", help="a review")
    explain.add_argument(
        "--target", metavar="LABEL", help="explain this label (default: the predicted)"
    )
    explain.add_argument(
        "--html", metavar="FILE", type=Path, help="write a page of HTML as well"
    )
    _add_device_option(explain)
    explain.set_defaults(run=_explain)
    return parser


def _add_text_option(parser):
    parser.add_argument(
        "--text", default="content", help="column of the texts (default: content)"
    )


def _add_target_option(parser):
    parser.add_argument(
        "--target", default="score", help="column of the labels (default: score)"
    )


def _add_device_option(parser):
    parser.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:0, mps or auto (default)"
    )


def _train(args):
    # Heavy imports wait until a command needs them: --help answers at once.
    import joblib
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
        verbose=1,
        lstm__validation_fraction=share,
    )
    pipe.fit(X[~in_test], y[~in_test])

    y_test, y_pred = y[in_test], pipe.predict(X[in_test])
    print(f"\nTrained on {(~in_test).sum():,} reviews, tested on {in_test.sum():,}.")
    print(f"Accuracy: {(y_test == y_pred).mean():.3f}\n")
    print(classification_report(y_test, y_pred, labels=pipe.classes_, zero_division=0))
    print("Confusion matrix (rows: true, columns: predicted)")
    print(_to_table(confusion_matrix(y_test, y_pred, labels=pipe.classes_), pipe))
    _plot_training(pipe, plot)
    if args.output.suffix == ".skr":
        skreviews.save(pipe, args.output)
    else:
        write_whole(args.output, lambda path: joblib.dump(pipe, path))
    print(f"\nSaved the model as {args.output} and the plot of its loss as {plot}.")


def _evaluate(args):
    if args.html is not None:
        check_folder(args.html)
    columns = {"text": args.text, "target": args.target}
    X, y = skreviews.read_reviews(args.file, **columns)
    X_train = y_train = None
    if args.train is not None:
        X_train, y_train = skreviews.read_reviews(args.train, **columns)
    pipe = _load(args.model)
    pipe.set_params(lstm__device=args.device)
    report = skreviews.evaluate(
        pipe, X, y, X_train=X_train, y_train=y_train, random_state=args.seed
    )
    print(report)
    if args.html is not None:
        report.save_html(args.html)
        print(f"\nSaved the report as {args.html}.")


def _score(args):
    import pandas as pd

    from skreviews.datasets._readers import read_table
    from skreviews.neural_network._objective import decide

    check_folder(args.output)
    frame = read_table(Path(args.file), [args.text], others=True).to_pandas()
    pipe = _load(args.model)
    pipe.set_params(lstm__device=args.device)
    columns = ["prediction", *(f"proba_{label}" for label in pipe.classes_)]
    if taken := [name for name in columns if name in frame]:
        raise ValueError(
            f"{args.file} has the column {taken[0]!r} already: rename or drop it."
        )
    texts = frame[args.text]
    has_text = texts.notna() & (texts.astype(str).str.strip() != "")
    scores = pd.DataFrame(index=frame.index, columns=columns)
    if has_text.any():
        proba = pipe.predict_proba(texts[has_text])
        labels = decide(proba, pipe.classes_, pipe["lstm"].decision)
        scores.loc[has_text, "prediction"] = labels
        scores.loc[has_text, columns[1:]] = proba
    frame = frame.join(scores)
    write_whole(args.output, lambda path: frame.to_csv(path, index=False))
    print(
        f"Scored {has_text.sum():,} of {len(frame):,} reviews "
        f"({(~has_text).sum():,} without a text) into {args.output}."
    )


def _explain(args):
    from skreviews.pipeline import find_steps

    if args.html is not None:
        check_folder(args.html)
    pipe = _load(args.model)
    try:
        *_, (lstm, _) = find_steps(pipe)
    except TypeError as error:
        raise ValueError(f"{args.model}: {error}") from None
    pipe.set_params(**{f"{lstm}__device": args.device})
    target = None
    if args.target is not None:
        target = _find_label(args.target, pipe.classes_.tolist())
    explanation = skreviews.explain(pipe, args.texts, target=target)
    print(explanation)
    if args.html is not None:
        explanation.save_html(args.html)
        print(f"\nSaved the explanation as {args.html}.")


def _find_label(name, labels):
    """Return the label that is written so."""
    for label in labels:
        if str(label) == name:
            return label
    raise ValueError(f"--target={name} is not among the labels {labels}.")


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
        skreviews.TrainingDisplay.from_estimator(pipe).figure_.savefig(path, dpi=150)


def _load(path):
    import joblib

    if not path.is_file():
        raise ValueError(f"the model {path} is not there.")
    if path.suffix == ".skr":
        return skreviews.load(path)
    try:
        pipe = joblib.load(path)
        pipe.predict_proba  # noqa: B018 (is it a fitted classifier?)
    except Exception as error:  # a broken pickle can raise anything
        raise ValueError(f"{path} holds no model saved by train ({error}).") from error
    return pipe


def _print_warning(message, category, *args, **kwargs):
    print(f"warning: {message}", file=sys.stderr)
