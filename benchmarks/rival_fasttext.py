"""fastText with pairs of words, in an environment of its own.

    python -m venv ft && ft/bin/pip install fasttext-wheel "numpy<2"
    export SKREVIEWS_FASTTEXT_PYTHON=$PWD/ft/bin/python

The benchmarks start this script and ask it for seconds. fastText reads a file with one
text a line: writing it, and taking the line ends out of the texts, is not counted.
"""

import tempfile
from importlib.metadata import version
from pathlib import Path

import fasttext
from common import time_call
from worker import serve

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "train.txt"
rival = {}  # what one function leaves for the next


def prepare(train, y, n_threads, test=()):
    lines = zip(y, map(join_lines, train), strict=True)
    path.write_text("".join(f"__label__{label} {text}\n" for label, text in lines))
    rival["n_threads"] = n_threads
    rival["test"] = [join_lines(text) for text in test]


def fit():
    rival["model"] = fasttext.train_supervised(
        str(path), wordNgrams=2, thread=rival["n_threads"], verbose=0
    )


def predict():
    rival["model"].predict(rival["test"])


def join_lines(text):
    return " ".join(text.split())


if __name__ == "__main__":
    serve(
        f"fasttext-wheel {version('fasttext-wheel')}",
        prepare=prepare,
        fit=lambda: time_call(fit),
        predict=lambda: time_call(predict),
    )
