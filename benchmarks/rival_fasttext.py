"""fastText with pairs of words, in an environment of its own.

    python -m venv ft && ft/bin/pip install fasttext-wheel "numpy<2"
    export SKREVIEWS_FASTTEXT_PYTHON=$PWD/ft/bin/python

The benchmarks start this script and ask it for seconds and probabilities. fastText
reads a file with one text per line. Writing it and removing line ends from the texts is
not timed.
"""

import tempfile
from functools import partial
from importlib.metadata import version
from pathlib import Path

import fasttext
from common import find_peak, time_call
from worker import serve

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "train.txt"
rival = {}  # state between the functions


def prepare(train, y, n_threads, test=()):
    lines = zip(y, map(join_lines, train), strict=True)
    path.write_text("".join(f"__label__{label} {text}\n" for label, text in lines))
    rival["n_threads"] = n_threads
    rival["test"] = [join_lines(text) for text in test]


def fit(**params):
    rival.pop("model", None)  # two at once would double the peak memory
    rival["model"] = fasttext.train_supervised(
        str(path), wordNgrams=2, thread=rival["n_threads"], verbose=0, **params
    )


def predict():
    rival["model"].predict(rival["test"])


def predict_proba(classes):
    """Return the probabilities of the test rows, in the order of the classes."""
    rows = []
    for labels, probabilities in zip(
        *rival["model"].predict(rival["test"], k=-1), strict=True
    ):
        by_label = dict(zip(labels, probabilities.tolist(), strict=True))
        rows.append([by_label[f"__label__{label}"] for label in classes])
    return rows


def join_lines(text):
    return " ".join(text.split())


if __name__ == "__main__":
    serve(
        f"fasttext-wheel {version('fasttext-wheel')}",
        prepare=prepare,
        fit=lambda **params: time_call(partial(fit, **params)),
        predict=lambda: time_call(predict),
        predict_proba=predict_proba,
        find_peak=find_peak,
    )
