"""Speed and memory of scoring files, beside predict_proba on texts in memory.

Generated reviews are scored from CSV to Parquet with a model of the bundled reviews and
one thread. Memory is the peak of a fresh process, minus what it holds after loading the
model, scoring a few texts and returning freed memory; the median of three processes.
Speed is measured in another process, in turns: after some rows the clock of
`score_file` stops, and `predict_proba` scores the texts of these rows from memory. Both
have the same load of the machine.
"""

import argparse
import resource
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from common import call_fresh, describe_machine, find_peak, print_table, time_call

SIZES = (100_000, 1_000_000)
WRITTEN_AT_ONCE = 50_000
WARM_UP_ROWS = 2_000
IN_TURN_ROWS = 100_000
N_PROCESSES = 3


def write_model(path):
    """Train on the bundled reviews."""
    from skreviews import load_app_reviews, make_review_pipeline, save

    X, y = load_app_reviews(return_X_y=True)
    save(make_review_pipeline(random_state=0, device="cpu").fit(X, y), path)


def write_reviews(path, n_rows):
    """Write generated reviews, and return their bytes."""
    import pandas as pd

    from skreviews import make_reviews

    for start in range(0, n_rows, WRITTEN_AT_ONCE):
        n_part = min(WRITTEN_AT_ONCE, n_rows - start)
        texts, stars = make_reviews(n_part, random_state=start)
        frame = pd.DataFrame({"content": texts, "score": stars})
        mode, header = ("w", True) if start == 0 else ("a", False)
        frame.to_csv(path, mode=mode, header=header, index=False)
    return Path(path).stat().st_size


def report_memory(model, source, target):
    """Return the memory with the model loaded, and the peak of scoring."""
    from skreviews import score_file
    from skreviews.io._freed_memory import return_freed_memory

    pipe = load_warm(model)
    return_freed_memory()  # otherwise its share varies by chance
    before = find_held()
    score_file(pipe, source, target, progress=False)
    return before, find_peak()


def report_speed(model, source, target):
    """Return the seconds from file to file, and those for texts in memory."""
    import pyarrow.csv as pa_csv

    from skreviews import score_file

    pipe = load_warm(model)
    texts = pa_csv.read_csv(source)["content"].combine_chunks()
    texts = texts.fill_null("no text")
    done, in_memory = 0, 0.0

    def take_turn(event):
        nonlocal done, in_memory
        n_rows = event["rows"] - done
        if n_rows >= min(IN_TURN_ROWS, len(texts)) or event["rows"] == len(texts):
            part = texts.slice(done, n_rows)
            in_memory += time_call(pipe.predict_proba, part)
            done = event["rows"]

    options = {"progress": False, "log": take_turn}
    both = time_call(lambda: score_file(pipe, source, target, **options))
    return both - in_memory, in_memory


def load_warm(model):
    """Set one thread, load the model, score a few texts, and return the model."""
    import torch

    from skreviews import load, make_reviews

    torch.set_num_threads(1)
    pipe = load(model, device="cpu")
    pipe.predict_proba(make_reviews(WARM_UP_ROWS, random_state=0)[0])
    return pipe


def find_held():
    """Return the current memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    sizes = parser.parse_args().sizes
    print(call_fresh(describe_machine, "torch", "pyarrow", "numpy"))
    print("One thread; CSV to Parquet.\n")
    rows, first = [], None
    with TemporaryDirectory() as folder:
        folder = Path(folder)
        model, source = str(folder / "model.skr"), str(folder / "reviews.csv")
        call_fresh(write_model, model)
        for n_rows in sizes:
            n_bytes = call_fresh(write_reviews, source, n_rows)
            args = [model, source, str(folder / "scored.parquet")]
            held, aboves = [], []
            for _ in range(N_PROCESSES):
                before, peak = call_fresh(report_memory, *args)
                Path(args[-1]).unlink()
                held.append(before)
                aboves.append(peak - before)
            seconds, in_memory = call_fresh(report_speed, *args)
            Path(args[-1]).unlink()
            above = median(aboves)
            first = first or above
            rows.append(
                [
                    f"{n_rows:,}",
                    f"{n_bytes / 1e6:,.0f}",
                    f"{median(held) / 1e6:,.0f}",
                    f"{above / 1e6:,.0f}",
                    f"{min(aboves) / 1e6:,.0f} to {max(aboves) / 1e6:,.0f}",
                    f"{above / first:.2f}",
                    f"{n_rows / seconds:,.0f}",
                    f"{n_rows / in_memory:,.0f}",
                    f"{in_memory / seconds:.2f}",
                ]
            )
            print(*rows[-1], sep="  ", file=sys.stderr)
    header = ["reviews", "CSV, MB", "model loaded, MB", "above it, MB"]
    header += ["least to most", "x first"]
    header += ["score_file, reviews/s", "in memory, reviews/s", "x in memory"]
    print_table(header, rows)


if __name__ == "__main__":
    main()
