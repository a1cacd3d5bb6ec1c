"""Memory and time of fitting and predicting as the reviews grow, and of the imports.

Each figure comes from a fresh process that reports its own peak of resident memory
(`ru_maxrss`). The reviews are those of `make_reviews`, so that no data is needed.
"""

import argparse
import sys
from statistics import median

from common import call_fresh, describe_machine, find_peak, print_table, time_call

SIZES = (10_000, 100_000, 1_000_000)
PREDICT = "predict"
# The parameters of the pipeline for each job.
JOBS = {
    "fit": {},
    'fit, resample="passthrough"': {"resample": "passthrough"},
    PREDICT: {"resample": "passthrough"},
}
PREDICT_TRAIN_ROWS = 2000  # few, so that the peak is that of predict

IMPORTS = (
    "import sklearn",
    "import skreviews",
    "from skreviews import TextCleaner, SequenceVectorizer",
    "import torch",
    "from skreviews import make_review_pipeline",
)
IMPORT_RUNS = 7


def report_job(job, n_rows, hidden_size):
    """Return the seconds of a job, and the peaks after imports, before it, after it.

    Runs in a fresh process, as `report_import` does.
    """
    from skreviews import make_review_pipeline
    from skreviews.datasets import make_reviews

    peaks = [find_peak()]
    params = {"lstm__max_epochs": 1, "lstm__hidden_size": hidden_size, **JOBS[job]}
    pipeline = make_review_pipeline(device="cpu", random_state=0, **params)
    texts, y = make_reviews(n_rows, random_state=0)
    call = [pipeline.fit, texts, y]
    if job == PREDICT:
        pipeline.fit(texts[:PREDICT_TRAIN_ROWS], y[:PREDICT_TRAIN_ROWS])
        call = [pipeline.predict, texts]
    peaks.append(find_peak())
    seconds = time_call(*call)
    return seconds, *peaks, find_peak()


def report_import(statement):
    """Return the seconds, the peak, and whether torch came along."""
    return time_call(exec, statement), find_peak(), "torch" in sys.modules


def measure_jobs(sizes, hidden_size):
    rows = []
    for job in JOBS:
        smaller, less = None, None
        for n_rows in sizes:
            seconds, imports, before, after = call_fresh(
                report_job, job, n_rows, hidden_size
            )
            slope = "" if smaller is None else (after - less) / (n_rows - smaller)
            smaller, less = n_rows, after
            rows.append(
                [
                    job,
                    f"{n_rows:,}",
                    f"{(before - imports) / 1e6:,.0f}",
                    f"{(after - imports) / 1e6:,.0f}",
                    f"{(after - imports) / n_rows:,.0f}",
                    slope and f"{slope:,.0f}",
                    f"{1000 * seconds / n_rows:.2f}",
                ]
            )
            print(*rows[-1], sep="  ", file=sys.stderr)
    return rows


def measure_imports():
    runs = {statement: [] for statement in IMPORTS}
    for _ in range(IMPORT_RUNS):
        for statement in IMPORTS:
            runs[statement].append(call_fresh(report_import, statement))
    seconds = {
        statement: median(run[0] for run in runs[statement]) for statement in IMPORTS
    }
    rows = []
    for statement in IMPORTS:
        _, peak, with_torch = runs[statement][0]
        rows.append(
            [
                f"`{statement}`",
                f"{1000 * seconds[statement]:,.1f}",
                f"{seconds[statement] / seconds[IMPORTS[0]]:.2g}",
                f"{peak / 1e6:,.0f}",
                "yes" if with_torch else "no",
            ]
        )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument(
        "--hidden-size", type=int, default=16, help="of the LSTM (default: 16)"
    )
    args = parser.parse_args()
    packages = ["torch", "skorch", "scikit-learn", "pyarrow", "numpy"]
    print(call_fresh(describe_machine, *packages))
    print(
        f"One epoch; a hidden size of {args.hidden_size}, where the default is 100: "
        "the seconds hang on\nit, the memory of the data does not.\n"
    )
    header = ["call", "reviews", "before it, MB", "peak, MB", "bytes/review"]
    header += ["bytes/further review", "s/1,000 reviews"]
    print_table(header, measure_jobs(sorted(args.sizes), args.hidden_size))
    print()
    header = ["fresh process", "ms", f"x {IMPORTS[0]}", "peak, MB", "imports torch"]
    print_table(header, measure_imports())


if __name__ == "__main__":
    main()
