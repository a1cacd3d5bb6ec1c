"""Options that several commands share."""

import argparse
from pathlib import Path

# Those that may stand before the command, too, with what they are if left out.
_SHARED = {"seed": 0, "device": "auto", "quiet": False}


def add_model_argument(parser):
    """Let the command take a model."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        type=Path,
        help="saved by train or search; one other than .skr can run code when it is "
        "opened: use those only that you trust",
    )


def add_column_options(parser, *, target=True):
    """Let the command take the names of the columns of a file."""
    parser.add_argument(
        "--text",
        default="content",
        metavar="COLUMN",
        help="column of the texts (default: content)",
    )
    if target:
        parser.add_argument(
            "--target",
            default="score",
            metavar="COLUMN",
            help="column of the labels (default: score)",
        )


def add_shared_options(parser, names=tuple(_SHARED), *, seed_of="all that is random"):
    """Let a command, or all of them, take the options of these names."""
    # Left out, they set nothing: a command would else undo what stands before it.
    if "seed" in names:
        parser.add_argument(
            "--seed",
            default=argparse.SUPPRESS,
            type=int,
            help=f"seed of {seed_of} (default: 0)",
        )
    if "device" in names:
        parser.add_argument(
            "--device",
            default=argparse.SUPPRESS,
            help="cpu, cuda, cuda:0, mps or auto, the best that is there (default)",
        )
    if "quiet" in names:
        parser.add_argument(
            "-q",
            "--quiet",
            default=argparse.SUPPRESS,
            action="store_true",
            help="print results, warnings and errors only",
        )
    parser.set_defaults(shared=names)


def fill_shared_options(parser, args):
    """Set those that were left out; refuse those that the command does not take."""
    for name, default in _SHARED.items():
        if name in args.shared:
            vars(args).setdefault(name, default)
        elif name in args:
            parser.error(f"{args.command} takes no --{name}")
