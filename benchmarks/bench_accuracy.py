"""Scores on the test parts, with time and memory, beside TF-IDF and fastText.

Each fit runs in a process of its own, which reports its peak memory.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import mean
from time import perf_counter

from common import (
    call_fresh,
    describe_machine,
    find_data,
    find_peak,
    format_scores,
    print_table,
    read_parts,
    score_labels,
)
from worker import start_workers

STARS = ("app_reviews", "review_data", "sst5")  # their labels are ordered
DATA = (*STARS, "imdb", "trec", "sms_spam", "long_movie_reviews")
NGRAMS_ALONE = "n-gram model alone"
PIPELINES = {
    "pipeline": {},
    "LSTM alone": {"lstm__ngrams": None},
    NGRAMS_ALONE: {},
    "unweighted": {"lstm__class_weight": None},
}
TFIDF = {"TF-IDF": {}, "TF-IDF, balanced": {"class_weight": "balanced"}}
FASTTEXT = "fastText"
MODELS = (*PIPELINES, *TFIDF, FASTTEXT)
FOR_STARS = ("unweighted",)
# On stars. Other data use the mode only.
DECISIONS = {
    "unweighted": ("mode", "median"),
    "TF-IDF": ("mode", "median"),
}
# Pairs of lr and epoch of fastText. The best on a fifth of the training rows is used.
SETTINGS = ((0.1, 5), (0.1, 25), (0.5, 5), (0.5, 25), (1.0, 5), (1.0, 25))
SCORES = ("accuracy", "macro-F1", "log loss", "QWK", "MAE", "macro MAE")


# ---- One run, in a fresh process


def measure(data, model, seed, n_rows):
    """Return the scores by decision, the seconds of fit and predict, and the peak."""
    # Start them first: on Linux the peak of a child starts at the memory of its parent.
    workers, _ = start_workers([FASTTEXT] if model == FASTTEXT else [])
    (X, y), (X_test, y_test) = read_parts(data, n_rows)
    if workers:
        found = run_fasttext(workers[FASTTEXT], seed, X, y, X_test)
    else:
        found = run_estimator(make_estimator(model, seed), X, y, X_test)
    classes, probabilities, fit, predict, peak = found

    from sklearn.metrics import log_loss

    from skreviews.decision import decide

    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    scores = {}
    for decision in find_decisions(data, model):
        labels = decide(probabilities, classes, decision)
        scores[decision] = score_labels(y_test, labels, data in STARS)
        scores[decision]["log loss"] = log_loss(y_test, probabilities, labels=classes)
    return {"scores": scores, "fit": fit, "predict": predict, "peak": peak}


def make_estimator(model, seed):
    if model in PIPELINES:
        from skreviews import NgramClassifier, make_review_pipeline

        pipeline = make_review_pipeline(random_state=seed, **PIPELINES[model])
        if model == NGRAMS_ALONE:
            pipeline.set_params(lstm=NgramClassifier(class_weight="sqrt"))
        return pipeline
    from rival_tfidf import make_tfidf

    return make_tfidf(**TFIDF[model])


def run_estimator(estimator, X, y, X_test):
    """Return classes, probabilities, seconds of fit and of predict, and the peak."""
    start = perf_counter()
    estimator.fit(X, y)
    fitted = perf_counter()
    probabilities = estimator.predict_proba(X_test).astype("float64")
    seconds = fitted - start, perf_counter() - fitted
    return estimator.classes_, probabilities, *seconds, find_peak()


def run_fasttext(worker, seed, X, y, X_test):
    """Return the same as `run_estimator`, for the best settings."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    classes, codes = np.unique(y, return_inverse=True)

    def prepare(train, y_train, test):
        texts = {"train": spell(train), "test": spell(test)}
        worker.ask("prepare", **texts, y=y_train.tolist(), n_threads=count_threads())

    def fit(lr, epoch):
        return worker.ask("fit", lr=lr, epoch=epoch)

    def predict_proba():
        return np.array(worker.ask("predict_proba", classes=classes.tolist()))

    def score(setting):
        fit(*setting)
        return np.mean(predict_proba().argmax(axis=1) == codes_valid)

    train, valid, codes_train, codes_valid = train_test_split(
        X, codes, test_size=0.2, stratify=codes, random_state=0
    )
    prepare(train, classes[codes_train], valid)
    best = max(SETTINGS, key=score)
    # fastText reads the rows in order and has little randomness of its own.
    order = np.random.default_rng(seed).permutation(len(X))
    prepare(X[order], y[order], X_test)
    seconds = fit(*best), worker.ask("predict")
    peak = worker.ask("find_peak")
    return classes, predict_proba(), *seconds, peak


def spell(texts):
    """Return the texts as fastText's tutorial prepares them."""
    import re

    return [re.sub(r"([.!?,'/()])", r" \1 ", text.lower()) for text in texts]


def count_threads():
    import torch

    return torch.get_num_threads()


def describe_torch():
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return f"Device {device}, {count_threads()} threads"


# ---- All runs, and the table of them


def find_decisions(data, model):
    return DECISIONS.get(model, ("mode",)) if data in STARS else ("mode",)


def list_runs(datasets, models, seeds, n_rows):
    """Return the arguments of `measure` for each run, by data and model."""
    runs = {}
    for data in datasets:
        for model in models:
            if data in STARS or model not in FOR_STARS:
                drawn = seeds[:1] if model in TFIDF else seeds  # no randomness
                runs[data, model] = [(data, model, seed, n_rows) for seed in drawn]
    return runs


def read_log(path):
    """Return the finished runs, by the arguments of `measure`."""
    if path is None or not path.exists():
        return {}
    lines = map(json.loads, path.read_text().splitlines())
    return {tuple(line.pop("run")): line for line in lines}


def finish(runs, path):
    """Return the results of all runs; run those that the log lacks."""
    results = read_log(path)
    for run in (run for same in runs.values() for run in same):
        if run in results:
            continue
        results[run] = call_fresh(measure, *run)
        line = json.dumps({"run": run} | results[run])
        print(line, file=sys.stderr)
        if path is not None:
            with path.open("a") as file:
                file.write(line + "\n")
    return results


def make_rows(data, model, results):
    """Return a row of the table for each decision."""
    costs = [mean(result["fit"] for result in results)]
    costs += [mean(result["predict"] for result in results)]
    costs = [f"{seconds:,.1f}" for seconds in costs]
    costs += [f"{mean(result['peak'] for result in results) / 1e6:,.0f}"]
    rows = []
    for decision in find_decisions(data, model):
        scores = [result["scores"][decision] for result in results]
        cells = dict(zip(scores[0], format_scores(scores), strict=True))
        cells = [cells.get(name, "") for name in SCORES]
        rows.append([data, model, decision, *cells, *costs])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument(
        "--log", type=Path, help="file of finished runs; those in it are not repeated"
    )
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)  # a quick trial
    args = parser.parse_args()
    find_data()
    packages = ["torch", "skorch", "scikit-learn", "imbalanced-learn"]
    print(call_fresh(describe_machine, *packages))
    workers, skipped = start_workers([FASTTEXT] if FASTTEXT in args.models else [])
    models = [name for name in args.models if name != FASTTEXT or workers]
    seeds = ", ".join(map(str, args.seeds))
    print(*skipped, f"{call_fresh(describe_torch)}; seeds {seeds}.\n", sep="\n")
    runs = list_runs(args.data, models, args.seeds, args.rows)
    results = finish(runs, args.log)
    rows = []
    for (data, model), same in runs.items():
        rows += make_rows(data, model, [results[run] for run in same])
    header = ["data", "model", "decision", *SCORES, "fit, s", "predict, s", "peak, MB"]
    print_table(header, rows, n_names=3)


if __name__ == "__main__":
    main()
