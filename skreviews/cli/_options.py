"""Options that several commands share."""

import argparse
from pathlib import Path

# Options that are accepted before the command too, and their defaults.
_SHARED = {"seed": 0, "device": "auto", "quiet": False}


def add_model_argument(parser):
    """Add the model file."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        type=Path,
        help="model saved by train or search; files other than .skr can run code when "
        "they are opened, so use only those that you trust",
    )


def add_column_options(parser, *, target=True):
    """Add the names of the columns."""
    names = {"text": ("content", "texts"), "target": ("score", "labels")}
    for name, (default, content) in names.items():
        if target or name == "text":
            parser.add_argument(
                f"--{name}",
                default=default,
                metavar="COLUMN",
                help=f"column of the {content} (default: {default})",
            )


def add_page_option(parser):
    """Add the HTML page."""
    parser.add_argument(
        "--html", type=Path, metavar="PAGE", help="save an HTML page as well"
    )


def add_shared_options(parser, names=tuple(_SHARED), *, seed_of="all random choices"):
    """Add the shared options of these names."""
    # SUPPRESS: a default of the command would override an option before it.
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
            help="cpu, cuda, cuda:0, mps or auto (default), the best available",
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
    """Set defaults, and refuse options that the command does not use."""
    for name, default in _SHARED.items():
        if name in args.shared:
            vars(args).setdefault(name, default)
        elif name in args:
            parser.error(f"{args.command} does not accept --{name}")
