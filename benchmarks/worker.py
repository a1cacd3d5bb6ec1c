"""Both ends of a pipe to a rival that lives in another Python.

Each question and each answer is one line of JSON. The other process stays alive, so
that its rival takes its turn between those of this one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path


class Worker:
    """A script of this folder, run by the Python that an environment variable names.

    `versions` names what it runs on, or is None where it does not run; `reason` then
    says why.
    """

    def __init__(self, script, variable):
        self.versions = None
        python = os.environ.get(variable)
        if not python:
            self.reason = f"{variable} names no Python"
            return
        path = Path(__file__).with_name(script)
        try:
            self._process = subprocess.Popen(
                [python, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            self.versions = self._read()
        except (OSError, EOFError) as error:
            self.reason = f"{variable}: {error}"

    def ask(self, name, **arguments):
        """Let the other process call its function of this name."""
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            raise EOFError(f"{self._process.args[1].name} ended, see its own message")
        return json.loads(line)


def serve(versions, **functions):
    """Answer questions until there are no more; only answers go to standard output."""
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps(versions), file=answers, flush=True)
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(functions[name](**arguments)), file=answers, flush=True)
