"""What the benchmarks share: the data, the machine, the table."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import joblib


def find_data():
    """Return the folder with the data, or leave with a reason."""
    folder = os.environ.get("SKREVIEWS_DATA")
    if not folder:
        print("skipped: SKREVIEWS_DATA does not name the folder with the data")
        sys.exit(0)
    return Path(folder)


def describe_machine(*packages):
    """Return the processor, its cores and the versions, in one line."""
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


def _find_processor():
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
