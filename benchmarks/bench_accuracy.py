"""Accuracy of the review pipeline, beside TF-IDF with logistic regression.

Both are trained and tested on the same fixed splits in one run. The scores of the
pipeline are means over the seeds; the baseline has no seed and is fitted once.
"""

import argparse
import sys

import numpy as np
import torch
from common import describe_machine, find_data, print_table, read_rows, time_call
from rivals import make_tfidf
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    f1_score,
    mean_absolute_error,
)

from skreviews import make_review_pipeline

HEADER = ["data", "model", "accuracy", "macro-F1", "QWK", "MAE", "fit, s"]
STARS = ["app_reviews"]  # their labels are ordered


def make_models(data, seeds):
    """Return the models to fit: name, then one estimator for each seed."""
    models = {
        "make_review_pipeline()": [make_review_pipeline(random_state=s) for s in seeds]
    }
    if data == "app_reviews":
        models['resample="passthrough"'] = [
            make_review_pipeline(random_state=s, resample="passthrough") for s in seeds
        ]
    models["TF-IDF + LogisticRegression"] = [make_tfidf()]
    return models


def score(y_true, y_pred, ordered):
    scores = [accuracy_score(y_true, y_pred), f1_score(y_true, y_pred, average="macro")]
    if not ordered:
        return [*scores, np.nan, np.nan]
    kappa = cohen_kappa_score(y_true, y_pred, weights="quadratic")
    return [*scores, kappa, mean_absolute_error(y_true, y_pred)]


def measure(model, data, n_rows):
    """Fit and score one model; return the scores and the seconds of the fit."""
    X_train, y_train = read_rows(f"{data}_train", n_rows)
    seconds = time_call(model.fit, X_train, y_train)
    X_test, y_test = read_rows(f"{data}_test", n_rows)
    return [*score(y_test, model.predict(X_test), data in STARS), seconds]


def format_row(data, name, runs):
    *scores, seconds = np.mean(runs, axis=0)
    cells = ["" if np.isnan(value) else f"{value:.3f}" for value in scores]
    return [data, name, *cells, f"{seconds:.1f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    choices = ["app_reviews", "imdb", "trec"]
    parser.add_argument("--data", nargs="+", choices=choices, default=choices)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)  # a quick trial
    args = parser.parse_args()
    find_data()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(describe_machine("torch", "skorch", "scikit-learn", "imbalanced-learn"))
    print(f"Device {device}; seeds {', '.join(map(str, args.seeds))}.\n")
    rows = []
    for data in args.data:
        for name, models in make_models(data, args.seeds).items():
            runs = [measure(model, data, args.rows) for model in models]
            rows.append(format_row(data, name, runs))
            print(*rows[-1], sep="  ", file=sys.stderr)
    print_table(HEADER, rows, n_names=2)


if __name__ == "__main__":
    main()
