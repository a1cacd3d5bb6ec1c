"""Speed of training, beside the bare net, skorch, Keras, TF-IDF and fastText.

First table: one epoch over the same random IMDb reviews, on the CPU with the same
number of threads, in turns; each row is the median of its runs. Two more tables show
the overhead on short texts, and what limits the bare net.
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
    BATCH_SIZE,
    EMBEDDING_DIM,
    HIDDEN_SIZE,
    SIZE,
    Floor,
    count_stems,
    find_precisions,
    fit_by_hand,
    make_batches,
    make_classifier,
    make_skorch,
    make_text_path,
    make_variants,
    name_floor,
)
from torch.profiler import ProfilerActivity, profile
from worker import start_workers

from skreviews import TextCleaner, make_review_pipeline
from skreviews.neural_network import LSTMModule

PLAIN_FLOOR = "bare net, fp32, as it is written"
SKORCH = "plain skorch"
BY_HAND = "by hand"
TFIDF = "TF-IDF"
RIVALS = (SKORCH, "Keras", BY_HAND, TFIDF, "fastText")

WARM_UP_ROWS = 2 * BATCH_SIZE
SHORT_EPOCHS = 5
PROFILED_STEPS = 8
# Names of torch's profiler for the parts, forward and backward.
BACKWARD = "autograd::engine::evaluate_function: "
PARTS = {
    "LSTM": ["aten::lstm", BACKWARD + "MkldnnRnnLayerBackward0"],
    "embedding": ["aten::embedding", BACKWARD + "EmbeddingBackward0"],
    "optimizer": ["Optimizer.step#Adam.step", "Optimizer.zero_grad#Adam.zero_grad"],
}


def make_cases(texts, ids, y, n_stems):
    """Return the cases of this process by name and kind of input."""
    n_tokens = len(ids.words) + 2
    plain_ids = np.asarray(ids, dtype=np.int64)
    pipeline = make_review_pipeline(
        clean=TextCleaner(),  # as for the rivals
        vectorize__stemmer=None,
        resample="passthrough",
        vectorize__max_len=SIZE["max_len"],
        vectorize__max_features=SIZE["n_words"],
        lstm=make_classifier(),
    )
    cases = {}
    for name, params in make_variants().items():
        classifier = make_classifier(**params)
        cases[name, "ids"] = partial(time_call, classifier.fit, ids, y)
    for precision in find_precisions():
        floor = Floor(LSTMModule(n_tokens, 2), precision)
        cases[name_floor(precision), "ids"] = partial(floor.time_fit, ids, y)
    floor = Floor(LSTMModule(n_tokens, 2), keep_memory=False)
    cases[PLAIN_FLOOR, "ids"] = partial(floor.time_fit, ids, y)
    net = make_skorch(n_tokens, 2)
    cases[SKORCH, "ids"] = partial(time_call, net.fit, plain_ids, y)
    cases["skreviews", "texts"] = partial(time_call, pipeline.fit, texts, y)
    cases[BY_HAND, "texts"] = partial(time_call, fit_by_hand, texts, y, n_stems)
    cases[TFIDF, "texts"] = partial(time_call, make_tfidf().fit, texts, y)
    return cases


def make_worker_cases(workers, texts, ids, y):
    """Return the cases of other environments by name and kind of input."""
    cases = {}
    arguments = {"y": y.tolist(), "n_threads": torch.get_num_threads()}
    if keras := workers.get("Keras"):
        n_tokens = len(ids.words) + 2
        variant = keras.ask(
            "prepare_fit", ids=ids.tolist(), n_tokens=n_tokens, size=SIZE, **arguments
        )
        print(f"Keras with {variant}, the faster in a trial.")
        cases["Keras", "ids"] = partial(keras.ask, "fit")
    if fasttext := workers.get("fastText"):
        fasttext.ask("prepare", train=texts.tolist(), **arguments)
        cases["fastText", "texts"] = partial(fasttext.ask, "fit")
    return cases


def measure_short(repeats):
    """Return the row on the overhead of fit over the bare net on short texts."""
    texts, y = read_rows("trec_train")
    y = np.unique(y, return_inverse=True)[1]
    ids = make_text_path(texts)(texts)
    floor = Floor(LSTMModule(len(ids.words) + 2, 6))
    classifier = make_classifier(
        max_epochs=SHORT_EPOCHS,
        precision="fp32",
        word_vectors=None,
        net_params={"adversarial": 0.0},  # as the bare net
    )
    cases = {
        "fit": partial(time_call, classifier.fit, ids, y),
        "floor": partial(floor.time_fit, ids, y, SHORT_EPOCHS),
    }
    median_in_turns(cases, 1)  # warm up
    seconds = median_in_turns(cases, repeats)
    n_steps = SHORT_EPOCHS * -(-len(ids) // BATCH_SIZE)
    milliseconds = {name: 1000 * value / n_steps for name, value in seconds.items()}
    return [
        f"trec_train, {np.count_nonzero(ids) / len(ids):.0f} tokens a row",
        f"{n_steps}",
        f"{milliseconds['fit']:.2f}",
        f"{milliseconds['floor']:.2f}",
        f"{1 - seconds['floor'] / seconds['fit']:.0%}",
    ]


def measure_limits(ids, y, precision):
    """Return a row with the rates and shares of the bare net."""
    floor = Floor(LSTMModule(len(ids.words) + 2, 2), precision)
    batches = make_batches(ids, y)[:PROFILED_STEPS]
    floor.train(batches)
    seconds = time_call(floor.train, batches)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        floor.train(batches)
    shares = share_out(profiler.key_averages())
    flops = sum(count_flops(batch.numel()) for batch, _ in batches)
    n_inputs = EMBEDDING_DIM + HIDDEN_SIZE
    small = measure_product(BATCH_SIZE, n_inputs, 4 * HIDDEN_SIZE, precision)
    large = measure_product(2048, 2048, 2048, precision)
    rates = [flops / seconds, flops / seconds / shares["LSTM"], small, large]
    return [
        precision,
        *(f"{rate / 1e9:.0f}" for rate in rates),
        *(f"{share:.0%}" for share in shares.values()),
    ]


def count_flops(n_tokens):
    """Return the operations of the LSTM, with a backward pass of twice the forward."""
    return 3 * 2 * 8 * HIDDEN_SIZE * (EMBEDDING_DIM + HIDDEN_SIZE) * n_tokens


def share_out(events):
    """Return the share of time of each part."""
    total = sum(event.self_cpu_time_total for event in events)
    times = {event.key: event.cpu_time_total for event in events}
    shares = {
        part: sum(times.get(name, 0) for name in PARTS[part]) / total for part in PARTS
    }
    return shares | {"rest": 1 - sum(shares.values())}


def measure_product(n_rows, n_inner, n_columns, precision):
    """Return the operations per second of a matrix product, the best of many runs."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    left = torch.randn(n_rows, n_inner).to(dtype)
    right = torch.randn(n_inner, n_columns).to(dtype)
    out = left @ right
    flops = 2 * n_rows * n_inner * n_columns
    n_calls = max(1, int(1e9 / flops))

    def multiply():
        for _ in range(n_calls):
            torch.mm(left, right, out=out)

    return flops * n_calls / min(time_call(multiply) for _ in range(10))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="runs (default: 3)")
    parser.add_argument("--rows", type=int, default=2000, help="(default: 2,000)")
    args = parser.parse_args()
    find_data()
    print(describe_machine("torch", "skorch", "scikit-learn", "nltk"))
    workers, skipped = start_workers()
    texts, y = read_rows("imdb_train", args.rows)
    all_texts, _ = read_rows("imdb_train")
    ids = make_text_path(all_texts)(texts)
    n_tokens = np.count_nonzero(ids)
    print(
        f"imdb_train: {len(ids):,} reviews of {n_tokens / len(ids):.0f} tokens; "
        f"{torch.get_num_threads()} threads; median of {args.repeats} runs."
    )
    n_stems = count_stems(all_texts)
    few = slice(WARM_UP_ROWS)
    median_in_turns(make_cases(texts[few], ids[few], y[few], n_stems), 1)
    cases = make_cases(texts, ids, y, n_stems)
    cases |= make_worker_cases(workers, texts, ids, y)
    seconds = median_in_turns(cases, args.repeats)
    rivals = [*map(name_floor, find_precisions()), *RIVALS]
    print()
    print_speeds("one epoch", seconds, len(ids), n_tokens, rivals, skipped)

    print()
    header = ["short texts", "steps", "fit, ms/step", "bare net, ms/step", "overhead"]
    print_table(header, [measure_short(args.repeats)])

    print()
    header = ["GFLOP/s", "whole step", "its LSTM", "product 64", "product 2048"]
    limits = [measure_limits(ids, y, precision) for precision in find_precisions()]
    print_table([*header, *PARTS, "rest"], limits)


if __name__ == "__main__":
    main()
