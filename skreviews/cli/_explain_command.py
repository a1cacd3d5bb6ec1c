"""explain: attribute labels to the words of reviews."""

import skreviews
from skreviews._atomic import check_folder
from skreviews.cli._model_files import open_model, save_page
from skreviews.cli._options import (
    add_model_argument,
    add_page_option,
    add_shared_options,
)


def add_parser(commands):
    """Add the command."""
    parser = commands.add_parser(
        "explain",
        help="show which words speak for a label, and which against",
        description="Show which words of reviews speak for the predicted label, and "
        "which against, in colours on a terminal unless NO_COLOR is set.",
        epilog='example: python -m skreviews explain model.joblib "Love it, but slow"',
    )
    add_model_argument(parser)
    parser.add_argument("texts", metavar="TEXT", nargs="+", help="a review")
    parser.add_argument(
        "--target", metavar="LABEL", help="label to explain (default: the predicted)"
    )
    add_page_option(parser)
    add_shared_options(parser, ["device", "quiet"])
    parser.set_defaults(run=run)


def run(args):
    """Explain, print and save."""
    if args.html is not None:
        check_folder(args.html)
    pipe = open_model(args.model, args.device)
    target = None
    if args.target is not None:
        labels = {str(label): label for label in pipe.classes_.tolist()}
        if args.target not in labels:
            raise ValueError(
                f"--target={args.target} is not among the labels {list(labels)}."
            )
        target = labels[args.target]
    explanation = skreviews.explain(pipe, args.texts, target=target)
    print(explanation)
    save_page(explanation, args.html, args.quiet)
