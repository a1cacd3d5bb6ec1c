"""What texts without labels are worth: few labelled IMDb reviews, with and without.

A stratified sample of the training part keeps its labels. The pipeline learns from
these alone, and from the texts of the rest as well, with `pretrain`. `--cv` scores
within the labelled rows, for all that is to be chosen; without it the test part is
scored.
"""

import argparse
import sys
from time import perf_counter

import numpy as np
import torch
from common import describe_machine, print_table, read_rows
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold, train_test_split

from skreviews import make_review_pipeline, pretrain

HEADER = ["learned from", "seed", "accuracy", "log loss", "pretrain, min", "fit, min"]


def sample(n_labelled, n_unlabelled, seed):
    """Return the labelled texts, their labels, and the other texts."""
    X, y = read_rows("imdb_train")
    few, rest = train_test_split(
        np.arange(len(X)), train_size=n_labelled, stratify=y, random_state=seed
    )
    return X[few], y[few], X[rest[:n_unlabelled]]


def make_pipelines(unlabelled, seed, max_epochs):
    """Return pipelines by name, each with the minutes that it took to pretrain."""
    alone = make_review_pipeline(device="cpu", random_state=seed)
    start = perf_counter()
    started = pretrain(unlabelled, alone, max_epochs=max_epochs)
    minutes = (perf_counter() - start) / 60
    print(started["lstm"].pretrained.losses, file=sys.stderr)
    return {"labelled": (alone, 0), "unlabelled, then labelled": (started, minutes)}


def score(pipeline, X_train, y_train, X_test, y_test):
    """Return accuracy, log loss, and the minutes of the fit."""
    start = perf_counter()
    pipeline.fit(X_train, y_train)
    minutes = (perf_counter() - start) / 60
    probabilities = pipeline.predict_proba(X_test).astype(np.float64)
    predicted = pipeline.classes_[probabilities.argmax(axis=1)]
    loss = log_loss(y_test, probabilities, labels=pipeline.classes_)
    return accuracy_score(y_test, predicted), loss, minutes


def cross_validate(pipeline, X, y, n_folds):
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0).split(X, y)
    return np.mean([score(pipeline, X[a], y[a], X[b], y[b]) for a, b in folds], axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--labelled", type=int, default=1000)
    parser.add_argument("--rows", type=int, help="number of unlabelled texts")
    parser.add_argument("--test-rows", type=int, help="a fixed sample of so many")
    parser.add_argument("--epochs", type=int, default=2, help="of pretraining")
    parser.add_argument(
        "--cv", type=int, help="folds within the labelled rows, in place of the test"
    )
    args = parser.parse_args()
    rows = []
    for seed in args.seeds:
        X, y, unlabelled = sample(args.labelled, args.rows, seed)
        pipelines = make_pipelines(unlabelled, seed, args.epochs)
        for name, (pipeline, minutes) in pipelines.items():
            if args.cv:
                accuracy, loss, fit = cross_validate(pipeline, X, y, args.cv)
            else:
                test = read_rows("imdb_test", args.test_rows)
                accuracy, loss, fit = score(pipeline, X, y, *test)
            cells = [f"{accuracy:.3f}", f"{loss:.3f}", f"{minutes:.1f}", f"{fit:.1f}"]
            rows.append([name, str(seed), *cells])
            print(*rows[-1], sep="  ", file=sys.stderr)
    where = f"{args.cv} folds of these" if args.cv else f"{len(test[0])} test reviews"
    print(describe_machine("torch"))
    print(
        f"{torch.get_num_threads()} threads; {len(X)} labelled and {len(unlabelled)} "
        f"unlabelled texts; scored on {where}; {args.epochs} epochs of pretraining.\n"
    )
    print_table(HEADER, rows, n_names=2)


if __name__ == "__main__":
    main()
