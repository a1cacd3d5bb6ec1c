"""Losses and decisions for ordered labels, by cross-validation.

Only training rows are used.
"""

import argparse
from statistics import mean

import numpy as np
import torch
from common import (
    FOLDS,
    describe_machine,
    format_scores,
    print_table,
    score_labels,
    split_folds,
    time_call,
)
from torch import nn
from torch.nn.functional import cross_entropy, logsigmoid

from skreviews import make_review_pipeline
from skreviews.metrics import within_one_accuracy

# ---- Losses of each row, from logits of shape (rows, classes) and codes


def entropy(logits, y):
    return cross_entropy(logits, y, reduction="none")


def squared_distance(logits, y):
    """Squared earth mover's distance (Hou, Yu, Samaras 2016), or ranked probability
    score."""
    below = logits.softmax(1).cumsum(1)[:, :-1]
    return (below - is_below(logits, y).float()).square().sum(1)


def cumulative_entropy(logits, y):
    """Cross-entropy of the events that the label is at most each class."""
    total = logits.logsumexp(1, keepdim=True)
    below = logits.logcumsumexp(1)[:, :-1] - total
    above = logits.flip(1).logcumsumexp(1).flip(1)[:, 1:] - total
    return -torch.where(is_below(logits, y), below, above).sum(1)


def squared_distance_and_entropy(logits, y):
    return squared_distance(logits, y) + entropy(logits, y)


def corn(logits, y):
    """CORN (Shi, Cao, Raschka 2021): conditional probabilities of exceeding a class."""
    past = logits[:, -1:] - logits[:, :-1]
    places = torch.arange(past.shape[1])
    asked, passed = places <= y[:, None], places < y[:, None]
    return -(asked * logsigmoid(torch.where(passed, past, -past))).sum(1)


def to_corn(probabilities):
    """Return the probabilities of CORN from the softmax of its logits."""
    logits = torch.from_numpy(probabilities).double().log()
    past = logits[:, -1:] - logits[:, :-1]
    none, first = torch.zeros(len(past), 1), logsigmoid(past).cumsum(1)
    come = torch.cat([none, first], 1)
    stop = torch.cat([logsigmoid(-past), none], 1)
    return (come + stop).exp().numpy()


def is_below(logits, y):
    return y[:, None] <= torch.arange(logits.shape[1] - 1)


LOSSES = {
    "cross-entropy": entropy,
    "CORN": corn,
    "cumulative cross-entropy": cumulative_entropy,
    "squared distance": squared_distance,
    "squared distance + cross-entropy": squared_distance_and_entropy,
}


class Criterion(nn.Module):
    def __init__(self, loss, reduction):
        super().__init__()
        self.loss = LOSSES[loss]  # the net passes reduction="none"

    def forward(self, logits, y):
        return self.loss(logits, y)


# ---- Decisions


def decide(probabilities):
    """Return the codes by the name of the decision."""
    sums = probabilities.cumsum(axis=1)
    codes = np.arange(probabilities.shape[1])
    return {
        "mode": probabilities.argmax(axis=1),
        "median": (sums < sums[:, -1:] / 2).sum(axis=1),
        "mean, rounded": np.rint(probabilities @ codes).astype(int),
    }


# ---- Measurement


def measure(name, losses, seed, n_rows):
    """Return the scores of each fold by loss and decision, and the seconds by loss."""
    scores, seconds = {}, {}
    for X, y, X_valid, y_valid in split_folds(name, n_rows):
        # Class weights would shift the probabilities that the median uses.
        pipe = make_review_pipeline(
            device="cpu",
            random_state=seed,
            resample="passthrough",
            lstm__class_weight=None,
        )
        ids = pipe[:-1].fit_transform(X, y)
        valid_ids = pipe[:-1].transform(X_valid)
        for loss in losses:
            params = {"criterion": Criterion, "criterion__loss": loss}
            classifier = pipe["lstm"].set_params(net_params=params)
            seconds.setdefault(loss, []).append(time_call(classifier.fit, ids, y))
            probabilities = classifier.predict_proba(valid_ids).astype(np.float64)
            if loss == "CORN":
                probabilities = to_corn(probabilities)
            for decision, found in decide(probabilities).items():
                found = classifier.classes_[found]
                run = score_labels(y_valid, found)
                run["within one"] = within_one_accuracy(y_valid, found)
                scores.setdefault((loss, decision), []).append(run)
    return scores, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=FOLDS, default=list(FOLDS))
    parser.add_argument("--losses", nargs="+", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)  # for a quick trial
    args = parser.parse_args()
    print(describe_machine("torch", "skorch"))
    print(
        f"{torch.get_num_threads()} threads; seed {args.seed}; mean and standard "
        "deviation over the folds.\n"
    )
    rows = []
    for name in args.data:
        scores, seconds = measure(name, args.losses, args.seed, args.rows)
        for (loss, decision), runs in scores.items():
            cells = [*format_scores(runs), f"{mean(seconds[loss]):.0f}"]
            rows.append([name, loss, decision, *cells])
    print_table(["data", "loss", "decision", *runs[0], "fit, s"], rows, n_names=3)


if __name__ == "__main__":
    main()
