"""Model files: what they keep, and what `load` refuses."""

import hashlib
import json
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from contextlib import suppress
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
    NgramClassifier,
    SequenceVectorizer,
    SkreviewsFileError,
    TextCleaner,
    TextResampler,
    WordVectors,
    evaluate,
    load,
    make_review_pipeline,
    make_reviews,
    model_card,
    save,
)
from skreviews.persistence import describe

SMALL = {
    "embedding_dim": 4,
    "hidden_size": 4,
    "ngrams__n_buckets": 64,
    "max_epochs": 1,
    "random_state": 0,
}
DATA = Path(__file__).parent / "data"
DTYPES = {"F32": "<f4", "F16": "<f2", "I8": "|i1", "F64": "<f8", "U8": "|u1"}


def _make(X, y, *, lstm=None, **steps):
    pipe = make_review_pipeline(random_state=0)
    params = SMALL | (lstm or {})
    pipe.set_params(**steps, **{f"lstm__{name}": params[name] for name in params})
    return pipe.fit(X, y)


@pytest.fixture(scope="module")
def reviews():
    """Generated reviews: texts and labels 1-5, few enough for many fits."""
    return make_reviews(60, random_state=0)


@pytest.fixture(scope="module")
def pipe(reviews):
    return _make(*reviews)


@pytest.fixture(scope="module")
def saved(pipe, tmp_path_factory):
    """The bytes of a model file."""
    path = tmp_path_factory.mktemp("saved") / "model.skr"
    save(pipe, path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skr"


def _assert_same(pipe, path, X):
    loaded = load(path, device="cpu")
    assert np.array_equal(loaded.predict_proba(X), pipe.predict_proba(X))
    found, expected = loaded.predict(X), pipe.predict(X)
    assert found.dtype == expected.dtype
    assert found.tolist() == expected.tolist()
    assert [*map(type, found.tolist())] == [*map(type, expected.tolist())]
    return loaded


# What a file keeps.


def test_another_process_gives_the_same_probabilities(pipe, reviews, path):
    save(pipe, path)
    path.with_name("X.json").write_text(json.dumps(list(reviews[0])))
    code = (
        "import json, numpy, skreviews; X = json.load(open('X.json'));"
        "numpy.save('proba.npy', skreviews.load('model.skr').predict_proba(X))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=path.parent, check=True)
    found = np.load(path.with_name("proba.npy"))
    assert np.array_equal(found, pipe.predict_proba(reviews[0]))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max", "attention"])
def test_every_cell_and_pooling_is_kept(reviews, path, cell, pooling):
    pipe = _make(*reviews, lstm={"cell": cell, "pooling": pooling})
    save(pipe, path)
    _assert_same(pipe, path, reviews[0])


@pytest.mark.parametrize(
    "options",
    [
        {"lstm": {"num_layers": 2, "bidirectional": False}},
        {"lstm": {"ngrams": NgramClassifier(n_buckets=7), "ngram_weight": 0.25}},
        {"lstm": {"ngrams__ngram_range": (1, 1), "decision": "median"}},
        {"lstm": {"ngrams__ngram_range": [2, 3], "ngrams__C": np.float64(2)}},
        {"lstm": {"lr": np.float64(0.01), "class_weight": {5: 2.0, 1: np.float32(3)}}},
        {"lstm": {"early_stopping": True, "max_epochs": 3, "max_len": 5}},
        {"clean__stop_words": {"not"}, "vectorize__stemmer": "porter"},
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
def test_every_parameter_is_kept(reviews, path, options):
    pipe = _make(*reviews, **options)
    save(pipe, path)
    loaded = _assert_same(pipe, path, reviews[0])
    assert loaded["vectorize"].vocabulary_ == pipe["vectorize"].vocabulary_
    assert loaded["vectorize"]._words == pipe["vectorize"]._words
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
def test_labels_of_every_type_are_kept(reviews, path, to_label):
    X, y = reviews
    labels = [to_label(star) for star in y]
    pipe = _make(X, labels, resample="passthrough")
    save(pipe, path)
    loaded = _assert_same(pipe, path, X)
    assert loaded.classes_.dtype == pipe.classes_.dtype


def test_other_pipelines_of_the_same_steps_are_kept(reviews, path):
    X, y = reviews
    lstm = LSTMClassifier(ngrams=NgramClassifier()).set_params(**SMALL)
    steps = [("words", SequenceVectorizer()), ("net", lstm)]
    sampled = steps[:1] + [("more", RandomOverSampler(random_state=0))] + steps[1:]
    cleaner = ("tidy", TextCleaner(stemmer="porter"))
    for pipe in (
        sklearn.pipeline.Pipeline([cleaner, *steps]),
        sklearn.pipeline.Pipeline(steps),
        Pipeline(sampled),
    ):
        pipe = sklearn.base.clone(pipe).fit(X, y)
        save(pipe, path)
        loaded = _assert_same(pipe, path, X)
        assert type(loaded) is type(pipe)
        assert [*loaded.named_steps] == [*pipe.named_steps]


def test_a_loaded_pipeline_can_be_fitted_and_saved_again(pipe, reviews, path):
    save(pipe, path)
    loaded = load(path, device="cpu")
    pd.testing.assert_frame_equal(loaded["lstm"].history_, pipe["lstm"].history_)
    ids = loaded[:-1].transform(reviews[0])
    loaded["lstm"].partial_fit(ids, reviews[1])
    assert len(loaded["lstm"].history_) == 2
    save(loaded, path)
    _assert_same(loaded, path, reviews[0])
    loaded.fit(*reviews)
    assert np.array_equal(
        loaded.predict_proba(reviews[0]), pipe.predict_proba(reviews[0])
    )


@pytest.mark.parametrize("ngrams", [None, NgramClassifier(n_buckets=64)], ids=str)
@pytest.mark.parametrize("labels", [[1, 2, 3, 4, 5], [False, True]], ids=str)
def test_a_pipeline_fitted_by_partial_fit_is_kept(reviews, path, ngrams, labels):
    X, y = reviews
    y = y if len(labels) == 5 else y > 3
    vectorizer = SequenceVectorizer()
    lstm = LSTMClassifier(ngrams=ngrams, hidden_size=4, embedding_dim=4, random_state=0)
    lstm.partial_fit(vectorizer.fit_transform(X), y, classes=labels)
    pipe = sklearn.pipeline.Pipeline([("vectorize", vectorizer), ("lstm", lstm)])
    save(pipe, path)
    _assert_same(pipe, path, X)


def test_saving_and_loading_leave_the_global_generator_of_torch_alone(pipe, path):
    state = torch.get_rng_state()
    save(pipe, path)
    load(path)
    assert torch.equal(state, torch.get_rng_state())


def test_a_network_older_than_the_parameters_is_kept(reviews, path):
    pipe = _make(*reviews).set_params(lstm__hidden_size=9, lstm__decision="median")
    save(pipe, path)
    loaded = _assert_same(pipe, path, reviews[0])
    assert loaded["lstm"].hidden_size == 9


def test_inputs_of_fit_are_left_out_and_the_card_says_so(reviews, path):
    X, y = reviews
    vectors = WordVectors(["good", "bad"], [[1.0, 0, 0], [-1, 0.5, 0]])
    pipe = _make(X, y, lstm={"word_vectors": vectors})
    other = _make(X, y, lstm={"random_state": np.random.RandomState(0)})
    for fitted, name in ((pipe, "word_vectors"), (other, "random_state")):
        save(fitted, path)
        loaded = _assert_same(fitted, path, X)
        assert getattr(loaded["lstm"], name) is None
        card = describe(path)["card"].replace("\\", "")
        assert f"lstm__{name} was" in card


def test_safetensors_reads_the_file(pipe, path):
    save(pipe, path)
    tensors = safetensors.numpy.load_file(path)
    for name, weight in pipe["lstm"].net_.module_.state_dict().items():
        assert np.array_equal(tensors.pop(f"lstm.{name}"), weight.numpy())
    ngrams = pipe["lstm"].ngrams_
    assert np.array_equal(tensors.pop("ngrams.weights"), ngrams.weights_)
    assert np.array_equal(tensors.pop("ngrams.intercept"), ngrams.intercept_)
    assert not tensors
    with safetensors.safe_open(path, framework="numpy") as file:
        contents = json.loads(file.metadata()["skreviews"])
    assert contents["format_version"] == 1
    assert contents["training"]["classes"] == list("12345")
    assert contents["training"]["samples"] == pipe["lstm"].recipe_.n_samples
    assert "skreviews.LSTMClassifier" in contents["classes"]
    assert {"torch", "scikit-learn"} <= contents["versions"].keys()
    assert contents["vocabulary"]["words"] == list(pipe["vectorize"].vocabulary_)
    assert tuple(contents["vocabulary"]["surface_forms"]) == pipe["vectorize"]._words
    assert contents["card"] == model_card(pipe)


def test_equal_pipelines_give_equal_files(pipe, saved, path):
    save(pipe, path)
    assert path.read_bytes() == saved


def test_the_file_is_as_small_as_its_weights(reviews, path):
    pipe = _make(*reviews, lstm={"embedding_dim": 64, "ngrams__n_buckets": 2**14})
    n_bytes = 4 * _count_weights(pipe)
    sizes = {}
    for embeddings in ("float32", "float16", "int8"):
        cost = save(pipe, path, embeddings=embeddings)
        sizes[embeddings] = cost["bytes"]
        assert cost["bytes"] == path.stat().st_size
    assert sizes["float32"] < n_bytes + 30_000
    assert sizes["float16"] < n_bytes / 2 + 30_000
    assert sizes["int8"] < n_bytes / 4 + 30_000


def _count_weights(pipe):
    net, ngrams = pipe["lstm"].net_, pipe["lstm"].ngrams_
    n_weights = sum(weight.numel() for weight in net.module_.parameters())
    return n_weights + ngrams.coef_.size + ngrams.intercept_.size


@pytest.mark.parametrize(("embeddings", "most"), [("float16", 1e-3), ("int8", 0.02)])
def test_reduced_precision_costs_little_and_save_reports_it(
    pipe, reviews, path, embeddings, most
):
    X, y = reviews
    cost = save(pipe, path, embeddings=embeddings, X=X, y=y)
    loaded = load(path, device="cpu")
    change = np.abs(loaded.predict_proba(X) - pipe.predict_proba(X)).max()
    assert cost["largest_change"] == change
    assert 0 < change < most
    found = loaded.predict(X)
    assert cost["accuracy_before"] == (pipe.predict(X) == y).mean()
    assert cost["accuracy_after"] == (found == y).mean()
    assert cost["other_label"] == np.mean(found != pipe.predict(X))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA is not available")
def test_a_model_trained_on_a_gpu_loads_on_a_cpu(reviews, path):
    pipe = _make(*reviews, lstm={"device": "cuda"})
    save(pipe, path)
    found = load(path, device="cpu").predict_proba(reviews[0])
    np.testing.assert_allclose(found, pipe.predict_proba(reviews[0]), atol=1e-5)


def test_version_1_stays_readable():
    # The files are those of `_make_golden_file`, run when the format was fixed.
    pipe = load(DATA / "version_1.skr", device="cpu")
    expected = json.loads((DATA / "version_1.json").read_text())
    found = pipe.predict_proba(expected["texts"])
    np.testing.assert_allclose(found, expected["probabilities"], atol=1e-5)


def _make_golden_file():
    texts = ["Love it!", "Crashes a lot", "", "to good overall useful since sare"]
    pipe = _make(*make_reviews(60, random_state=0), lstm={"precision": "fp32"})
    save(pipe, DATA / "version_1.skr")
    expected = {"texts": texts, "probabilities": pipe.predict_proba(texts).tolist()}
    (DATA / "version_1.json").write_text(json.dumps(expected, indent=1) + "\n")


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
def test_a_parameter_that_may_be_code_is_refused_by_name(pipe, path, options, named):
    pipe = pickle.loads(pickle.dumps(pipe))
    lstm = options.pop("lstm", {})
    pipe.set_params(**options, **{f"lstm__{name}": lstm[name] for name in lstm})
    with pytest.raises(SkreviewsFileError, match=named):
        save(pipe, path)
    assert not any(path.parent.iterdir())


def test_labels_of_another_class_are_refused(reviews, path):
    X, y = reviews
    labels = np.array([Star.GOOD if star > 3 else Star.BAD for star in y], object)
    pipe = _make(X, labels, resample="passthrough")
    with pytest.raises(SkreviewsFileError, match="the labels is <Star"):
        save(pipe, path)


def test_only_a_fitted_pipeline_is_saved(pipe, path):
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
        save(pipe, path.with_suffix(".joblib"))
    with pytest.raises(ValueError, match="the folder .*none"):
        save(pipe, path.parent / "none" / "model.skr")
    assert not any(path.parent.iterdir())


def test_weights_that_are_not_finite_are_not_saved(pipe, path):
    save(pipe, path)
    before = path.read_bytes()
    broken = pickle.loads(pickle.dumps(pipe))
    with torch.no_grad():
        broken["lstm"].net_.module_.head.bias[0] = torch.nan
    with pytest.raises(SkreviewsFileError, match="head.bias.*NaN"):
        save(broken, path)
    # The old file stays, and the temporary one is removed.
    assert path.read_bytes() == before
    assert [*path.parent.iterdir()] == [path]


# Hostile files.


def _split(data):
    """Return the JSON and the tensors of a file."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    contents = json.loads(header.pop("__metadata__")["skreviews"])
    tensors = {}
    for name, about in header.items():
        first, last = (start + offset for offset in about["data_offsets"])
        tensor = np.frombuffer(data[first:last], DTYPES[about["dtype"]])
        tensors[name] = tensor.reshape(about["shape"])
    return contents, tensors


def _join(contents, tensors):
    """Return a file with any contents, JSON as a str or a dict, and its checksum."""
    if isinstance(contents, dict):
        contents = {key: contents[key] for key in contents if key != "sha256"}
        digest = hashlib.sha256(json.dumps(contents, ensure_ascii=False).encode())
        for name in sorted(tensors):
            digest.update(name.encode() + tensors[name].tobytes())
        contents = json.dumps(contents | {"sha256": digest.hexdigest()})
    return safetensors.numpy.save(tensors, {"skreviews": contents})


def _forge(saved, **changes):
    """Return a file with other JSON and the right checksum."""
    contents, tensors = _split(saved)
    return _join(contents | changes, tensors)


def _forge_parameters(saved, keys, value):
    """Return a file with one value in the JSON of its parameters replaced."""
    contents, tensors = _split(saved)
    *path, last = keys
    params = contents["parameters"]
    for key in path:
        params = params[key]
    params[last] = value
    return _join(contents, tensors)


def _unpack(saved):
    """Return the header of a file as bytes, and what follows."""
    start = 8 + int.from_bytes(saved[:8], "little")
    return saved[8:start], saved[start:]


def _pack(header, data=b""):
    """Return a file of these parts."""
    return len(header).to_bytes(8, "little") + header + data


def _refuse(path, data, match="."):
    path.write_bytes(data)
    with pytest.raises(SkreviewsFileError, match=match) as caught:
        load(path, device="cpu")
    assert str(path) in str(caught.value)


def test_a_forged_file_without_changes_loads(saved, pipe, reviews, path):
    path.write_bytes(_join(*_split(saved)))
    _assert_same(pipe, path, reviews[0])


class Exploit:
    def __reduce__(self):
        return Path.touch, (Path("ran_code"),)


def test_a_pickle_is_refused_and_not_run(pipe, saved, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    joblib.dump(pipe, path)
    _refuse(path, path.read_bytes(), "not a model file.*joblib.load")
    exploit = pickle.dumps(Exploit())
    _refuse(path, exploit, "not a model file")
    torch.save({"weights": torch.ones(2)}, path)
    _refuse(path, path.read_bytes(), "not a model file")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", b"{}")
    _refuse(path, path.read_bytes(), "not a model file")
    tensors = _split(saved)[1]
    _refuse(path, _join(exploit.decode("latin1"), tensors), "JSON is damaged")
    _refuse(path, _pack(exploit), "not a model file")
    assert not Path("ran_code").exists()


def test_a_newer_format_asks_for_a_newer_package(saved, path):
    newer = _forge(saved, format_version=2, more="of the future")
    _refuse(path, newer, "install a newer skreviews")
    for version in (0, "1", None, 1.0, True, 10**30):
        _refuse(path, _forge(saved, format_version=version), "version")


def test_other_safetensors_files_are_refused(saved, path):
    contents, tensors = _split(saved)
    for metadata in (
        None,
        {},
        {"format": "pt"},
        {"skreviews": "null"},
        {"skreviews": json.dumps(contents), "more": "{}"},
    ):
        data = safetensors.numpy.save(tensors, metadata)
        _refuse(path, data, "not a model of skreviews")


def test_an_unknown_class_is_refused(saved, path):
    keys = ("steps", 0, 1, "class")
    data = _forge_parameters(saved, keys, "os.system")
    _refuse(path, data, "classes listed are others")
    classes = _split(saved)[0]["classes"]
    classes = sorted({*classes, "os.system"} - {"skreviews.TextCleaner"})
    data = _forge_parameters(_forge(saved, classes=classes), keys, "os.system")
    _refuse(path, data, "'os.system', which is not an allowed class")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"__metadata__":', b'"__metadata__":{},"__metadata__":'),
        (b'"lstm.head.bias":', b'"lstm.head.bias":{},"lstm.head.bias":'),
        (b'"lstm.head.bias":{', b'"lstm.head.bias":{"evil":' + b"[" * 10**5),
        (b'"shape":[5]', b'"shape":[5,1]'),
        (b'"shape":[5]', b'"shape":[' + b"1," * 99 + b"5]"),
        (b'"shape":[5]', b'"shape":[-5]'),
        (b'"shape":[5]', b'"shape":[0,9223372036854775808]'),
        (b'"shape":[5]', b'"shape":[4294967296,4294967296,5]'),
        (b'"shape":[5]', b'"shape":"5"'),
        (b'"dtype":"F32"', b'"dtype":"BF16"'),
        (b'"dtype":"F32"', b'"dtype":"I32"'),
        (b'"dtype":"F32"', b'"dtype":"pickle"'),
        (b'"data_offsets":[0,', b'"data_offsets":[4,'),
        (b'"data_offsets":[0,', b'"data_offsets":[99999999999,'),
        (b"lstm.head.bias", b"lstm.head.evil"),
        (b"lstm.head.bias", b"/etc/lstm.head"),
    ],
    ids=repr,
)
def test_hostile_headers_are_refused(saved, path, old, new):
    header, data = _unpack(saved)
    assert old in header
    _refuse(path, _pack(header.replace(old, new, 1), data))
    last = header[::-1].replace(old[::-1], new[::-1], 1)[::-1]
    _refuse(path, _pack(last, data))
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"__metadata__":{', b'"__metadata__":{"skreviews":"{}",'),
        (b'"lstm.head.bias":{', b'"lstm.head.bias":{"shape":[5],"dtype":"F32",'),
        (b'"lstm.head.bias":{', b'"lstm.head.bias":{"unknown":1,'),
        (b'\\"format_version\\"', b'\\"format_version\\":9, \\"format_version\\"'),
        (b'\\"hidden_size\\"', b'\\"hidden_size\\":9, \\"hidden_size\\"'),
    ],
    ids=repr,
)
def test_duplicates_are_refused_or_change_nothing(saved, pipe, reviews, path, old, new):
    header, data = _unpack(saved)
    assert old in header
    path.write_bytes(_pack(header.replace(old, new, 1), data))
    with suppress(SkreviewsFileError):
        _assert_same(pipe, path, reviews[0])


def test_sizes_are_capped_before_anything_is_read(saved, path):
    path.write_bytes(saved)
    with path.open("r+b") as file:  # sparse: it takes no space
        file.truncate(2**32 + 1)
    with pytest.raises(SkreviewsFileError, match="it has 4,294,967,297 bytes"):
        load(path)
    with path.open("r+b") as file:
        file.write((2**27).to_bytes(8, "little"))
        file.truncate(2**28)
    with pytest.raises(SkreviewsFileError, match="header has 134,217,728 bytes"):
        load(path)
    _refuse(path, (2**27).to_bytes(8, "little") + saved[8:], "longer than the file")
    many = {f"{i}": np.zeros(0, np.float32) for i in range(10**5)}
    _refuse(path, _join(_split(saved)[0], many), "100,000 tensors")
    _refuse(path, saved + b"more", "not fully covered")


def test_a_header_over_the_limit_is_not_written(pipe, path, monkeypatch):
    monkeypatch.setattr("skreviews.persistence._skr_file._MAX_HEADER", 1000)
    with pytest.raises(SkreviewsFileError, match="limit of 1,000"):
        save(pipe, path)
    assert not any(path.parent.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        *("[" * 10**6, "[" * 60 + "]" * 60, '{"a":' * 10**5),
        *("{", "1" * 5000, '"\\', "", '{"format_version": 1, "a": NaN}'),
    ],
    ids=lambda text: text[:9],
)
def test_deep_or_broken_json_is_refused(saved, path, text):
    data = _join(text, _split(saved)[1])
    _refuse(path, data, "too deep|JSON is damaged|not a model file")


@pytest.mark.parametrize("value", [None, [], 1, "x", {}, [[]], {"kind": "x"}], ids=str)
@pytest.mark.parametrize("name", ["classes", "parameters", "vocabulary", None])
def test_json_of_another_type_is_refused(saved, path, value, name):
    contents, tensors = _split(saved)
    if name is None:
        data = _join(json.dumps(value), tensors)
    else:
        data = _join(contents | {name: value}, tensors)
    _refuse(path, data)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("module", "hidden_size"), 10**9),
        (("module", "hidden_size"), 10**40),
        (("module", "hidden_size"), "x"),
        (("module", "hidden_size"), -1),
        (("module", "num_layers"), 10**9),
        (("module", "embedding_dim"), 2**40),
        (("module", "n_tokens"), 2**40),
        (("module", "n_classes"), 6),
        (("module", "cell"), "rnn"),
        (("module", "cell"), "gru"),
        (("module", "pooling"), "attention"),
        (("module", "dropout"), 2),
        (("module", "word_dropout"), "x"),
        (("module", "sparse"), "x"),
        (("module", "evil"), 1),
        (("module", "device"), "cuda"),
        (("module", "lr"), 0.1),
        (("max_len",), 2**40),
        (("max_len",), -1),
        (("max_len",), "9"),
        (("recipe",), {}),
        (("recipe", "n_words"), "x"),
        (("recipe", "batch_size"), 0),
        (("recipe", "ngram_weight"), {"kind": "float", "items": ["nan"]}),
        (("recipe", "ngram_weight"), 1.5),
        (("recipe", "why"), {"kind": "dict", "items": []}),
        (("recipe", "evil"), 1),
        (("ngrams",), None),
        (("ngrams",), {}),
        (("ngrams", "n_tokens"), 2**60),
        (("ngrams", "n_tokens"), "x"),
        (("ngrams", "n_tokens"), 323.0),
        (("ngrams", "C"), "x"),
        (("ngrams", "labels", "values"), [1, 2]),
        (("ngrams", "estimator"), None),
        (("ngrams", "estimator", "class"), "skreviews.TextCleaner"),
        (("ngrams", "estimator", "params", "n_buckets"), 2**60),
        (("ngrams", "estimator", "params", "n_buckets"), 0),
        (("ngrams", "estimator", "params", "ngram_range"), [1, "x"]),
        (("ngrams", "estimator", "params", "ngram_range"), [1, 1]),
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
        (("steps", 3, 1, "params", "hidden_size"), 0),
        (("steps", 3, 1, "params", "net_params"), {"kind": "dict", "items": []}),
        (("steps", 3, 1, "params", "callbacks"), []),
        (("steps", 3, 1, "params", "random_state"), "x"),
        (("steps", 3, 1, "params", "ngrams"), {"kind": "os", "items": []}),
    ],
    ids=str,
)
def test_hostile_parameters_are_refused(saved, path, keys, value):
    _refuse(path, _forge_parameters(saved, keys, value))


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("lstm.head.bias"),
        lambda tensors: tensors.update(evil=np.zeros(3, np.float32)),
        lambda tensors: tensors.update({"lstm.head.bias": np.zeros(6, np.float32)}),
        lambda tensors: tensors.update({"lstm.head.bias": np.zeros(5, np.float16)}),
        lambda tensors: tensors.update({"lstm.head.bias": np.zeros(5, np.float64)}),
        lambda tensors: tensors.update({"lstm.head.bias": np.zeros(5, np.uint8)}),
        lambda tensors: tensors.update(
            {"lstm.head.bias": np.full(5, np.nan, np.float32)}
        ),
        lambda tensors: tensors.update(
            {"lstm.head.bias": np.full(5, np.inf, np.float32)}
        ),
        lambda tensors: tensors.update(
            {f"{i}": np.zeros(0, np.float32) for i in range(900)}
        ),
    ],
)
def test_tensors_that_contradict_the_parameters_are_refused(saved, path, change):
    contents, tensors = _split(saved)
    change(tensors)
    _refuse(path, _join(contents, tensors), "tensor|head.bias")


@pytest.mark.parametrize(
    ("words", "surface_forms"),
    [
        ([1, 2], None),
        (["a", "a"], None),
        (["one word"], None),
        ({"a": 1}, None),
        ("ab", None),
        (["a", "b"], ["a"]),
        (["a", "b"], ["a", 2]),
        (["a", "b"], {"a": 1, "b": 2}),
        (["a", "b"], 2),
    ],
    ids=str,
)
def test_another_vocabulary_is_refused(saved, path, words, surface_forms):
    words = {"words": words, "surface_forms": surface_forms}
    _refuse(path, _forge(saved, vocabulary=words), "vocabulary is not|n_tokens")


def test_a_truncated_file_is_refused(saved, path):
    for size in (0, 1, 7, 8, 100, len(saved) // 2, len(saved) - 1):
        _refuse(path, saved[:size], "not a model file")


def test_a_flipped_bit_is_refused(saved, path):
    for position in (-1, -1000, saved.index(b"Limits")):
        data = bytearray(saved)
        data[position] ^= 1
        _refuse(path, bytes(data), "checksum")


def _mutate(data, random):
    """Flip bits, cut out, swap, repeat, zero, or inflate parts of a file."""
    data = bytearray(data)
    # Half of the changes hit the header, the rest any position.
    header = 8 + min(int.from_bytes(data[:8], "little"), len(data) - 8)
    start = int(random.integers(header if random.random() < 0.5 else len(data)))
    stop = min(len(data), start + int(random.integers(1, 64)))
    kind = random.integers(6)
    if kind == 0:
        data[start] ^= 1 << int(random.integers(8))
    elif kind == 1:
        del data[start:stop]
    elif kind == 2:
        other = int(random.integers(max(len(data) - 64, 1)))
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


def test_a_mutated_file_is_refused_or_loads_exactly(saved, pipe, reviews, path):
    random = np.random.default_rng(0)
    X = reviews[0][:20]
    expected = pipe.predict_proba(X)
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


def _mutate_contents(saved, random):
    """Mutate the JSON or a tensor as an attacker does, who sets the right checksum."""
    contents, tensors = _split(saved)
    name = str(random.choice(["parameters", "vocabulary", "classes", *tensors]))
    if name in contents:
        mutated = _mutate(json.dumps(contents[name]).encode(), random)
        try:
            contents[name] = json.loads(mutated)
        except ValueError:
            contents = mutated.decode("utf-8", "replace")
    else:
        mutated = _mutate(tensors[name].tobytes(), random)
        tensors[name] = np.frombuffer(mutated[: len(mutated) // 4 * 4], "<f4")
    return _join(contents, tensors)


@pytest.mark.parametrize("n_files", [100, pytest.param(400, marks=pytest.mark.slow)])
def test_mutated_files_run_no_code_and_take_at_most_twice_the_memory(
    reviews, path, n_files
):
    # Large tables, beside which everything else is small: 1.3 MB in 2 tensors.
    save(_make(*reviews, lstm={"ngrams__n_buckets": 2**16}), path)
    honest = path.read_bytes()
    _find_peak(path)  # imports and fills caches
    need, _ = _find_peak(path)
    assert need > len(honest)
    random = np.random.default_rng(1)
    for number in range(n_files):
        mutate = (_mutate, _mutate_contents)[number % 2]
        path.write_bytes(mutate(honest, random))
        peak, events = _find_peak(path)
        assert peak <= 2 * need
        assert events == []


# The audit events of running code; opening a file is one, too.
_CODE = ("compile", "exec", "import", "pickle.", "marshal.", "os.system")
_CODE += ("subprocess.", "ctypes.", "code.")
_events = None


def _record(event, args):
    if _events is not None and event.startswith(_CODE):
        _events.append((event, args))


sys.addaudithook(_record)  # permanent: a hook cannot be removed


def _find_peak(path):
    """Return the peak memory of a load, and the code that it has run."""
    global _events
    _events = []
    tracemalloc.start()
    try:
        load(path, device="cpu")
    except SkreviewsFileError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        events, _events = _events, None
    return peak, events


def test_a_device_that_is_not_available_is_refused(saved, path):
    path.write_bytes(saved)
    with pytest.raises(ValueError, match="device='tpu'"):
        load(path, device="tpu")
    with pytest.raises(FileNotFoundError):
        load(path.with_name("none.skr"))


# What describe reports.


def test_describe_reports_the_contents(pipe, saved, path):
    path.write_bytes(saved)
    about = describe(path)
    assert about["bytes"] == len(saved)
    assert about["sha256"] == hashlib.sha256(saved).hexdigest()
    assert about["format_version"] == 1
    assert about["labels"] == [1, 2, 3, 4, 5]
    assert about["n_words"] == len(pipe["vectorize"].vocabulary_)
    assert about["max_len"] == pipe["vectorize"].max_len_
    assert about["n_weights"] == _count_weights(pipe)
    assert about["steps"]["clean"] == {
        "class": "skreviews.TextCleaner",
        "params": {"digits": "shape", "punctuation": "separate"},
    }
    assert about["steps"]["lstm"]["params"] == {
        "class_weight": "auto",
        "embedding_dim": 4,
        "hidden_size": 4,
        "max_epochs": 1,
        "ngrams": "NgramClassifier(n_buckets=64)",
        "random_state": 0,
    }
    recipe = pipe["lstm"].recipe_.to_frame()
    assert about["recipe"] == recipe.to_dict("records")
    assert about["training"]["samples"] > 0 and "torch" in about["versions"]
    assert about["tensors"] == {
        name: {
            "dtype": tensor.dtype.name,
            "shape": list(tensor.shape),
            "bytes": tensor.nbytes,
        }
        for name, tensor in _split(saved)[1].items()
    }
    assert about["card"] == model_card(pipe)
    assert json.loads(json.dumps(about)) == about


def test_describe_reports_every_parameter_as_json(reviews, path):
    pipe = _make(
        *reviews,
        clean__stop_words=["the", "a"],
        vectorize__vocabulary=["good", "bad"],
        vectorize__dtype=np.int64,
        resample=TextResampler(RandomOverSampler(random_state=0)),
        lstm={"class_weight": {1: 2.0}},
    )
    save(pipe, path, embeddings="int8")
    about = describe(path)
    assert json.loads(json.dumps(about, allow_nan=False)) == about
    assert about["steps"]["vectorize"]["params"] == {
        "dtype": "int64",
        "stemmer": "snowball",
        "vocabulary": "2 words",
    }
    assert "RandomOverSampler" in about["steps"]["resample"]["params"]["sampler"]
    assert about["n_weights"] == _count_weights(pipe)
    assert about["embeddings"] == "int8"


def test_describe_refuses_what_save_does_not_write(saved, path):
    for data in (
        b"not a model",
        saved[:-100],
        _forge(saved, training={"samples": []}),
        _forge_parameters(saved, ("recipe", "n_words"), "x"),
        _forge_parameters(saved, ("max_len",), []),
        _forge_parameters(saved, ("labels",), {}),
        _forge(saved, parameters=[]),
        _forge(saved, vocabulary={"words": [1, 2], "surface_forms": None}),
        _pack(b'{"a":"b"}'),
    ):
        path.write_bytes(data)
        with pytest.raises(SkreviewsFileError, match="model.skr cannot be read"):
            describe(path)


# The model card.


def test_the_card_holds_data_scores_with_intervals_and_limits(pipe, reviews, path):
    report = evaluate(pipe, *reviews, random_state=0)
    card = model_card(pipe, report)
    for title in ("Training data", "Recipe", "Scores", "Limits", "Made with"):
        assert f"## {title}" in card
    recipe = pipe["lstm"].recipe_
    assert f"- batch_size: {recipe.batch_size} ({recipe.why['batch_size']})" in card
    row = report.tables()["Scores"][1]
    assert row[1].replace("[", r"\[").replace("]", r"\]") in card
    assert "Not evaluated" in model_card(pipe)
    save(pipe, path, report=report)
    assert describe(path)["card"] == card


def test_labels_and_parameters_are_no_markup_in_the_card(reviews):
    X, y = reviews
    labels = np.where(y > 3, "<b>|good", "*bad*\nnews")
    pipe = _make(X, labels, resample="passthrough")
    card = model_card(pipe, evaluate(pipe, X, labels, random_state=0))
    assert "<b>" not in card and "*bad*" not in card.replace(r"\*bad\*", "")
    rows = [line for line in card.splitlines() if line.startswith("| ")]
    assert r"&lt;b&gt;\|good" in card and rows


def test_the_card_requires_a_fitted_pipeline():
    with pytest.raises(NotFittedError):
        model_card(make_review_pipeline())
    with pytest.raises(TypeError, match="LSTMClassifier"):
        model_card(LogisticRegression())
