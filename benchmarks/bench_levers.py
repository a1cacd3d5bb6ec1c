"""Cost in accuracy and gain in time of each means of speed.

The same network is trained on the same rows and seeds: in a plain loop without any of
them, with the defaults, and with one more.
"""

import argparse
from functools import partial
from statistics import mean, stdev
from time import perf_counter

import numpy as np
import torch
from common import describe_machine, print_table, read_rows
from sklearn.preprocessing import LabelEncoder
from torch import nn

from skreviews import LSTMClassifier, SequenceVectorizer, TextCleaner
from skreviews.neural_network import LSTMModule
from skreviews.neural_network._callbacks import make_schedule
from skreviews.neural_network._precision import find_precision

BATCH_SIZE = 64
LR = 2e-3
OFF = "all off"
LEVERS = ("default", "lazy_adam", "bf16")


def make_cases(levers):
    """Return fit functions by name; each returns a predict function."""
    cases = {
        "default": fit_classifier,
        "lazy_adam": partial(fit_classifier, net_params={"module__sparse": True}),
        "bf16": partial(fit_classifier, precision="bf16"),
    }
    cases = {OFF: fit_by_hand} | {lever: cases[lever] for lever in levers}
    try:
        find_precision("bf16", torch.device("cpu"))
    except ValueError as reason:
        if cases.pop("bf16", None):
            print(f"Without bf16: {reason}")
    return cases


def fit_by_hand(X, y, seed, max_epochs):
    """Train on random batches, padded to their longest row, in fp32."""
    torch.manual_seed(seed)
    recipe = make_schedule(max_epochs, n_batches=-(-len(X) // BATCH_SIZE))
    module = LSTMModule(len(X.words) + 2, int(y.max()) + 1).train()
    optimizer = torch.optim.Adam(module.parameters(), lr=LR)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, recipe.lr_lambda)
    rows = np.asarray(X)
    for _ in range(max_epochs):
        for batch in torch.randperm(len(rows)).split(BATCH_SIZE):
            optimizer.zero_grad()
            outputs = module(pad(rows[batch]))
            nn.functional.cross_entropy(outputs, torch.from_numpy(y[batch])).backward()
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return partial(predict_by_hand, module.eval())


def predict_by_hand(module, X):
    with torch.inference_mode():
        batches = np.array_split(np.asarray(X), -(-len(X) // BATCH_SIZE))
        return np.concatenate([module(pad(rows)).argmax(1) for rows in batches])


def pad(rows):
    longest = max(1, np.count_nonzero(rows, axis=1).max())
    return torch.from_numpy(rows[:, :longest])


def fit_classifier(X, y, seed, max_epochs, precision="auto", net_params=None):
    return (
        LSTMClassifier(
            batch_size=BATCH_SIZE,
            max_epochs=max_epochs,
            lr=LR,
            device="cpu",
            precision=precision,
            net_params=net_params,
            random_state=seed,
        )
        .fit(X, y)
        .predict
    )


def read_ids(name):
    """Return ids and codes of the training rows and of the test rows."""
    cleaner, vectorizer, encoder = TextCleaner(), SequenceVectorizer(), LabelEncoder()
    texts, labels = read_rows(f"{name}_train")
    train = vectorizer.fit_transform(cleaner.transform(texts))
    codes = encoder.fit_transform(labels)
    texts, labels = read_rows(f"{name}_test")
    test = vectorizer.transform(cleaner.transform(texts))
    return train, codes, test, encoder.transform(labels)


def measure(cases, name, seeds, max_epochs):
    """Return the accuracies and the seconds of fit, each by case and seed."""
    train, codes, test, test_codes = read_ids(name)
    accuracies = {case: [] for case in cases}
    seconds = {case: [] for case in cases}
    for seed in seeds:
        for case, fit in cases.items():
            start = perf_counter()
            predict = fit(train, codes, seed, max_epochs)
            seconds[case].append(perf_counter() - start)
            accuracies[case].append(np.mean(predict(test) == test_codes))
    return accuracies, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["app_reviews", "imdb"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--levers", nargs="*", choices=LEVERS, default=LEVERS)
    parser.add_argument("--max-epochs", type=int, default=3)
    args = parser.parse_args()
    print(describe_machine("torch", "skorch"))
    print(f"{torch.get_num_threads()} threads, {args.max_epochs} epochs;")
    print(f"seeds {args.seeds}; points of accuracy on the test part.")
    cases = make_cases(args.levers)
    rows = []
    for name in args.data:
        accuracies, seconds = measure(cases, name, args.seeds, args.max_epochs)
        for case, values in accuracies.items():
            points = 100 * (mean(values) - mean(accuracies[OFF]))
            spread = stdev(values) if len(values) > 1 else 0
            faster = mean(seconds[OFF]) / mean(seconds[case])
            row = [f"{mean(values):.4f}", f"{spread:.4f}", f"{points:+.2f}"]
            row += [f"{mean(seconds[case]):.0f}", f"{faster:.2f}"]
            rows.append([name, case, *row])
    header = ["data", "levers", "accuracy", "spread", "points", "s", "times as fast"]
    print_table(header, rows, n_names=2)


if __name__ == "__main__":
    main()
