"""score: add predictions and probabilities to a file of reviews."""

from pathlib import Path

from skreviews._files import check_folder, write_whole
from skreviews.cli._model import open_model
from skreviews.cli._options import (
    add_column_options,
    add_model_argument,
    add_shared_options,
)


def add_parser(commands):
    """Add the command to the others."""
    parser = commands.add_parser(
        "score",
        help="predict the labels of reviews",
        description="Add the columns 'prediction' and 'proba_<label>' to a file. A row "
        "without a text keeps them empty.",
        epilog="example: python -m skreviews score model.joblib reviews.csv -o out.csv",
    )
    add_model_argument(parser)
    parser.add_argument("file", metavar="FILE", help="CSV, TSV, JSONL or Parquet")
    add_column_options(parser, target=False)
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="CSV", help="a CSV file"
    )
    add_shared_options(parser, ["device", "quiet"])
    parser.set_defaults(run=run)


def run(args):
    """Score the file."""
    import pandas as pd

    from skreviews.datasets._readers import read_table
    from skreviews.neural_network._objective import decide

    check_folder(args.output)
    frame = read_table(Path(args.file), [args.text], others=True).to_pandas()
    pipe = open_model(args.model, args.device)
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
        labels = decide(proba, pipe.classes_, pipe.steps[-1][1].decision)
        scores.loc[has_text, "prediction"] = labels
        scores.loc[has_text, columns[1:]] = proba
    frame = frame.join(scores)
    write_whole(args.output, lambda path: frame.to_csv(path, index=False))
    if not args.quiet:
        print(
            f"Scored {has_text.sum():,} of {len(frame):,} reviews "
            f"({(~has_text).sum():,} without a text) into {args.output}."
        )
