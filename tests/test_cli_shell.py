"""The command line in a shell: options, exit codes, signals, pipes, completion."""

import io
import signal
import subprocess
import sys
from functools import partial

import joblib
import pandas as pd
import pytest

from skreviews import __version__, make_reviews
from skreviews.cli import main


@pytest.fixture(scope="module")
def exported(tmp_path_factory, fitted_pipe):
    """A folder with a CSV of reviews and a joblib file of a model."""
    folder = tmp_path_factory.mktemp("shell")
    X, y = make_reviews(100, random_state=0)
    pd.DataFrame({"content": X, "score": y}).to_csv(folder / "reviews.csv", index=False)
    joblib.dump(fitted_pipe, folder / "m.joblib")
    return folder


@pytest.fixture
def small_training(monkeypatch, make_small_pipeline):
    """Let `train` fit small pipelines."""

    def make(random_state, device, **params):
        return make_small_pipeline(**params)

    monkeypatch.setattr("skreviews.make_review_pipeline", make, raising=False)


def _run(*args):
    return main([str(arg) for arg in args])


def test_shared_options_are_accepted_before_and_after_the_command(exported, capsys):
    args = [exported / "m.joblib", exported / "reviews.csv"]
    capsys.readouterr()
    assert _run("evaluate", *args, "--seed", 3, "--device", "cpu") == 0
    after = capsys.readouterr().out
    assert _run("--seed", 3, "--device", "cpu", "evaluate", *args) == 0
    assert capsys.readouterr().out == after
    assert _run("evaluate", *args) == 0
    assert capsys.readouterr().out != after


def test_a_shared_option_that_a_command_does_not_use_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        _run("--seed", 3, "explain", "m.skr", "good")
    assert stop.value.code == 2
    assert "explain does not accept --seed" in capsys.readouterr().err


def test_quiet_prints_results_only(exported, tmp_path, small_training, capsys):
    reviews, model, page = exported / "reviews.csv", exported / "m.joblib", "page.html"
    capsys.readouterr()
    assert _run("train", reviews, "-o", tmp_path / "m.skr", "--quiet") == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Trained on ")
    assert "Saved" not in shown.out and shown.err == ""
    assert _run("-q", "explain", model, "good", "--html", tmp_path / page) == 0
    assert "Saved" not in capsys.readouterr().out
    assert _run("evaluate", model, reviews, "--html", tmp_path / page, "-q") == 0
    assert "Saved" not in capsys.readouterr().out


class _Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_progress_bar_needs_a_terminal(
    exported, tmp_path, small_training, monkeypatch, capsys
):
    args = ("train", exported / "reviews.csv", "-o", tmp_path / "m.skr")
    assert _run(*args) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", _Terminal())
    assert _run(*args) == 0
    assert "it/s" in sys.stderr.getvalue()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("wrong"), 2),
        (KeyError("wrong"), 2),
        (FileNotFoundError("wrong"), 2),
        (PermissionError("wrong"), 2),
        (OSError(28, "wrong: no space left"), 1),
        (MemoryError("wrong"), 1),
        (RuntimeError("wrong:\nthe GPU"), 1),
        (ImportError("wrong"), 1),
    ],
)
def test_invalid_input_exits_with_2_and_a_failure_with_1(
    error, code, monkeypatch, capsys
):
    def fail(**kwargs):
        raise error

    monkeypatch.setattr("skreviews.load_app_reviews", fail, raising=False)
    assert _run("train") == code
    shown = capsys.readouterr().err
    assert "wrong" in shown and shown.count("\n") == 1


def test_the_module_runs():
    run = [sys.executable, "-m", "skreviews"]
    shown = subprocess.run([*run, "--version"], capture_output=True, text=True)
    assert shown.stdout.strip() == f"skreviews {__version__}"
    assert subprocess.run(run, capture_output=True).returncode == 2


def test_a_closed_output_exits_with_141(exported):
    run = subprocess.Popen(
        [sys.executable, "-m", "skreviews", "explain", exported / "m.joblib", "good"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    run.stdout.close()
    assert run.stderr.read() == b""
    run.stderr.close()
    assert run.wait() == 141


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT")
def test_ctrl_c_in_training_leaves_no_files(exported, tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-u", "-m", "skreviews", "train", "--output", "m.skr"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A background process of a shell ignores SIGINT.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    for line in run.stdout:
        if line.lstrip().startswith("1 "):  # the first epoch is over
            break
    run.send_signal(signal.SIGINT)
    _, shown = run.communicate()
    assert run.returncode == 130
    assert shown == "skreviews train: interrupted\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_has_commands_and_options(shell, capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as stop:
        _run("--print-completion", shell)
    assert not stop.value.code
    shown = capsys.readouterr().out
    for word in ("evaluate", "search", "--validation-fraction", "--json"):
        assert word.lstrip("-") in shown


def test_completion_names_its_missing_library(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as stop:
        _run("--print-completion", "bash")
    assert stop.value.code == 1
    shown = capsys.readouterr().err
    assert "pip install 'skreviews[completion]'" in shown and shown.count("\n") == 1
