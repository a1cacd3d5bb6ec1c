"""Both ends of a pipe to a rival in another Python environment.

Each request and each response is one line of JSON. The other process stays alive, so
that its rival takes turns with those of this process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

RIVALS = {
    "Keras": ("rival_keras.py", "SKREVIEWS_KERAS_PYTHON"),
    "fastText": ("rival_fasttext.py", "SKREVIEWS_FASTTEXT_PYTHON"),
}


def start_workers(names=tuple(RIVALS)):
    """Return the available rivals by name, and why the others are skipped."""
    workers, skipped = {}, []
    for name in names:
        script, variable = RIVALS[name]
        python = os.environ.get(variable)
        if not python:
            skipped.append(f"{name}: skipped, {variable} is not set")
            continue
        try:
            workers[name] = Worker(python, script)
        except (OSError, EOFError) as error:
            skipped.append(f"{name}: skipped, {error}")
    return workers, skipped


class Worker:
    """A script of this folder that runs in another Python."""

    def __init__(self, python, script):
        # -E ignores the PYTHONPATH of this process.
        command = [python, "-E", str(Path(__file__).with_name(script))]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._script = script
        self._process = subprocess.Popen(command, text=True, **pipes)
        print(self._read())

    def ask(self, name, **arguments):
        """Call the function of this name in the other process."""
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            raise EOFError(f"{self._script} ended")
        return json.loads(line)


def serve(versions, **functions):
    """Respond to requests until the input ends; standard output has responses only."""
    answers, sys.stdout = sys.stdout, sys.stderr
    print(json.dumps(versions), file=answers, flush=True)
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(functions[name](**arguments)), file=answers, flush=True)
