"""Interrupted runs: they resume, and leave no incomplete target."""

import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pandas as pd
import pytest

from skreviews import load, make_review_pipeline, make_reviews, save, score_file
from skreviews.scoring import _workers

N_ROWS = 60
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="needs the signals, locks and limits of Linux"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder with a small model and a source with missing texts."""
    folder = tmp_path_factory.mktemp("scoring")
    X, y = make_reviews(N_ROWS, random_state=0)
    params = {"lstm__hidden_size": 4, "lstm__max_epochs": 1}
    save(make_review_pipeline(random_state=0, **params).fit(X, y), folder / "m.skr")
    frame = pd.DataFrame({"key": range(N_ROWS), "content": X})
    frame.loc[[7, 30], "content"] = None
    frame.to_csv(folder / "in.csv", index=False)
    return folder


@pytest.fixture
def source(folder, tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes((folder / "in.csv").read_bytes())
    return path


@pytest.fixture(scope="module")
def server():
    """Context whose processes start with all modules imported."""
    context = multiprocessing.get_context("forkserver")
    # The first optimizer imports torch._dynamo, which takes a second.
    context.set_forkserver_preload(["pytest", "skreviews.scoring", "torch._dynamo"])
    return context


# Code of a process that kills itself at its n-th operation on the files of the target.
CHILD = """
import os, signal, sys
from skreviews.scoring import score_file

def count(event, args):
    global kill_at
    if event in EVENTS and target.rstrip("/") in str(args[0]):
        kill_at -= 1
        if kill_at == 0:
            os.kill(os.getpid(), signal.SIGKILL)

EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}
if kill_at:
    sys.addaudithook(count)
score_file(model, source, target, **options)
"""
OPTIONS = {"id": "key", "columns": ["content"]}


def _start(server, folder, target, kill_at=0, **options):
    names = {
        "model": str(folder / "m.skr"),
        "source": str(folder / "in.csv"),
        "target": target,
        "options": OPTIONS | options,
        "kill_at": kill_at,
    }
    process = server.Process(target=exec, args=(CHILD, names))
    process.start()
    return process


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _read_all(target):
    """Return the bytes of the target, a file or a folder, by name."""
    target = Path(target)
    paths = sorted(target.iterdir()) if target.is_dir() else [target]
    return {path.name: path.read_bytes() for path in paths}


def _remove(target):
    target = Path(target)
    for path in sorted(target.iterdir()) if target.is_dir() else [target]:
        path.unlink()
    if target.is_dir():
        target.rmdir()


def _score_completely(folder, target, batch_rows):
    """Return the bytes of a target that an undisturbed run made, then remove it."""
    options = {"batch_rows": batch_rows, **OPTIONS}
    score_file(folder / "m.skr", folder / "in.csv", target, **options)
    expected = _read_all(target)
    _remove(target)
    return expected


def _check_killed(server, folder, target, expected, step):
    """Kill a run at its n-th file operation, resume it, and check the target.

    Returns False if the run has fewer operations.
    """
    process = _start(server, folder, target, kill_at=step, batch_rows=30)
    process.join()
    journal = Path(f"{target.rstrip('/')}.journal")
    if process.exitcode != 0:
        assert process.exitcode == -signal.SIGKILL
        if Path(target).exists():  # complete, with or without the journal
            assert _read_all(target) == expected
        if not Path(target).exists() or (journal / "journal.jsonl").exists():
            options = {"batch_rows": 30, **OPTIONS}
            score_file(folder / "m.skr", folder / "in.csv", target, **options)
    assert _read_all(target) == expected
    _remove(target)
    if journal.exists():
        journal.rmdir()  # empty
    return process.exitcode != 0


@pytest.mark.parametrize("name, step", [("a.csv", 6), ("a.csv", 17), ("b/", 14)])
def test_killed_run_resumes_to_the_same_target(folder, tmp_path, server, name, step):
    target = f"{tmp_path}/{name}"
    expected = _score_completely(folder, target, batch_rows=30)
    assert _check_killed(server, folder, target, expected, step)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.csv", "b/"])
def test_run_killed_at_each_operation_resumes(folder, tmp_path, server, name):
    target = f"{tmp_path}/{name}"
    expected = _score_completely(folder, target, batch_rows=30)
    step = 1
    while _check_killed(server, folder, target, expected, step):
        step += 1
    assert step > 10


@pytest.mark.slow
def test_run_killed_50_times_at_random_resumes(folder, tmp_path, server):
    targets = [f"{tmp_path}/{name}" for name in ("a.csv", "b.parquet", "c/")]
    expected = {target: _score_completely(folder, target, 2) for target in targets}
    randomness = random.Random(0)
    n_kills, turn = 0, 0
    while n_kills < 50:
        target = targets[turn % len(targets)]
        turn += 1
        while True:
            journal = Path(f"{target.rstrip('/')}.journal/journal.jsonl")
            before = _size(journal)
            process = _start(server, folder, target, batch_rows=2)
            while process.is_alive() and _size(journal) == before:
                time.sleep(0.002)
            process.join(randomness.uniform(0, 0.12))
            process.kill()
            process.join()
            if process.exitcode != -signal.SIGKILL:
                break
            n_kills += 1
            if Path(target).exists():  # complete, with or without the journal
                assert _read_all(target) == expected[target]
                if not journal.exists():
                    break
        assert _read_all(target) == expected[target]
        _remove(target)
        for path in tmp_path.iterdir():  # an empty journal folder
            path.rmdir()


class _Stop(BaseException):
    """Interrupts a run, as Ctrl-C does."""


def _interrupt(model, source, target, after=2, **options):
    """Run until so many batches are scored."""

    def log(event):
        nonlocal after
        after -= 1
        if after == 0:
            raise _Stop

    with pytest.raises(_Stop):
        score_file(model, source, target, batch_rows=10, log=log, **options)


def test_scored_rows_are_not_scored_again(folder, source, tmp_path):
    target = tmp_path / "out.csv"
    _interrupt(folder / "m.skr", source, target)
    assert not target.exists()
    summary = score_file(folder / "m.skr", source, target, batch_rows=25)
    assert (summary.rows, summary.resumed_rows) == (N_ROWS, 20)
    assert summary.statuses["missing"] == 2
    assert list(pd.read_csv(target)["row"]) == list(range(N_ROWS))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]
    assert "the first 20 of them in an earlier run" in str(summary)


def test_resume_false_starts_anew(folder, source, tmp_path):
    target = tmp_path / "out.csv"
    _interrupt(folder / "m.skr", source, target)
    summary = score_file(folder / "m.skr", source, target, resume=False)
    assert (summary.rows, summary.resumed_rows) == (N_ROWS, 0)


def test_model_file_and_its_pipeline_are_the_same_model(folder, source, tmp_path):
    target = tmp_path / "out.csv"
    _interrupt(folder / "m.skr", source, target)
    summary = score_file(load(folder / "m.skr"), source, target)
    assert summary.resumed_rows == 20


def _append(path):
    with path.open("a") as file:
        file.write("99,new\n")


def _touch(path):
    os.utime(path, ns=(0, 0))


def _edit(path):
    before = path.stat().st_mtime_ns
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"z" + content[-1:])
    os.utime(path, ns=(before, before))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (_edit, {}, "the source changed: sha256 of both ends of .*in.csv was"),
        (_append, {}, r"the source changed: size of .*in.csv was \d+ and is \d+"),
        (_touch, {}, "the source changed: modified of .*in.csv was"),
        (None, {"id": "key"}, "the parameters changed: id was None and is 'key'"),
        (None, {"columns": ["key"]}, "the parameters changed: columns was"),
        (None, {"model": "other"}, "the model changed"),
    ],
)
def test_another_job_does_not_resume(
    folder, source, tmp_path, change, options, message
):
    target, model = tmp_path / "out.csv", folder / "m.skr"
    _interrupt(model, source, target)
    before = _read_all(tmp_path / "out.csv.journal" / "parts")
    if change is not None:
        change(source)
    options = dict(options)
    if options.pop("model", None):
        model = load(model).set_params(lstm__decision="median")
    with pytest.raises(ValueError, match=f"{message}.*pass resume=False"):
        score_file(model, source, target, **options)
    assert _read_all(tmp_path / "out.csv.journal" / "parts") == before
    assert score_file(model, source, target, resume=False, **options).rows >= N_ROWS


def test_target_that_appears_during_a_run_is_not_overwritten(folder, source, tmp_path):
    target = tmp_path / "out.csv"
    _interrupt(folder / "m.skr", source, target)
    target.write_text("keep me")
    with pytest.raises(ValueError, match="was not made by the run of the journal"):
        score_file(folder / "m.skr", source, target)
    target.unlink()
    with pytest.raises(ValueError, match="is not overwritten"):
        score_file(
            *(folder / "m.skr", source, target),
            log=lambda event: target.write_text("keep me"),
        )
    assert target.read_text() == "keep me"
    target.unlink()
    assert score_file(folder / "m.skr", source, target).resumed_rows == N_ROWS


def test_folder_that_is_not_a_journal_is_kept(folder, source, tmp_path):
    (tmp_path / "out.csv.journal").mkdir()
    (tmp_path / "out.csv.journal" / "notes.txt").write_text("keep me")
    with pytest.raises(ValueError, match="is not the journal"):
        score_file(folder / "m.skr", source, tmp_path / "out.csv")
    assert (tmp_path / "out.csv.journal" / "notes.txt").read_text() == "keep me"


def test_incomplete_lines_and_parts_do_not_count(folder, source, tmp_path):
    target = tmp_path / "out.csv"
    score_file(folder / "m.skr", source, target)
    expected = target.read_bytes()
    journal = tmp_path / "out.csv.journal"
    for damage, n_kept in (
        (lambda: (journal / "journal.jsonl").open("a").write('{"part": 9'), 30),
        (lambda: (journal / "journal.jsonl").open("a").write("{broken}\n"), 30),
        (lambda: (journal / "parts" / "part-000001.csv").unlink(), 10),
        (lambda: os.truncate(journal / "parts" / "part-000002.csv", 7), 20),
        (lambda: os.truncate(journal / "journal.jsonl", 20), 0),
    ):
        target.unlink()
        _interrupt(folder / "m.skr", source, target, after=3)
        damage()
        assert score_file(folder / "m.skr", source, target).resumed_rows == n_kept
        assert target.read_bytes() == expected


def test_two_runs_cannot_write_to_the_same_target(folder, source, tmp_path):
    refused = []

    def log(event):
        with pytest.raises(ValueError, match="another run is writing") as caught:
            score_file(folder / "m.skr", source, tmp_path / "out.csv")
        refused.append(caught)

    score_file(folder / "m.skr", source, tmp_path / "out.csv", log=log)
    assert refused


def test_run_resumes_after_a_full_disk(folder, source, tmp_path):
    target = tmp_path / "out.csv"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def fill(event):  # limits the size of new files
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))

    try:
        with pytest.raises(OSError, match="(?i)too large"):
            score_file(folder / "m.skr", source, target, batch_rows=20, log=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert not target.exists()
    assert not list(tmp_path.rglob("temporary"))
    assert score_file(folder / "m.skr", source, target).resumed_rows == 20


def test_read_only_folder_is_an_error(folder, source, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="closed"):
        score_file(folder / "m.skr", source, tmp_path / "closed" / "out.csv")


def test_run_on_standard_input_cannot_resume(folder, source, tmp_path, monkeypatch):
    target = tmp_path / "out.csv"
    for _ in range(2):
        with source.open("r") as file:
            monkeypatch.setattr(sys, "stdin", file)
            if not list(tmp_path.glob("*.journal")):
                _interrupt(folder / "m.skr", "-", target)
                continue
            with pytest.raises(ValueError, match="standard input.*resume=False"):
                score_file(folder / "m.skr", "-", target)
    with source.open("r") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert score_file(folder / "m.skr", "-", target, resume=False).rows == N_ROWS


class _Pool:
    """Stands in for a pool of processes; its first `n_broken` pools break at once."""

    n_broken = 0

    def __init__(self, n_jobs, *, initargs, **options):
        (self.scorer,) = initargs
        self.is_broken = type(self).n_broken > 0
        type(self).n_broken -= 1

    def submit(self, function, texts):
        future = Future()
        if not self.is_broken:
            future.set_result(self.scorer.score(texts))
        elif len(texts) == 4:  # the process dies during a batch
            future.set_exception(BrokenProcessPool())
        else:  # or before it gets one
            raise BrokenProcessPool
        return future

    def shutdown(self, kill_workers):
        assert kill_workers


@pytest.mark.parametrize("batch_rows", [4, 5])
def test_rows_of_dead_workers_are_scored_again(
    folder, source, tmp_path, batch_rows, monkeypatch
):
    score_file(folder / "m.skr", source, tmp_path / "a.csv", batch_rows=batch_rows)
    monkeypatch.setattr(_workers, "ProcessPoolExecutor", _Pool)
    monkeypatch.setattr(_Pool, "n_broken", 2)
    options = {"batch_rows": batch_rows, "n_jobs": 2}
    with pytest.warns(
        RuntimeWarning, match="another one scores its rows again"
    ) as seen:
        score_file(folder / "m.skr", source, tmp_path / "b.csv", **options)
    assert [warning.filename for warning in seen] == [__file__] * 2
    assert _read_all(tmp_path / "a.csv")["a.csv"] == (tmp_path / "b.csv").read_bytes()
    monkeypatch.setattr(_Pool, "n_broken", 3)
    with (
        pytest.warns(RuntimeWarning, match="a worker process died"),
        pytest.raises(RuntimeError, match="died 3 times while scoring the same rows"),
    ):
        score_file(folder / "m.skr", source, tmp_path / "c.csv", **options)


@pytest.mark.slow
def test_dead_worker_processes_are_replaced(tmp_path):
    X, y = make_reviews(40, random_state=0)
    alive = tmp_path / "alive"
    alive.touch()
    parent = os.getpid()

    def split(text):
        if "die" in text and alive.exists() and os.getpid() != parent:
            alive.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return text.split()

    params = {"lstm__hidden_size": 4, "lstm__max_epochs": 1}
    pipe = make_review_pipeline(random_state=0, vectorize__tokenizer=split, **params)
    X[5] = "die"
    pipe.fit(X, y)
    pd.DataFrame({"content": X}).to_csv(tmp_path / "in.csv", index=False)
    score_file(pipe, tmp_path / "in.csv", tmp_path / "a.csv", batch_rows=4)
    paths = tmp_path / "in.csv", tmp_path / "b.csv"
    with pytest.warns(RuntimeWarning, match="another one scores its rows again"):
        score_file(pipe, *paths, batch_rows=4, n_jobs=2)
    assert not alive.exists()
    a, b = [pd.read_csv(tmp_path / name) for name in ("a.csv", "b.csv")]
    pd.testing.assert_frame_equal(a, b)


def test_journal_describes_the_job_and_its_parts(folder, source, tmp_path):
    _interrupt(folder / "m.skr", source, tmp_path / "out.csv")
    lines = (tmp_path / "out.csv.journal" / "journal.jsonl").read_text().splitlines()
    job, *parts = map(json.loads, lines)
    assert job["source"][0]["file"] == str(source)
    assert [part["rows"] for part in parts] == [10, 10]
    assert parts[0]["statuses"]["missing"] == 1
