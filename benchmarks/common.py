"""Shared parts of the benchmarks: data, scores, clock, fresh processes, tables.

Only the standard library is imported at the top: rivals in other environments import
this file too, and bench_memory.py measures the imports of its own process.
"""

import json
import os
import platform
import subprocess
import sys
from contextlib import redirect_stdout
from importlib import import_module
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from statistics import mean, median, stdev
from time import perf_counter

# Without a split; the others have a training part and a test part.
WHOLE = ("review_data", "sms_spam", "long_movie_reviews")
# Data for choosing defaults -> number of folds, and how many of them are run. Folds are
# of training rows only. The bundled reviews have no test part.
FOLDS = {
    "app_reviews": (5, 2),
    "sst5": (3, 3),
    "review_data": (5, 5),
    "bundled": (3, 3),
}


def find_data():
    """Return the folder with the data, or exit with a message."""
    folder = os.environ.get("SKREVIEWS_DATA")
    if not folder:
        print("skipped: SKREVIEWS_DATA does not name the folder with the data")
        sys.exit(0)
    return Path(folder)


def read_rows(name, n_rows=None):
    """Return texts and labels, ndarrays; the same random rows in each run."""
    import pandas as pd

    return _to_arrays(pd.read_parquet(find_data() / f"{name}.parquet"), n_rows)


def read_parts(name, n_rows=None):
    """Return the training rows and the test rows, each as `read_rows` does.

    A data set without a split loses its missing and repeated texts. A fifth of each
    class becomes the test part.
    """
    if name not in WHOLE:
        return [read_rows(f"{name}_{part}", n_rows) for part in ("train", "test")]
    import pandas as pd
    from sklearn.model_selection import train_test_split

    if name == "review_data":
        frame = pd.read_csv(find_data() / f"{name}.csv")
        frame = frame.rename(columns={"content": "text", "score": "label"})
    else:
        frame = pd.read_parquet(find_data() / f"{name}.parquet")
    frame = frame.dropna(subset="text").drop_duplicates("text")
    parts = train_test_split(
        frame, test_size=0.2, stratify=frame["label"], random_state=0
    )
    return [_to_arrays(part, n_rows) for part in parts]


def split_folds(name, n_rows=None):
    """Yield training texts and labels, then validation texts and labels, by fold."""
    from sklearn.model_selection import StratifiedKFold

    if name == "bundled":
        from skreviews.datasets import load_app_reviews

        X, y = load_app_reviews(return_X_y=True, as_frame=False)
        X, y = X[:n_rows], y[:n_rows]
    else:
        X, y = read_parts(name, n_rows)[0]
    n_splits, n_run = FOLDS[name]
    folds = StratifiedKFold(n_splits, shuffle=True, random_state=0).split(X, y)
    for train, valid in islice(folds, n_run):
        yield X[train], y[train], X[valid], y[valid]


def score_labels(y_true, y_pred, stars=True):
    """Return the scores by name; some need ordered labels, `stars`."""
    from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error

    from skreviews.metrics import macro_mean_absolute_error, quadratic_weighted_kappa

    scores = {
        "accuracy": accuracy_score(y_true, y_pred),
        "macro-F1": f1_score(y_true, y_pred, average="macro"),
    }
    if stars:
        scores |= {
            "QWK": quadratic_weighted_kappa(y_true, y_pred),
            "MAE": mean_absolute_error(y_true, y_pred),
            "macro MAE": macro_mean_absolute_error(y_true, y_pred),
        }
    return scores


def time_call(function, *args):
    start = perf_counter()
    function(*args)
    return perf_counter() - start


def median_in_turns(cases, repeats):
    """Return the median seconds of each case, a function that returns its seconds."""
    seconds = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            seconds[name].append(case())
    return {name: median(runs) for name, runs in seconds.items()}


def find_peak():
    """Return the peak memory of this process, in bytes."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def call_fresh(function, *args):
    """Call a function of a benchmark in a fresh process.

    The caller should import nothing large: on Linux the peak of a child starts at the
    memory of its parent. The function's output goes to standard error.
    """
    script = Path(function.__code__.co_filename).stem
    command = [sys.executable, __file__, script, function.__name__, json.dumps(args)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def describe_machine(*packages):
    """Return the processor, its cores and the versions, in one line."""
    import joblib

    cores = f"{joblib.cpu_count()} of {os.cpu_count()} cores"
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {version(name)}" for name in ("skreviews", *packages)]
    return f"{_find_processor()}, {cores}; {', '.join(versions)}"


def format_scores(runs):
    """Return a cell for each score: the mean of the runs and the standard deviation."""
    cells = []
    for name in runs[0]:
        values = [run[name] for run in runs]
        spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
        cells.append(f"{mean(values):.3f}{spread}")
    return cells


def print_table(header, rows, n_names=1):
    """Print a Markdown table, names left-aligned and numbers right-aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = [
        "-" * width if place < n_names else "-" * (width - 1) + ":"
        for place, width in enumerate(widths)
    ]
    for row in (header, rule, *rows):
        cells = [
            cell.ljust(width) if place < n_names else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print(f"| {' | '.join(cells)} |")


def print_speeds(title, seconds, n_rows, n_tokens, rivals, skipped):
    """Print a table of seconds by name and input, "texts" or "ids".

    Ratios above 1 mean faster than the rival. Rivals with another input have none.
    Tokens are those of the ids, without padding.
    """
    header = [title, "given", "s", "reviews/s", "tokens/s"]
    header += [f"x {rival}" for rival in rivals]
    rows = []
    for (name, given), value in seconds.items():
        tokens = f"{n_tokens / value:,.0f}" if given == "ids" else ""
        others = (seconds.get((rival, given)) for rival in rivals)
        ratios = [f"{other / value:.2f}" if other else "" for other in others]
        speeds = [f"{value:.2f}", f"{n_rows / value:,.0f}", tokens]
        rows.append([name, given, *speeds, *ratios])
    rows += [[reason, *[""] * (len(header) - 1)] for reason in skipped]
    print_table(header, rows, n_names=2)


def _to_arrays(frame, n_rows):
    import numpy as np

    if n_rows is not None and n_rows < len(frame):
        frame = frame.sample(n_rows, random_state=0)
    return np.array(frame["text"], dtype=object), np.array(frame["label"])


def _find_processor():
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":  # started by call_fresh
    script, name, args = sys.argv[1:]
    with redirect_stdout(sys.stderr):
        answer = getattr(import_module(script), name)(*json.loads(args))
    print(json.dumps(answer))
