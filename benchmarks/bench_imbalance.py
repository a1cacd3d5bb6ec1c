"""Methods for rare classes: samplers, weights and a loss, by cross-validation.

Only training rows are used. Each method is scored with both decisions.
"""

import argparse
import sys
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

from skreviews import make_review_pipeline
from skreviews.decision import DECISIONS, decide

NOTHING = "nothing"
# Factor of the log class shares that is subtracted from the log probabilities.
ADJUSTMENTS = {"logit adjustment, tau=0.5": 0.5, "logit adjustment, tau=1": 1.0}


class FocalLoss(nn.Module):
    """Focal loss: cross-entropy that weighs confident rows less (Lin et al. 2017)."""

    def __init__(self, reduction, gamma=2.0):
        super().__init__()
        self.gamma = gamma  # the net passes reduction="none"

    def forward(self, logits, y):
        logs = logits.log_softmax(1).gather(1, y[:, None]).squeeze(1)
        return -((1 - logs.exp()) ** self.gamma) * logs


def make_methods():
    """Return the parameters of the pipeline by method."""
    methods = {
        NOTHING: {},
        "balanced weights": {"lstm__class_weight": "balanced"},
        "sqrt weights": {"lstm__class_weight": "sqrt"},
        "focal loss": {"lstm__net_params": {"criterion": FocalLoss}},
        "sqrt": {"resample__sampling_strategy": "sqrt"},
        "hybrid": {"resample__sampling_strategy": "hybrid"},
    }
    return {
        name: {"lstm__class_weight": None} | params for name, params in methods.items()
    }


def adjust(probabilities, y, tau):
    """Return probabilities as if the classes had been less uneven, or even for tau=1.

    Menon et al. 2021, after the fit. They sum to anything; no decision minds.
    """
    _, counts = np.unique(y, return_counts=True)
    return probabilities / counts**tau


def measure(name, seed, n_rows):
    """Return the scores of each fold by method and decision, and seconds by method."""
    scores, seconds = {}, {}
    for X, y, X_valid, y_valid in split_folds(name, n_rows):
        for method, params in make_methods().items():
            pipe = make_review_pipeline(device="cpu", random_state=seed, **params)
            seconds.setdefault(method, []).append(time_call(pipe.fit, X, y))
            probabilities = pipe.predict_proba(X_valid).astype(np.float64)
            variants = {method: probabilities}
            if method == NOTHING:
                for adjustment, tau in ADJUSTMENTS.items():
                    variants[adjustment] = adjust(probabilities, y, tau)
            for variant, values in variants.items():
                for decision in DECISIONS:
                    found = decide(values, pipe.classes_, decision)
                    run = score_labels(y_valid, found)
                    scores.setdefault((variant, decision), []).append(run)
            print(f"{name}  {method}  {seconds[method][-1]:.1f} s", file=sys.stderr)
    return scores, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    choices = [name for name in FOLDS if name != "sst5"]  # its classes are balanced
    parser.add_argument("--data", nargs="+", choices=FOLDS, default=choices)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)  # for a quick trial
    args = parser.parse_args()
    print(describe_machine("torch", "skorch", "imbalanced-learn"))
    print(
        f"{torch.get_num_threads()} threads; seed {args.seed}; mean and standard "
        "deviation over the folds.\n"
    )
    rows = []
    for name in args.data:
        scores, seconds = measure(name, args.seed, args.rows)
        for (method, decision), runs in scores.items():
            time = f"{mean(seconds[method]):.0f}" if method in seconds else ""
            rows.append([name, method, decision, *format_scores(runs), time])
    print_table(["data", "method", "decision", *runs[0], "fit, s"], rows, n_names=3)


if __name__ == "__main__":
    main()
