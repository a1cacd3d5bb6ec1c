"""explain: show which words of reviews speak for a label."""

from pathlib import Path

import skreviews
from skreviews._atomic import check_folder
from skreviews.cli._model_files import open_model
from skreviews.cli._options import add_model_argument, add_shared_options


def add_parser(commands):
    """Add the command to the others."""
    parser = commands.add_parser(
        "explain",
        help="show which words speak for a label, and which against",
        description="Show which words of reviews speak for the label that is "
        "predicted, and which against, in colours on a terminal (none if NO_COLOR is "
        "set).",
        epilog='example: python -m skreviews explain model.joblib "Love it, but slow"',
    )
    add_model_argument(parser)
    parser.add_argument("texts", metavar="TEXT", nargs="+", help="a review")
    parser.add_argument(
        "--target", metavar="LABEL", help="explain this label (default: the predicted)"
    )
    parser.add_argument(
        "--html", metavar="PAGE", type=Path, help="save a page of HTML as well"
    )
    add_shared_options(parser, ["device", "quiet"])
    parser.set_defaults(run=run)


def run(args):
    """Print the explanation; save it as a page."""
    if args.html is not None:
        check_folder(args.html)
    pipe = open_model(args.model, args.device)
    target = None
    if args.target is not None:
        target = _find_label(args.target, pipe.classes_.tolist())
    explanation = skreviews.explain(pipe, args.texts, target=target)
    print(explanation)
    if args.html is not None:
        explanation.save_html(args.html)
        if not args.quiet:
            print(f"\nSaved the explanation as {args.html}.")


def _find_label(name, labels):
    """Return the label that is written so."""
    for label in labels:
        if str(label) == name:
            return label
    raise ValueError(f"--target={name} is not among the labels {labels}.")
