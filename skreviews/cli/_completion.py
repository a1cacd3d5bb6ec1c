"""Shell completion of commands, options and files."""

import argparse

# Metavars of files, and the completion of files in each shell.
_FILES = {"CONFIG", "CSV", "FILE", "MODEL", "PAGE"}
_COMPLETE_FILES = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}


class PrintCompletion(argparse.Action):
    """Print a completion script for a shell and exit."""

    def __init__(self, option_strings, dest, help):
        super().__init__(
            option_strings,
            argparse.SUPPRESS,
            choices=sorted(_COMPLETE_FILES),
            metavar="SHELL",
            help=help,
        )

    def __call__(self, parser, namespace, shell, option_string=None):
        try:
            import shtab
        except ImportError:
            parser.exit(
                1,
                f"{parser.prog}: error: completion needs shtab, which is not "
                "installed: pip install 'skreviews[completion]'\n",
            )
        for action in _list_actions(parser):
            if action.metavar in _FILES:
                action.complete = _COMPLETE_FILES
        print(shtab.complete(parser, shell))
        parser.exit()


def _list_actions(parser):
    """Return the arguments of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _list_actions(command)
