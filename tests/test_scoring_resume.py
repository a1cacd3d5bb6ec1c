"""Runs that are cut off: nothing lost, nothing twice, nothing that looks whole."""

import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from skreviews import load, make_review_pipeline, make_reviews, save, score_file

N_ROWS = 60
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="signals, locks and limits as Linux has them"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model and a source with texts and rows of all kinds."""
    folder = tmp_path_factory.mktemp("scoring")
    X, y = make_reviews(N_ROWS, random_state=0)
    params = {"hidden_size": 4, "max_epochs": 1, "ngram_buckets": 64}
    params = {f"lstm__{name}": value for name, value in params.items()}
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
    """Processes that have imported all they need, and start at once."""
    context = multiprocessing.get_context("forkserver")
    # Torch imports _dynamo with its first optimizer, a second of each start.
    context.set_forkserver_preload(["pytest", "skreviews.scoring", "torch._dynamo"])
    return context


# What a process runs: it may kill itself at the n-th thing that it does to the files.
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


def test_killed_at_random_times_a_run_ends_as_if_it_had_not_been(
    folder, tmp_path, server
):
    targets = [f"{tmp_path}/{name}" for name in ("a.csv", "b.parquet", "c/")]
    whole = {}
    for target in targets:
        score_file(folder / "m.skr", folder / "in.csv", target, batch_rows=2, **OPTIONS)
        whole[target] = _read_all(target)
        _remove(target)
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
            if Path(target).exists():  # then it is whole, the journal there or not
                assert _read_all(target) == whole[target]
                if not journal.exists():
                    break
        assert _read_all(target) == whole[target]
        _remove(target)
        for path in tmp_path.iterdir():  # killed when all that was left was to go
            path.rmdir()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.csv", "b/"])
def test_killed_at_each_step_a_run_ends_as_if_it_had_not_been(
    folder, tmp_path, server, name
):
    target = f"{tmp_path}/{name}"
    score_file(folder / "m.skr", folder / "in.csv", target, batch_rows=30, **OPTIONS)
    whole = _read_all(target)
    steps = 0
    while True:
        _remove(target)
        process = _start(server, folder, target, kill_at=steps + 1, batch_rows=30)
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        steps += 1
        if Path(target).exists():
            assert _read_all(target) == whole
        if (
            not Path(target).exists()
            or Path(f"{target.rstrip('/')}.journal/journal.jsonl").exists()
        ):
            score_file(
                folder / "m.skr", folder / "in.csv", target, batch_rows=30, **OPTIONS
            )
        assert _read_all(target) == whole
        for path in tmp_path.glob("*.journal"):
            path.rmdir()  # empty
    assert steps > 10


class _Stop(BaseException):
    """As a Ctrl-C does."""


def _cut_off(model, source, target, after=2, **options):
    """Score so many batches, and no more."""

    def log(event):
        nonlocal after
        after -= 1
        if after == 0:
            raise _Stop

    with pytest.raises(_Stop):
        score_file(model, source, target, batch_rows=10, log=log, **options)


def test_what_is_done_is_not_done_again(folder, source, tmp_path):
    target = tmp_path / "out.csv"
    _cut_off(folder / "m.skr", source, target)
    assert not target.exists()
    summary = score_file(folder / "m.skr", source, target, batch_rows=25)
    assert (summary.rows, summary.resumed_rows) == (N_ROWS, 20)
    assert summary.statuses["missing"] == 2
    assert list(pd.read_csv(target)["row"]) == list(range(N_ROWS))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]
    assert "the first 20 of them by an earlier run" in str(summary)


def test_resume_false_starts_anew(folder, source, tmp_path):
    target = tmp_path / "out.csv"
    _cut_off(folder / "m.skr", source, target)
    summary = score_file(folder / "m.skr", source, target, resume=False)
    assert (summary.rows, summary.resumed_rows) == (N_ROWS, 0)


def test_a_model_may_come_as_a_file_or_as_a_pipeline(folder, source, tmp_path):
    target = tmp_path / "out.csv"
    _cut_off(folder / "m.skr", source, target)
    summary = score_file(load(folder / "m.skr"), source, target)
    assert summary.resumed_rows == 20


def _append(path):
    with path.open("a") as file:
        file.write("99,new\n")


def _touch(path):
    os.utime(path, ns=(0, 0))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (_append, {}, r"the source changed: size of .*in.csv was \d+ and is \d+"),
        (_touch, {}, "the source changed: modified of .*in.csv was"),
        (None, {"id": "key"}, "the parameters changed: id was None and is 'key'"),
        (None, {"columns": ["key"]}, "the parameters changed: columns was"),
        (None, {"model": "other"}, "the model changed"),
    ],
)
def test_another_job_does_not_go_on_with_the_parts(
    folder, source, tmp_path, change, options, message
):
    target, model = tmp_path / "out.csv", folder / "m.skr"
    _cut_off(model, source, target)
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


def test_a_target_that_came_meanwhile_is_not_overwritten(folder, source, tmp_path):
    target = tmp_path / "out.csv"
    _cut_off(folder / "m.skr", source, target)
    target.write_text("precious")
    with pytest.raises(ValueError, match="is not what the run of the journal"):
        score_file(folder / "m.skr", source, target)
    target.unlink()
    with pytest.raises(ValueError, match="is not overwritten"):
        score_file(
            *(folder / "m.skr", source, target),
            log=lambda event: target.write_text("precious"),
        )
    assert target.read_text() == "precious"
    target.unlink()
    assert score_file(folder / "m.skr", source, target).resumed_rows == N_ROWS


def test_a_folder_of_that_name_which_is_no_journal_is_left_alone(
    folder, source, tmp_path
):
    (tmp_path / "out.csv.journal").mkdir()
    (tmp_path / "out.csv.journal" / "diary.txt").write_text("precious")
    with pytest.raises(ValueError, match="is no journal|and no journal"):
        score_file(folder / "m.skr", source, tmp_path / "out.csv")
    assert (tmp_path / "out.csv.journal" / "diary.txt").read_text() == "precious"


def test_lines_and_parts_that_are_broken_off_do_not_count(folder, source, tmp_path):
    target = tmp_path / "out.csv"
    score_file(folder / "m.skr", source, target)
    whole = target.read_bytes()
    journal = tmp_path / "out.csv.journal"
    for harm, n_kept in (
        (lambda: (journal / "journal.jsonl").open("a").write('{"part": 9'), 30),
        (lambda: (journal / "journal.jsonl").open("a").write("{broken}\n"), 30),
        (lambda: (journal / "parts" / "part-000001.csv").unlink(), 10),
        (lambda: os.truncate(journal / "parts" / "part-000002.csv", 7), 20),
        (lambda: os.truncate(journal / "journal.jsonl", 20), 0),
    ):
        target.unlink()
        _cut_off(folder / "m.skr", source, target, after=3)
        harm()
        assert score_file(folder / "m.skr", source, target).resumed_rows == n_kept
        assert target.read_bytes() == whole


def test_two_runs_do_not_write_to_the_same_target(folder, source, tmp_path):
    refused = []

    def log(event):
        with pytest.raises(ValueError, match="another run is writing") as caught:
            score_file(folder / "m.skr", source, tmp_path / "out.csv")
        refused.append(caught)

    score_file(folder / "m.skr", source, tmp_path / "out.csv", log=log)
    assert refused


def test_a_full_disk_is_an_error_after_which_one_may_go_on(folder, source, tmp_path):
    target = tmp_path / "out.csv"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def fill(event):  # from now on no file may be larger
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))

    try:
        with pytest.raises(OSError, match="(?i)too large"):
            score_file(folder / "m.skr", source, target, batch_rows=20, log=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert not target.exists()
    assert not list(tmp_path.rglob("*.tmp"))
    assert score_file(folder / "m.skr", source, target).resumed_rows == 20


def test_a_folder_that_may_not_be_written_to_is_an_error(folder, source, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="closed"):
        score_file(folder / "m.skr", source, tmp_path / "closed" / "out.csv")


def test_standard_input_cannot_be_taken_up_again(folder, source, tmp_path, monkeypatch):
    target = tmp_path / "out.csv"
    for _ in range(2):
        with source.open("r") as file:
            monkeypatch.setattr(sys, "stdin", file)
            if not list(tmp_path.glob("*.journal")):
                _cut_off(folder / "m.skr", "-", target)
                continue
            with pytest.raises(ValueError, match="standard input.*resume=False"):
                score_file(folder / "m.skr", "-", target)
    with source.open("r") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert score_file(folder / "m.skr", "-", target, resume=False).rows == N_ROWS


def test_processes_score_as_one_does_and_one_that_dies_is_replaced(tmp_path):
    X, y = make_reviews(40, random_state=0)
    alive = tmp_path / "alive"
    alive.touch()

    def split(text):
        if "die" in text and alive.exists() and os.getpid() != parent:
            alive.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return text.split()

    parent = os.getpid()
    params = {"lstm__hidden_size": 4, "lstm__max_epochs": 1}
    pipe = make_review_pipeline(random_state=0, vectorize__tokenizer=split, **params)
    X[5] = "die"
    pipe.fit(X, y)
    pd.DataFrame({"content": X}).to_csv(tmp_path / "in.csv", index=False)
    score_file(pipe, tmp_path / "in.csv", tmp_path / "a.csv", batch_rows=4)
    with pytest.warns(RuntimeWarning, match="a worker died; its rows are scored again"):
        score_file(
            *(pipe, tmp_path / "in.csv", tmp_path / "b.csv"), batch_rows=4, n_jobs=2
        )
    assert not alive.exists()
    a, b = [pd.read_csv(tmp_path / name) for name in ("a.csv", "b.csv")]
    pd.testing.assert_frame_equal(a, b)


@pytest.mark.slow
def test_workers_that_die_again_and_again_are_an_error(tmp_path):
    X, y = make_reviews(40, random_state=0)
    parent = os.getpid()

    def split(text):
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return text.split()

    params = {"lstm__hidden_size": 4, "lstm__max_epochs": 1}
    pipe = make_review_pipeline(random_state=0, vectorize__tokenizer=split, **params)
    pipe.fit(X, y)
    pd.DataFrame({"content": X}).to_csv(tmp_path / "in.csv", index=False)
    with (
        pytest.warns(RuntimeWarning, match="a worker died"),
        pytest.raises(RuntimeError, match="died 3 times over the same rows"),
    ):
        score_file(pipe, tmp_path / "in.csv", tmp_path / "out.csv", n_jobs=2)


def test_the_journal_says_what_it_holds(folder, source, tmp_path):
    _cut_off(folder / "m.skr", source, tmp_path / "out.csv")
    lines = (tmp_path / "out.csv.journal" / "journal.jsonl").read_text().splitlines()
    job, *parts = map(json.loads, lines)
    assert job["source"][0]["file"] == str(source)
    assert [part["rows"] for part in parts] == [10, 10]
    assert parts[0]["statuses"]["missing"] == 1
