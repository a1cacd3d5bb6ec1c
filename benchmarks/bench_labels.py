"""Flipped labels found by `label_report`.

The rows are training rows of app_reviews. Labels that were wrong before count against
the report.
"""

import argparse

import numpy as np
import torch
from common import describe_machine, print_table, read_rows, time_call
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skreviews import label_report, make_review_pipeline

MODELS = {
    "pipeline": lambda: make_review_pipeline(
        device="cpu", random_state=0, resample="passthrough"
    ),
    "TF-IDF": lambda: make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10, max_iter=1000),
    ),
}
DEPTHS = (100, 500, 1000)


def flip(y, share, seed):
    """Return the labels with a share of them flipped, and a mask of these."""
    random_state = np.random.default_rng(seed)
    classes, codes = np.unique(y, return_inverse=True)
    is_flipped = np.zeros(len(y), dtype=bool)
    is_flipped[random_state.choice(len(y), round(share * len(y)), replace=False)] = True
    steps = random_state.integers(1, len(classes), size=len(y))
    codes = np.where(is_flipped, (codes + steps) % len(classes), codes)
    return classes[codes], is_flipped


def measure(model, X, y, is_flipped, cv):
    """Return the cells of a model: rows listed, recall, precision at each depth."""
    reports = []
    seconds = time_call(
        lambda: reports.append(label_report(MODELS[model](), X, y, cv=cv))
    )
    is_right = is_flipped[reports[0]["row"]]
    cells = [f"{len(is_right):,}", f"{is_right.sum() / is_flipped.sum():.3f}"]
    for depth in DEPTHS:
        precision = is_right[:depth].mean()
        cells.append(f"{precision:.3f} ({precision / is_flipped.mean():.1f} x)")
    return [*cells, f"{seconds:.0f}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.05, help="of flipped labels")
    parser.add_argument("--cv", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    X, y = read_rows("app_reviews_train", args.rows)
    y, is_flipped = flip(y, args.share, args.seed)
    print(describe_machine("torch", "skorch"))
    print(
        f"{len(X):,} rows, {is_flipped.sum():,} labels flipped to any other (seed "
        f"{args.seed}), cv={args.cv}, {torch.get_num_threads()} threads.\n"
    )
    header = ["model", "listed", "recall"]
    header += [f"precision of top {depth}" for depth in DEPTHS]
    rows = [
        [model, *measure(model, X, y, is_flipped, args.cv)] for model in args.models
    ]
    print_table([*header, "s"], rows)


if __name__ == "__main__":
    main()
