"""The package as a whole: names, imports, docstrings, layers."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from numpydoc.validate import validate

import skreviews

ROOT = Path(skreviews.__file__).parent


def test_every_public_name_is_there():
    for name in skreviews.__all__:
        assert getattr(skreviews, name) is not None
    assert set(skreviews.__all__) <= set(dir(skreviews))
    with pytest.raises(AttributeError, match="LSTMClasifier"):
        skreviews.LSTMClasifier  # noqa: B018


def test_importing_the_package_imports_no_heavy_library():
    code = (
        "import sys, skreviews, skreviews.cli;"
        "print(sorted({'torch', 'sklearn', 'pandas', 'matplotlib', 'nltk'}"
        " & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"


def test_the_text_estimators_do_not_import_torch():
    code = (
        "import sys; from skreviews import TextCleaner, TextResampler,"
        " SequenceVectorizer, read_reviews; print('torch' in sys.modules)"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "False"


# An import never runs upward: each room may import those on lower floors.
FLOORS = {
    "_atomic": 0,
    "_labels": 0,
    "_splits": 0,
    "decision": 0,
    "_class_weight": 1,
    "metrics": 1,
    "preprocessing": 1,
    "embeddings": 2,
    "linear": 2,
    "io": 2,
    "sampling": 2,
    "datasets": 3,
    "neural_network": 3,
    "pipeline": 4,
    "inspection": 5,
    "search": 5,
    "persistence": 5,
    "scoring": 6,
    "cli": 7,
    "__main__": 8,
}


def _imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "skreviews."
        ):
            yield node.module.split(".")[1]


def test_imports_never_run_upward():
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for other in _imported_rooms(path):
            assert other == room or FLOORS[other] < FLOORS[room], (path, other)


# Methods need no extended summary, "See Also" nor example of their own; returned values
# are named, and `self` is not explained, as in scikit-learn.
IGNORED = {"ES01", "SA01", "EX01", "RT02", "RT03"}


def _public_callables():
    for name in skreviews.__all__:
        item = getattr(skreviews, name)
        if callable(item):
            module = item.__module__
            yield f"{module}.{item.__name__}"
            for method, function in (
                vars(item).items() if isinstance(item, type) else ()
            ):
                if not method.startswith("_") and callable(function):
                    yield f"{module}.{item.__name__}.{method}"


@pytest.mark.parametrize("name", sorted(_public_callables()))
def test_public_docstrings_are_numpydoc(name):
    errors = validate(name)["errors"]
    assert [error for error in errors if error[0] not in IGNORED] == []


@pytest.mark.parametrize(
    "name", [name for name in skreviews.__all__ if name != "__version__"]
)
def test_public_names_have_an_example(name):
    assert ">>> " in getattr(skreviews, name).__doc__
