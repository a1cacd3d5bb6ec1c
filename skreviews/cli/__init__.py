"""The command line: one file for each command."""

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
  1    failed while running: disk full, out of memory, a broken machine
  2    wrong usage or input: an option, a file or a column that is not there
  130  interrupted by Ctrl-C; files are written whole or not at all
  141  whoever read the output has closed it, such as head
"""
# What can be mended by giving something else.
_WRONG_INPUT = (
    ValueError,
    LookupError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
# What can happen to the best of inputs. All else is a fault of ours: a traceback.
_FAILURES = (OSError, MemoryError, RuntimeError, ImportError)


def main(argv=None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    argv : list of str or None, default=None
        The arguments; None takes those of the process.

    Returns
    -------
    code : int
        0 done, 1 failed while running, 2 wrong usage or input; as shells count
        signals, 130 for Ctrl-C and 141 where nobody reads the output any more.

    Raises
    ------
    SystemExit
        By argparse: after ``--help`` and ``--version``, and with 2 for wrong usage.
    """
    try:
        try:
            return _run(argv)
        finally:
            sys.stdout.flush()
    except OSError as error:  # of standard output; what is left of it goes nowhere
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
    """Return the parser of all commands; it imports nothing heavy."""
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
        help="print what completes commands and options in this shell: bash, zsh or "
        "tcsh (needs skreviews[completion])",
    )
    add_shared_options(parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def _print_warning(message, category, *args, **kwargs):
    print("warning:", " ".join(str(message).split()), file=sys.stderr)
