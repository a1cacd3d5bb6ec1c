"""The safe file: what it keeps, and what it refuses."""

import hashlib
import io
import json
import pickle
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from contextlib import nullcontext, suppress
from enum import IntEnum
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import sklearn.pipeline
import torch
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from skreviews import (
    LSTMClassifier,
    SequenceVectorizer,
    SkreviewsFileError,
    TextCleaner,
    TextResampler,
    WordVectors,
    evaluate,
    load,
    make_review_pipeline,
    model_card,
    pretrain,
    save,
)
from skreviews.neural_network import LSTMModule
from skreviews.persistence import describe
from skreviews.persistence._weights import find_shapes

SMALL = {
    "embedding_dim": 4,
    "hidden_size": 4,
    "ngram_buckets": 64,
    "max_epochs": 1,
    "random_state": 0,
}
DATA = Path(__file__).parent / "data"
PARTS = ["manifest.json", "params.json", "vocabulary.json", "weights.safetensors"]
PARTS += ["card.md"]


def _make(X, y, *, lstm=None, **steps):
    pipe = make_review_pipeline(random_state=0)
    params = SMALL | (lstm or {})
    pipe.set_params(**steps, **{f"lstm__{name}": params[name] for name in params})
    return pipe.fit(X, y)


@pytest.fixture(scope="module")
def pipe(reviews):
    return _make(*reviews)


@pytest.fixture(scope="module")
def saved(pipe, tmp_path_factory):
    """The bytes of a model file."""
    path = tmp_path_factory.mktemp("saved") / "model.skr"
    save(pipe, path)
    return path.read_bytes()


def _same(pipe, path, X):
    loaded = load(path, device="cpu")
    assert np.array_equal(loaded.predict_proba(X), pipe.predict_proba(X))
    found, expected = loaded.predict(X), pipe.predict(X)
    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()
    assert [*map(type, found.tolist())] == [*map(type, expected.tolist())]
    return loaded


def test_a_new_process_gives_the_very_same_probabilities(pipe, reviews, tmp_path):
    save(pipe, tmp_path / "model.skr")
    (tmp_path / "X.json").write_text(json.dumps(list(reviews[0])))
    code = (
        "import json, numpy, skreviews; X = json.load(open('X.json'));"
        "numpy.save('proba.npy', skreviews.load('model.skr').predict_proba(X))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "proba.npy")
    assert np.array_equal(found, pipe.predict_proba(reviews[0]))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max", "attention"])
def test_every_cell_and_pooling_comes_back(reviews, tmp_path, cell, pooling):
    pipe = _make(*reviews, lstm={"cell": cell, "pooling": pooling})
    save(pipe, tmp_path / "model.skr")
    _same(pipe, tmp_path / "model.skr", reviews[0])


@pytest.mark.parametrize(
    "options",
    [
        {"lstm": {"num_layers": 2, "bidirectional": False}},
        {"lstm": {"ngram_range": None, "segment_len": 3}},
        {"lstm": {"ngram_range": (1, 1), "decision": "median"}},
        {"lstm": {"ngram_range": [2, 3], "class_weight": {5: 2.0, 1: np.float32(3)}}},
        {"lstm": {"lr": np.float64(0.01), "objective": "ordinal"}},
        {"lstm": {"early_stopping": True, "max_epochs": 3}},
        {"clean__stop_words": {"the", "not"}, "clean__stemmer": "porter"},
        {"clean__stop_words": np.array(["the", "a"]), "clean__emoji": "words"},
        {"vectorize__truncation": "tail", "vectorize__max_len": 3},
        {"vectorize__vocabulary": ["good", "Ünïcode 中", "\ud800", "a\nb", '"']},
        {"vectorize__vocabulary": {"bad": 3, "good": 2}, "vectorize__dtype": "int16"},
        {"clean": "passthrough", "resample": None},
        {"resample": "passthrough"},
        {"resample": TextResampler(RandomOverSampler(random_state=3))},
        {"resample__sampling_strategy": {1: 20, np.int64(5): 30}},
    ],
    ids=str,
)
def test_every_option_comes_back(reviews, tmp_path, options):
    pipe = _make(*reviews, **options)
    save(pipe, tmp_path / "model.skr")
    loaded = _same(pipe, tmp_path / "model.skr", reviews[0])
    found = loaded.get_params()
    for name, value in pipe.get_params().items():
        is_plain = not isinstance(value, (list, sklearn.base.BaseEstimator))
        if is_plain and not name.endswith(("device", "vocabulary", "dtype")):
            assert np.all(found[name] == value), name


@pytest.mark.parametrize(
    "to_label",
    [
        int,
        str,
        float,
        lambda star: star > 3,
        lambda star: np.float32(star),
        lambda star: np.uint8(star),
        lambda star: (int(star) // 2, f"star {star}"),
        lambda star: [0, "one", 2.5, False, ("x",), "ü"][star],
    ],
    ids=["int", "str", "float", "bool", "float32", "uint8", "tuple", "mixed"],
)
def test_labels_of_every_type_come_back(reviews, tmp_path, to_label):
    X, y = reviews
    labels = [to_label(star) for star in y]
    pipe = _make(X, labels, resample="passthrough")
    save(pipe, tmp_path / "model.skr")
    loaded = _same(pipe, tmp_path / "model.skr", X)
    assert loaded.classes_.dtype == pipe.classes_.dtype


def test_any_pipeline_of_the_steps_comes_back(reviews, tmp_path):
    X, y = reviews
    steps = [("words", SequenceVectorizer()), ("net", LSTMClassifier(**SMALL))]
    sampled = steps[:1] + [("more", RandomOverSampler(random_state=0))] + steps[1:]
    cleaner = ("tidy", TextCleaner(stemmer="porter"))
    for pipe in (
        sklearn.pipeline.Pipeline([cleaner, *steps]),
        sklearn.pipeline.Pipeline(steps),
        Pipeline(sampled),
    ):
        pipe = sklearn.base.clone(pipe).fit(X, y)
        save(pipe, tmp_path / "model.skr")
        loaded = _same(pipe, tmp_path / "model.skr", X)
        assert type(loaded) is type(pipe)
        assert [*loaded.named_steps] == [*pipe.named_steps]


def test_a_loaded_pipeline_can_be_fitted_and_saved_again(pipe, reviews, tmp_path):
    save(pipe, tmp_path / "model.skr")
    loaded = load(tmp_path / "model.skr", device="cpu")
    pd.testing.assert_frame_equal(loaded["lstm"].history_, pipe["lstm"].history_)
    ids = loaded[:-1].transform(reviews[0])
    loaded["lstm"].partial_fit(ids, reviews[1])
    assert len(loaded["lstm"].history_) == 2
    save(loaded, tmp_path / "again.skr")
    _same(loaded, tmp_path / "again.skr", reviews[0])
    loaded.fit(*reviews)
    assert np.array_equal(
        loaded.predict_proba(reviews[0]), pipe.predict_proba(reviews[0])
    )


def test_neither_saving_nor_loading_draws_from_torchs_generator(pipe, tmp_path):
    state = torch.get_rng_state()
    save(pipe, tmp_path / "model.skr")
    load(tmp_path / "model.skr")
    assert torch.equal(state, torch.get_rng_state())


def test_a_network_older_than_its_parameters_comes_back(reviews, tmp_path):
    pipe = _make(*reviews).set_params(lstm__hidden_size=9, lstm__decision="median")
    save(pipe, tmp_path / "model.skr")
    loaded = _same(pipe, tmp_path / "model.skr", reviews[0])
    assert loaded["lstm"].hidden_size == 9


def test_starts_are_left_out_and_the_card_says_so(reviews, tmp_path):
    X, y = reviews
    vectors = WordVectors(["good", "bad"], [[1.0, 0, 0], [-1, 0.5, 0]])
    pipe = _make(X, y, lstm={"word_vectors": vectors})
    other = _make(X, y, lstm={"random_state": np.random.RandomState(0)})
    base = make_review_pipeline(lstm__embedding_dim=4, lstm__hidden_size=4)
    third = pretrain(X, base.set_params(lstm__max_epochs=1), max_epochs=1).fit(X, y)
    for fitted, name in (
        (pipe, "word_vectors"),
        (other, "random_state"),
        (third, "pretrained"),
    ):
        save(fitted, tmp_path / "model.skr")
        loaded = _same(fitted, tmp_path / "model.skr", X)
        assert getattr(loaded["lstm"], name) is None
        card = _read(tmp_path / "model.skr", "card.md").replace("\\", "")
        assert f"lstm__{name} was" in card
    assert loaded["vectorize"].vocabulary == third["vectorize"]._words


def _read(path, part):
    with zipfile.ZipFile(path) as archive:
        return archive.read(part).decode()


def test_the_file_holds_its_parts_and_what_they_are(pipe, tmp_path):
    save(pipe, tmp_path / "model.skr")
    with zipfile.ZipFile(tmp_path / "model.skr") as archive:
        assert archive.namelist() == PARTS
        manifest = json.loads(archive.read("manifest.json"))
        for name, digest in manifest["sha256"].items():
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest
    assert manifest["format_version"] == 1
    assert set(manifest["sha256"]) == set(PARTS[1:])
    assert manifest["training"]["classes"] == list("12345")
    assert manifest["training"]["rows"] > 0
    assert "skreviews.LSTMClassifier" in manifest["classes"]
    assert {"torch", "scikit-learn"} <= manifest["versions"].keys()


def test_the_file_is_as_small_as_its_weights(reviews, tmp_path):
    pipe = _make(*reviews, lstm={"embedding_dim": 64, "ngram_buckets": 2**14})
    weights = pipe["lstm"].net_.module_.state_dict().values()
    n_bytes = 4 * sum(weight.numel() for weight in weights)
    sizes = {}
    for embeddings in ("float32", "float16", "int8"):
        cost = save(pipe, tmp_path / "model.skr", embeddings=embeddings)
        sizes[embeddings] = cost["bytes"]
        assert cost["bytes"] == (tmp_path / "model.skr").stat().st_size
    assert sizes["float32"] < n_bytes + 30_000
    assert sizes["float16"] < n_bytes / 2 + 30_000
    assert sizes["int8"] < n_bytes / 4 + 30_000


@pytest.mark.parametrize(("embeddings", "most"), [("float16", 1e-3), ("int8", 0.02)])
def test_smaller_numbers_cost_little_and_say_how_much(
    pipe, reviews, tmp_path, embeddings, most
):
    X, y = reviews
    path = tmp_path / "model.skr"
    cost = save(pipe, path, embeddings=embeddings, X=X, y=y)
    proba = load(path, device="cpu").predict_proba(X)
    change = np.abs(proba - pipe.predict_proba(X)).max()
    assert cost["largest_change"] == change
    assert 0 < change < most
    right = load(path, device="cpu").predict(X) == y
    assert cost["accuracy_after"] == right.mean()
    assert cost["other_label"] == np.mean(
        load(path, device="cpu").predict(X) != pipe.predict(X)
    )


def test_the_shapes_of_the_weights_are_those_of_the_module():
    for cell in ("lstm", "gru"):
        for pooling in ("last", "mean_max", "attention"):
            for ngram_range in (None, (1, 1), (1, 3)):
                for num_layers, bidirectional in ((1, True), (3, False), (2, True)):
                    params = {
                        "n_tokens": 7,
                        "n_classes": 3,
                        "embedding_dim": 5,
                        "hidden_size": 2,
                        "num_layers": num_layers,
                        "bidirectional": bidirectional,
                        "cell": cell,
                        "pooling": pooling,
                        "ngram_range": ngram_range,
                        "ngram_buckets": 11,
                    }
                    state = LSTMModule(**params).state_dict()
                    found = {name: tuple(w.shape) for name, w in state.items()}
                    assert find_shapes(**params) == found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA here")
def test_what_a_gpu_has_trained_loads_on_a_cpu(reviews, tmp_path):
    pipe = _make(*reviews, lstm={"device": "cuda"})
    save(pipe, tmp_path / "model.skr")
    found = load(tmp_path / "model.skr", device="cpu").predict_proba(reviews[0])
    np.testing.assert_allclose(found, pipe.predict_proba(reviews[0]), atol=1e-5)


def test_version_1_stays_readable(reviews):
    pipe = load(DATA / "version_1.skr", device="cpu")
    expected = json.loads((DATA / "version_1.json").read_text())
    found = pipe.predict_proba(expected["texts"])
    np.testing.assert_allclose(found, expected["probabilities"], atol=1e-5)


# What cannot be saved.


class Star(IntEnum):
    BAD = 1
    GOOD = 5


class OwnCleaner(TextCleaner):
    pass


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"vectorize__tokenizer": str.split}, "vectorize__tokenizer"),
        ({"lstm": {"net_params": {"optimizer__amsgrad": True}}}, "lstm__net_params"),
        ({"lstm": {"callbacks": [sklearn.base.BaseEstimator()]}}, "lstm__callbacks"),
        ({"resample__sampling_strategy": lambda y: {1: 5}}, "resample__sampling_strat"),
        ({"clean": OwnCleaner()}, "OwnCleaner"),
        ({"clean": FunctionTransformer()}, "FunctionTransformer"),
        ({"clean__stop_words": pd.Series(["the"])}, "clean__stop_words"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_may_be_code_is_refused_by_name(pipe, tmp_path, options, named):
    pipe = pickle.loads(pickle.dumps(pipe))
    lstm = options.pop("lstm", {})
    pipe.set_params(**options, **{f"lstm__{name}": lstm[name] for name in lstm})
    with pytest.raises(SkreviewsFileError, match=named):
        save(pipe, tmp_path / "model.skr")
    assert not any(tmp_path.iterdir())


def test_labels_of_classes_of_ones_own_are_refused(reviews, tmp_path):
    X, y = reviews
    labels = np.array([Star.GOOD if star > 3 else Star.BAD for star in y], object)
    pipe = _make(X, labels, resample="passthrough")
    with pytest.raises(SkreviewsFileError, match="the labels holds? <Star"):
        save(pipe, tmp_path / "model.skr")


def test_what_is_no_fitted_pipeline_is_refused(pipe, reviews, tmp_path):
    path = tmp_path / "model.skr"
    with pytest.raises(NotFittedError):
        save(make_review_pipeline(), path)
    with pytest.raises(SkreviewsFileError, match="LogisticRegression"):
        save(LogisticRegression(), path)
    linear = sklearn.pipeline.make_pipeline(TextCleaner(), LogisticRegression())
    with pytest.raises(TypeError, match="LSTMClassifier"):
        save(linear, path)
    other = pickle.loads(pickle.dumps(pipe))
    other["vectorize"].fit(["other words"])
    with pytest.raises(SkreviewsFileError, match="as a whole"):
        save(other, path)
    with pytest.raises(ValueError, match=r"\*\.skr"):
        save(pipe, tmp_path / "model.joblib")
    with pytest.raises(ValueError, match="not there"):
        save(pipe, tmp_path / "none" / "model.skr")
    assert not any(tmp_path.iterdir())


def test_weights_that_are_not_finite_are_not_saved(pipe, tmp_path):
    save(pipe, tmp_path / "model.skr")
    before = (tmp_path / "model.skr").read_bytes()
    broken = pickle.loads(pickle.dumps(pipe))
    with torch.no_grad():
        broken["lstm"].net_.module_.head.bias[0] = torch.nan
    with pytest.raises(SkreviewsFileError, match="head.bias.*NaN"):
        save(broken, tmp_path / "model.skr")
    # The file that was there is there still, and nothing else.
    assert (tmp_path / "model.skr").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model.skr"]


# Hostile files.


def _parts_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _pack(parts, **options):
    """Return a zip of the parts as they are."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", **options) as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part, options.get("compression"))
    return data.getvalue()


def _forge(saved, manifest=None, **changes):
    """Return a file with other parts, whose checksums are right."""
    parts = _parts_of(saved)
    for name, change in changes.items():
        name = {"params": "params.json", "words": "vocabulary.json"}.get(name, name)
        if name.endswith(".json"):
            value = json.loads(parts[name])
            parts[name] = json.dumps(change(value) or value).encode()
        else:
            parts["weights.safetensors"] = change(parts["weights.safetensors"])
    return _seal(parts, manifest)


def _seal(parts, manifest=None):
    """Return a file of the parts, whose checksums are right."""
    about = json.loads(parts["manifest.json"])
    about["sha256"] = {
        name: hashlib.sha256(part).hexdigest()
        for name, part in parts.items()
        if name != "manifest.json"
    }
    parts["manifest.json"] = json.dumps(about | (manifest or {})).encode()
    return _pack(parts)


def _refuse(path, data, match):
    path.write_bytes(data)
    with pytest.raises(SkreviewsFileError, match=match) as caught:
        load(path, device="cpu")
    assert str(path) in str(caught.value)


def test_a_forged_file_that_changes_nothing_loads(saved, pipe, reviews, tmp_path):
    (tmp_path / "model.skr").write_bytes(_forge(saved))
    _same(pipe, tmp_path / "model.skr", reviews[0])


class Exploit:
    def __reduce__(self):
        return Path.touch, (Path("ran_code"),)


def test_a_pickle_is_refused_and_not_run(pipe, saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.skr"
    joblib.dump(pipe, path)
    _refuse(path, path.read_bytes(), "joblib.load")
    exploit = pickle.dumps(Exploit())
    _refuse(path, exploit, "no model file")
    torch.save({"weights": torch.ones(2)}, path)
    _refuse(path, path.read_bytes(), "no model|parts")
    _refuse(path, _forge(saved, weights=lambda _: exploit), "safetensors")
    parts = _parts_of(saved) | {"weights.safetensors": exploit}
    _refuse(path, _pack(parts), "checksum")
    _refuse(path, _pack(_parts_of(saved) | {"data.pkl": exploit}), "6 parts")
    assert not Path("ran_code").exists()


def test_a_newer_format_asks_for_a_newer_package(saved, tmp_path):
    newer = _forge(saved, manifest={"format_version": 2})
    _refuse(tmp_path / "m.skr", newer, "install a newer skreviews")
    for version in (0, "1", None, 1.0, True, 10**30):
        data = _forge(saved, manifest={"format_version": version})
        _refuse(tmp_path / "m.skr", data, "version")


def test_an_unknown_class_is_refused(saved, tmp_path):
    def change(params):
        params["steps"][0][1]["class"] = "os.system"

    data = _forge(saved, params=change)
    _refuse(tmp_path / "m.skr", data, "manifest lists other classes")
    classes = json.loads(_parts_of(saved)["manifest.json"])["classes"]
    classes = sorted({*classes, "os.system"} - {"skreviews.TextCleaner"})
    data = _forge(saved, manifest={"classes": classes}, params=change)
    _refuse(tmp_path / "m.skr", data, "'os.system', which is no class")


@pytest.mark.parametrize("name", ["../evil.json", "/etc/evil", "params.json", "x" * 99])
def test_other_names_and_duplicates_are_refused(saved, tmp_path, name):
    parts = _parts_of(saved)
    del parts["card.md"]
    data = io.BytesIO(_pack(parts))
    with zipfile.ZipFile(data, "a") as archive:
        with pytest.warns(UserWarning) if name in parts else nullcontext():
            archive.writestr(name, b"{}")
    _refuse(tmp_path / "m.skr", data.getvalue(), "parts are .* Do not use it")
    assert [path.name for path in tmp_path.iterdir()] == ["m.skr"]


def test_compressed_and_encrypted_parts_are_refused(saved, tmp_path):
    parts = _parts_of(saved)
    bomb = parts | {"card.md": b" " * 10**7}
    data = _pack(bomb, compression=zipfile.ZIP_DEFLATED)
    _refuse(tmp_path / "m.skr", data, "compressed")
    encrypted = bytearray(saved)
    place = saved.index(b"PK\x01\x02")
    encrypted[place + 8] |= 1
    _refuse(tmp_path / "m.skr", bytes(encrypted), "encrypted")


def test_sizes_are_capped_before_anything_is_read(saved, tmp_path):
    path = tmp_path / "m.skr"
    many = _pack({f"{i}": b"" for i in range(2000)})
    _refuse(path, many, "2000 parts")
    big = _pack(_parts_of(saved) | {"manifest.json": b" " * 2**17})
    _refuse(path, big, "manifest.json has 131,072 bytes")
    # A part that claims to be longer than the file.
    longer = bytearray(saved)
    place = saved.index(b"PK\x01\x02")
    longer[place + 20 : place + 28] = struct.pack("<2I", 2**31, 2**31)
    _refuse(path, bytes(longer), "larger than the file")
    _refuse(path, saved + b"more", "end of the archive")


@pytest.mark.parametrize(
    "text",
    ["[" * 10**6, "[" * 60 + "]" * 60, "{", "1" * 5000, '"\\', "", '{"a":' * 10**5],
)
@pytest.mark.parametrize("part", ["manifest.json", "params.json", "vocabulary.json"])
def test_deep_or_broken_json_is_refused(saved, tmp_path, text, part):
    parts = _parts_of(saved) | {part: text.encode()}
    if part != "manifest.json":
        about = json.loads(parts["manifest.json"])
        about["sha256"][part] = hashlib.sha256(text.encode()).hexdigest()
        parts["manifest.json"] = json.dumps(about).encode()
    _refuse(tmp_path / "m.skr", _pack(parts), "too deep|no JSON|more than the 65,536")


@pytest.mark.parametrize("value", [None, [], 1, "x", {}, [[]], {"kind": "x"}])
@pytest.mark.parametrize("part", ["manifest.json", "params.json", "vocabulary.json"])
def test_json_of_another_kind_is_refused(saved, tmp_path, value, part):
    if part == "manifest.json":
        parts = _parts_of(saved) | {part: json.dumps(value).encode()}
        data = _pack(parts)
    else:
        parts = _parts_of(saved) | {part: json.dumps(value).encode()}
        about = json.loads(parts["manifest.json"])
        about["sha256"][part] = hashlib.sha256(parts[part]).hexdigest()
        data = _pack(parts | {"manifest.json": json.dumps(about).encode()})
    _refuse(tmp_path / "m.skr", data, ".")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("module", "hidden_size"), 10**9),
        (("module", "hidden_size"), 10**40),
        (("module", "hidden_size"), "x"),
        (("module", "hidden_size"), -1),
        (("module", "num_layers"), 10**9),
        (("module", "ngram_buckets"), 2**60),
        (("module", "embedding_dim"), 2**40),
        (("module", "n_tokens"), 2**40),
        (("module", "n_classes"), 6),
        (("module", "cell"), "rnn"),
        (("module", "cell"), "gru"),
        (("module", "pooling"), "attention"),
        (("module", "ngram_range"), None),
        (("module", "evil"), 1),
        (("module", "device"), "cuda"),
        (("module", "lr"), 0.1),
        (("max_len",), 2**40),
        (("max_len",), -1),
        (("max_len",), "9"),
        (("size",), ["a", "b"]),
        (("labels", "dtype"), "datetime64[ns]"),
        (("labels", "values"), [1, 2, 3, 4, 4]),
        (("labels", "values"), [1, 2, 3]),
        (("embeddings",), "int4"),
        (("embeddings",), "int8"),
        (("history",), []),
        (("pipeline",), "os.system"),
        (("steps",), []),
        (("steps", 0, 1, "params", "urls"), "http://evil"),
        (("steps", 0, 1, "params", "evil"), 1),
        (("steps", 2, 1, "params", "tokenizer"), "str.split"),
        (("steps", 2, 1, "params", "vocabulary"), ["a"]),
        (("steps", 2, 1, "params", "dtype"), "object"),
        (("steps", 2, 0), "lstm"),
        (("steps", 3, 1), "passthrough"),
        (("steps", 3, 1, "params", "n_threads"), 10**9),
        (("steps", 3, 1, "params", "hidden_size"), 0),
        (("steps", 3, 1, "params", "net_params"), {"kind": "dict", "items": []}),
        (("steps", 3, 1, "params", "callbacks"), []),
        (("steps", 3, 1, "params", "random_state"), "x"),
        (("steps", 3, 1, "params", "ngram_range"), {"kind": "os", "items": []}),
    ],
    ids=str,
)
def test_hostile_parameters_are_refused(saved, tmp_path, place, value):
    def change(params):
        *path, last = place
        for key in path:
            params = params[key]
        params[last] = value

    _refuse(tmp_path / "m.skr", _forge(saved, params=change), ".")


def _change_weights(change):
    def forge(data):
        weights = safetensors.numpy.load(data)
        change(weights)
        return safetensors.numpy.save(weights)

    return forge


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.pop("head.bias"),
        lambda w: w.update(evil=np.zeros(3, np.float32)),
        lambda w: w.update({"head.bias": np.zeros(6, np.float32)}),
        lambda w: w.update({"head.bias": np.zeros(5, np.float64)}),
        lambda w: w.update({"head.bias": np.full(5, np.nan, np.float32)}),
        lambda w: w.update({"head.bias": np.full(5, np.inf, np.float32)}),
        lambda w: w.update({f"{i}": np.zeros(0, np.float32) for i in range(10**4)}),
        lambda w: w.update({f"{i}": np.zeros(0, np.float32) for i in range(10**5)}),
    ],
)
def test_weights_that_disagree_with_the_parameters_are_refused(saved, tmp_path, change):
    data = _forge(saved, weights=_change_weights(change))
    _refuse(tmp_path / "m.skr", data, "weights.safetensors|head.bias")


@pytest.mark.parametrize("words", [[1, 2], ["a", "a"], [], {"a": 1}])
def test_a_vocabulary_that_is_none_is_refused(saved, tmp_path, words):
    data = _forge(saved, words=lambda _: words if words else ["just one"])
    _refuse(tmp_path / "m.skr", data, "distinct words|n_tokens")


def test_a_truncated_file_is_refused(saved, tmp_path):
    for size in (0, 1, 21, 22, 100, len(saved) // 2, len(saved) - 1):
        _refuse(tmp_path / "m.skr", saved[:size], "end of the archive")


def _mutate(data, random):
    """Flip bits, cut out, swap, repeat, zero, or inflate parts of a file."""
    data = bytearray(data)
    # Half of the changes hit the headers of the zip, the rest any place.
    marks = [found.start() for found in re.finditer(b"PK", data[:-2])]
    if marks and random.random() < 0.5:
        start = int(random.choice(marks)) + int(random.integers(46))
    else:
        start = int(random.integers(len(data)))
    start = min(start, len(data) - 1)
    stop = min(len(data), start + int(random.integers(1, 64)))
    kind = random.integers(6)
    if kind == 0:
        data[start] ^= 1 << int(random.integers(8))
    elif kind == 1:
        del data[start:stop]
    elif kind == 2:
        other = int(random.integers(len(data) - 64))
        swapped = data[other : other + stop - start]
        data[other : other + stop - start] = data[start:stop]
        data[start:stop] = swapped
    elif kind == 3:
        data[stop:stop] = data[start:stop]
    elif kind == 4:
        data[start:stop] = bytes(stop - start)
    else:
        data[start : start + 4] = b"\xff" * len(data[start : start + 4])
    return bytes(data)


def test_a_mutated_file_is_refused_or_gives_the_very_same(
    saved, pipe, reviews, tmp_path
):
    random = np.random.default_rng(0)
    X = reviews[0][:20]
    expected = pipe.predict_proba(X)
    path = tmp_path / "m.skr"
    n_refused = 0
    for _ in range(200):
        path.write_bytes(_mutate(saved, random))
        with suppress(SkreviewsFileError):
            describe(path)
        try:
            loaded = load(path, device="cpu")
        except SkreviewsFileError:
            n_refused += 1
        else:
            assert np.array_equal(loaded.predict_proba(X), expected)
    assert n_refused > 150


def test_no_mutated_file_takes_more_than_twice_the_memory_or_runs_code(
    reviews, tmp_path
):
    # Large tables, beside which all else is small: 1.3 MB in 2 tensors.
    path = tmp_path / "m.skr"
    save(_make(*reviews, lstm={"ngram_buckets": 2**16}), path)
    honest = path.read_bytes()
    _find_peak(path)  # what it imports, and caches, it does once
    need, _ = _find_peak(path)
    assert need > len(honest)
    random = np.random.default_rng(1)
    parts = _parts_of(honest)
    for number in range(400):
        if number < 200:
            path.write_bytes(_mutate(honest, random))
        else:  # by someone who gets the checksums right
            name = str(random.choice(PARTS[1:4]))
            path.write_bytes(_seal(parts | {name: _mutate(parts[name], random)}))
        peak, events = _find_peak(path)
        assert peak <= 2 * need
        assert events == []


# What Python tells of the running of code; a file is opened besides.
_CODE = ("compile", "exec", "import", "pickle.", "marshal.", "os.system")
_CODE += ("subprocess.", "ctypes.", "code.")
_heard = None


def _hear(event, args):
    if _heard is not None and event.startswith(_CODE):
        _heard.append((event, args))


sys.addaudithook(_hear)  # for good: there is no way to take one away


def _find_peak(path):
    """Return the most memory that a load has at once, and what code it has run."""
    global _heard
    _heard = []
    tracemalloc.start()
    try:
        load(path, device="cpu")
    except SkreviewsFileError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        heard, _heard = _heard, None
    return peak, heard


def test_a_device_that_is_not_there_is_refused(saved, tmp_path):
    (tmp_path / "m.skr").write_bytes(saved)
    with pytest.raises(ValueError, match="device='tpu'"):
        load(tmp_path / "m.skr", device="tpu")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.skr")


# What describe tells.


def test_describe_tells_what_is_in_the_file(pipe, saved, tmp_path):
    path = tmp_path / "m.skr"
    path.write_bytes(saved)
    about = describe(path)
    assert about["bytes"] == len(saved)
    assert about["sha256"] == hashlib.sha256(saved).hexdigest()
    assert about["format_version"] == 1
    assert about["labels"] == [1, 2, 3, 4, 5]
    assert about["n_words"] == len(pipe["vectorize"].vocabulary_)
    assert about["max_len"] == pipe["vectorize"].max_len_
    weights = pipe["lstm"].net_.module_.parameters()
    assert about["n_weights"] == sum(weight.numel() for weight in weights)
    assert about["steps"]["clean"] == {
        "class": "skreviews.TextCleaner",
        "params": {"digits": "shape", "punctuation": "separate", "stemmer": "snowball"},
    }
    assert about["steps"]["lstm"]["params"] == SMALL | {"class_weight": "auto"}
    assert about["training"]["rows"] > 0 and "torch" in about["versions"]
    assert about["parts"] == {
        name: len(part)
        for name, part in _parts_of(saved).items()
        if name != "manifest.json"
    }
    assert about["card"] == model_card(pipe)
    assert json.loads(json.dumps(about)) == about


def test_describe_writes_any_parameter_so_that_json_can_hold_it(reviews, tmp_path):
    pipe = _make(
        *reviews,
        clean__stop_words=["the", "a"],
        vectorize__vocabulary=["good", "bad"],
        vectorize__dtype=np.int64,
        resample=TextResampler(RandomOverSampler(random_state=0)),
        lstm={"class_weight": {1: 2.0}, "word_dropout": 0.5},
    )
    save(pipe, tmp_path / "m.skr", embeddings="int8")
    about = describe(tmp_path / "m.skr")
    assert json.loads(json.dumps(about, allow_nan=False)) == about
    assert about["steps"]["vectorize"]["params"] == {
        "dtype": "int64",
        "vocabulary": "2 words",
    }
    assert "RandomOverSampler" in about["steps"]["resample"]["params"]["sampler"]
    weights = pipe["lstm"].net_.module_.parameters()
    assert about["n_weights"] == sum(weight.numel() for weight in weights)
    assert about["embeddings"] == "int8"


def test_describe_refuses_what_is_not_as_it_should_be(saved, tmp_path):
    path = tmp_path / "m.skr"
    for data in (
        b"no model",
        saved[:-100],
        _forge(saved, {"training": {"rows": []}}),
        _forge(saved, params=lambda params: params | {"max_len": []}),
        _forge(saved, params=lambda params: params | {"labels": {}}),
        _forge(saved, words=lambda words: [1, 2]),
        _forge(saved, weights=lambda data: b"\xff" * 8),
        _forge(saved, weights=lambda data: (9).to_bytes(8, "little") + b'{"a": "b"}'),
    ):
        path.write_bytes(data)
        with pytest.raises(SkreviewsFileError, match="m.skr cannot be read"):
            describe(path)


# The card.


def test_the_card_tells_data_scores_with_intervals_and_limits(pipe, reviews, tmp_path):
    report = evaluate(pipe, *reviews, random_state=0)
    card = model_card(pipe, report)
    for title in ("## Training data", "## Scores", "## Limits", "## Made with"):
        assert title in card
    row = report.tables()["Scores"][1]
    assert row[1].replace("[", r"\[").replace("]", r"\]") in card
    assert "Not judged" in model_card(pipe)
    save(pipe, tmp_path / "model.skr", report=report)
    assert _read(tmp_path / "model.skr", "card.md") == card


def test_labels_and_parameters_are_no_markup_in_the_card(reviews):
    X, y = reviews
    labels = np.where(y > 3, "<b>|good", "*bad*\nnews")
    pipe = _make(X, labels, resample="passthrough")
    card = model_card(pipe, evaluate(pipe, X, labels, random_state=0))
    assert "<b>" not in card and "*bad*" not in card.replace(r"\*bad\*", "")
    rows = [line for line in card.splitlines() if line.startswith("| ")]
    assert r"&lt;b&gt;\|good" in card and rows


def test_the_card_asks_for_a_fitted_pipeline():
    with pytest.raises(NotFittedError):
        model_card(make_review_pipeline())
    with pytest.raises(TypeError, match="LSTMClassifier"):
        model_card(LogisticRegression())
