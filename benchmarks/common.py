"""What the benchmarks share: the data, the clock, the machine, the table.

Imports on top are of the standard library only: rivals in another environment read this
file too, and bench_memory.py counts what its own process has imported.
"""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter


def find_data():
    """Return the folder with the data, or leave with a reason."""
    folder = os.environ.get("SKREVIEWS_DATA")
    if not folder:
        print("skipped: SKREVIEWS_DATA does not name the folder with the data")
        sys.exit(0)
    return Path(folder)


def read_rows(name, n_rows=None):
    """Return texts and labels, ndarrays; the same random rows in each run."""
    import numpy as np
    import pandas as pd

    frame = pd.read_parquet(find_data() / f"{name}.parquet")
    if n_rows is not None and n_rows < len(frame):
        frame = frame.sample(n_rows, random_state=0)
    return np.array(frame["text"], dtype=object), np.array(frame["label"])


def time_call(function, *args):
    start = perf_counter()
    function(*args)
    return perf_counter() - start


def median_in_turns(cases, repeats):
    """Return the median of each case, a function that returns the seconds it took."""
    seconds = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            seconds[name].append(case())
    return {name: median(runs) for name, runs in seconds.items()}


def describe_machine(*packages):
    """Return the processor, its cores and the versions, in one line."""
    import joblib

    cores = f"{joblib.cpu_count()} of {os.cpu_count()} cores"
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {version(name)}" for name in ("skreviews", *packages)]
    return f"{_find_processor()}, {cores}; {', '.join(versions)}"


def print_table(header, rows, n_names=1):
    """Print a Markdown table: columns of names to the left, numbers to the right."""
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
    """Print a table of seconds by name and what was given, "texts" or "ids".

    Ratios above 1 mean faster than the rival. A rival that was given something else
    has none. Tokens are those of the ids, without padding.
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


def _find_processor():
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
