"""The command line: one file per command."""

import argparse
import os
import sys
import warnings

import skreviews
from skreviews.cli import (
    _evaluate_command,
    _explain_command,
    _info_command,
    _score_command,
    _search_command,
    _train_command,
)
from skreviews.cli._completion import PrintCompletion
from skreviews.cli._options import add_shared_options, fill_shared_options

_COMMANDS = (
    _train_command,
    _search_command,
    _evaluate_command,
    _score_command,
    _explain_command,
    _info_command,
)
_EXIT_CODES = """\
exit codes:
  0    done
  1    failure: disk full, out of memory, a library that is not installed
  2    wrong usage or input: an option, a file or a column that cannot be used
  130  interrupted by Ctrl-C; no file is incomplete
  141  the reader of the output closed it, such as head
"""
# Errors that other arguments can fix.
_WRONG_INPUT = (
    ValueError,
    LookupError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
# Errors of the environment. Any other error is a bug and gives a traceback.
_FAILURES = (OSError, MemoryError, RuntimeError, ImportError)


def main(argv=None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    argv : list of str or None, default=None
        The arguments. None takes those of the process.

    Returns
    -------
    code : int
        0 done, 1 failure, 2 wrong usage or input, 130 Ctrl-C, 141 closed output.

    Raises
    ------
    SystemExit
        By argparse, after ``--help`` and ``--version``, and for wrong usage.
    """
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except OSError as error:  # of standard output; Python flushes it again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 141
        print(f"skreviews: error: standard output: {error}", file=sys.stderr)
        return 1


def _run(argv):
    parser = make_parser()
    args = parser.parse_args(argv)
    fill_shared_options(parser, args)
    name = f"skreviews {args.command}"
    with warnings.catch_warnings():
        warnings.showwarning = _print_warning
        try:
            args.run(args)
        except BrokenPipeError:
            raise
        except _WRONG_INPUT + _FAILURES as error:
            message = " ".join(str(error).split()) or type(error).__name__
            print(f"{name}: error: {message}", file=sys.stderr)
            return 2 if isinstance(error, _WRONG_INPUT) else 1
        except KeyboardInterrupt:
            print(f"{name}: interrupted", file=sys.stderr)
            return 130
    return 0


def make_parser():
    """Return the parser of all commands, without importing heavy libraries."""
    parser = argparse.ArgumentParser(
        prog="skreviews",
        description="Classify reviews with an LSTM.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"skreviews {skreviews.__version__}"
    )
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        help="print a completion script for this shell: bash, zsh or tcsh (needs "
        "skreviews[completion])",
    )
    add_shared_options(parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def _print_warning(message, category, *args, **kwargs):
    print("warning:", " ".join(str(message).split()), file=sys.stderr)
