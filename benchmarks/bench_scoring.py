"""Speed of prediction, beside the bare net, Keras, TF-IDF and fastText.

First table: IMDb reviews, from raw texts and from token ids, on the CPU with the same
number of threads, in turns; each row is the median of its runs. Second table:
milliseconds for one short review at a time.
"""

import argparse
from functools import partial

import numpy as np
import torch
from common import (
    describe_machine,
    find_data,
    median_in_turns,
    print_speeds,
    print_table,
    read_rows,
    time_call,
)
from rival_tfidf import make_tfidf
from rivals import (
    SIZE,
    Floor,
    find_precisions,
    make_classifier,
    make_sorted_batches,
    make_text_path,
    make_variants,
    name_floor,
)
from worker import start_workers

from skreviews import TextCleaner, make_review_pipeline

TFIDF = "TF-IDF"
RIVALS = ("Keras", TFIDF, "fastText")

BATCH_SIZES = (32, 64, 128, 256)  # tried for the bare net
SHORT_REVIEWS = 300


def make_cases(train, y, test):
    """Return the cases of this process by name and kind of input."""
    cases = {}
    for name, params in make_variants().items():
        pipeline = fit_pipeline(train, y, SIZE["max_len"], **params)
        ids = make_ids(pipeline, test)
        cases[name, "texts"] = partial(time_call, pipeline.predict, test)
        cases[name, "ids"] = partial(time_call, pipeline["lstm"].predict, ids)
    pipeline = fit_pipeline(train, y, SIZE["max_len"])
    for precision in find_precisions():
        floor = Floor(pipeline["lstm"].net_.module_, precision)
        batches = find_batches(floor, make_ids(pipeline, test))
        predict = partial(time_call, floor.predict, batches)
        make = partial(time_call, make_ids, pipeline, test)
        cases[name_floor(precision), "ids"] = predict
        cases[name_floor(precision), "texts"] = partial(add_seconds, make, predict)
    tfidf = make_tfidf().fit(train, y)
    cases[TFIDF, "texts"] = partial(time_call, tfidf.predict, test)
    return cases


def make_worker_cases(workers, train, y, test):
    """Return the cases of other environments by name and kind of input."""
    arguments = {
        "train": train.tolist(),
        "test": test.tolist(),
        "n_threads": torch.get_num_threads(),
    }
    if "Keras" in workers:
        variant = workers["Keras"].ask("prepare_predict", **arguments, size=SIZE)
        print(f"Keras with {variant}, the fastest in a trial.")
    if "fastText" in workers:
        workers["fastText"].ask("prepare", **arguments, y=y.tolist())
        workers["fastText"].ask("fit")
    return {
        (name, "texts"): partial(worker.ask, "predict")
        for name, worker in workers.items()
    }


def fit_pipeline(texts, y, max_len="auto", **params):
    """Return a pipeline fitted for one epoch, as the weights do not matter."""
    pipeline = make_review_pipeline(
        clean=TextCleaner(),  # as for the rivals
        vectorize__stemmer=None,
        resample="passthrough",
        vectorize__max_len=max_len,
        vectorize__max_features=SIZE["n_words"],
        lstm=make_classifier(**params),
    )
    return pipeline.fit(texts, y)


def make_ids(pipeline, texts):
    return pipeline["vectorize"].transform(pipeline["clean"].transform(texts))


def find_batches(floor, ids):
    """Return prepared batches of the size that is fastest in a trial."""
    choices = {size: make_sorted_batches(ids, size) for size in BATCH_SIZES}
    trials = {
        size: partial(time_call, floor.predict, batches)
        for size, batches in choices.items()
    }
    median_in_turns(trials, 1)  # warm up
    seconds = median_in_turns(trials, 3)
    return choices[min(seconds, key=seconds.get)]


def add_seconds(*cases):
    return sum(case() for case in cases)


def measure_single(n_train):
    """Return the rows of the table for one review at a time."""
    texts, y = read_rows("app_reviews_train", n_train)
    pipeline = fit_pipeline(texts, y)
    floor = Floor(pipeline["lstm"].net_.module_)
    seconds = []
    for text in read_rows("app_reviews_test", SHORT_REVIEWS)[0]:
        batches = make_sorted_batches(make_ids(pipeline, [text]), 1)
        for _ in range(2):  # the first is a warm-up
            timed = [
                time_call(pipeline.predict, [text]),
                time_call(make_ids, pipeline, [text]),
                time_call(floor.predict, batches),
            ]
        seconds.append([*timed, timed[1] + timed[2]])
    middle, high = np.quantile(seconds, [0.5, 0.95], axis=0) * 1000
    names = ["skreviews", "text path", "bare net, fp32", "text path + bare net"]
    return [
        [name, f"{middle[i]:.2f}", f"{high[i]:.2f}", f"{middle[-1] / middle[i]:.2f}"]
        for i, name in enumerate(names)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="runs (default: 5)")
    parser.add_argument("--rows", type=int, default=2000, help="(default: 2,000)")
    parser.add_argument(
        "--train-rows", type=int, default=1000, help="to fit on (default: 1,000)"
    )
    args = parser.parse_args()
    find_data()
    print(describe_machine("torch", "skorch", "scikit-learn"))
    workers, skipped = start_workers()
    train, y = read_rows("imdb_train", args.train_rows)
    test, _ = read_rows("imdb_test", args.rows)
    n_tokens = np.count_nonzero(make_text_path(train)(test))
    print(
        f"imdb_test: {len(test):,} reviews of {n_tokens / len(test):.0f} tokens; "
        f"{torch.get_num_threads()} threads; median of {args.repeats} runs."
    )
    cases = make_cases(train, y, test)
    cases |= make_worker_cases(workers, train, y, test)
    median_in_turns(cases, 1)  # warm up
    seconds = median_in_turns(cases, args.repeats)
    rivals = [*map(name_floor, find_precisions()), *RIVALS]
    print()
    print_speeds("predict", seconds, len(test), n_tokens, rivals, skipped)

    print()
    header = ["one review", "median, ms", "95 %, ms", "x text path + bare net"]
    print_table(header, measure_single(args.train_rows))


if __name__ == "__main__":
    main()
