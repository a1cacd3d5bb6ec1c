"""Estimators, their parameters and labels as JSON.

Classes are looked up by name in a fixed list: a file cannot name another one.
"""

import math
from dataclasses import fields

import imblearn.pipeline
import numpy as np
import sklearn.pipeline
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.utils._param_validation import validate_parameter_constraints

from skreviews.linear import NgramClassifier
from skreviews.neural_network import LSTMClassifier
from skreviews.neural_network._recipe import Recipe
from skreviews.persistence._skr_file import SkreviewsFileError
from skreviews.preprocessing import SequenceVectorizer, TextCleaner
from skreviews.sampling import TextResampler

PIPELINES = {
    "imblearn.pipeline.Pipeline": imblearn.pipeline.Pipeline,
    "sklearn.pipeline.Pipeline": sklearn.pipeline.Pipeline,
}
_ESTIMATORS = {
    "skreviews.TextCleaner": TextCleaner,
    "skreviews.TextResampler": TextResampler,
    "skreviews.SequenceVectorizer": SequenceVectorizer,
    "skreviews.NgramClassifier": NgramClassifier,
    "skreviews.LSTMClassifier": LSTMClassifier,
    "imblearn.over_sampling.RandomOverSampler": RandomOverSampler,
    "imblearn.under_sampling.RandomUnderSampler": RandomUnderSampler,
}
_NAMES = {cls: name for name, cls in (PIPELINES | _ESTIMATORS).items()}
# `load` sets the device. The other two can hold objects of any class.
_NOT_STORED = {"device", "net_params", "callbacks"}
# Stands for the words of the file.
_VOCABULARY = "vocabulary"
_KINDS = {"tuple": tuple, "set": set, "frozenset": frozenset}
_SCALARS = (np.bool_, np.integer, np.float16, np.float32, np.float64, np.str_)
_ID_TYPES = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_LABEL_TYPES = _ID_TYPES | {"bool", "float16", "float32", "float64", "str", "object"}


def name_class(estimator):
    """Return the name of the class of an estimator, or raise if it is not allowed."""
    name = _NAMES.get(type(estimator))
    if name is None:
        raise SkreviewsFileError(
            f"a model file cannot hold a {type(estimator).__name__}; it holds "
            f"{', '.join(sorted(cls.__name__ for cls in set(_NAMES)))}. Use "
            "joblib.dump, or save the fitted pipeline alone, such as "
            "search.best_estimator_."
        )
    return name


def encode_step(name, step):
    """Return a step of a pipeline as JSON holds it."""
    if step is None or isinstance(step, str):
        return step
    class_name = name_class(step)
    params = {}
    for param, value in step.get_params(deep=False).items():
        place = f"{name}__{param}"
        if param in ("net_params", "callbacks") and value:
            _refuse(place, value)
        if param in _NOT_STORED:
            continue
        if is_training_input(param, value):
            value = None
        elif param == "vocabulary":
            value = None if value is None else _VOCABULARY
        elif param == "dtype":
            value = np.dtype(value).name
        if isinstance(value, tuple(_ESTIMATORS.values())):
            params[param] = {"kind": "estimator", **encode_step(place, value)}
        else:
            params[param] = encode(value, place)
    return {"class": class_name, "params": params}


def is_training_input(param, value):
    """Return whether a value serves `fit` alone and is not stored.

    Pretrained vectors may be far larger than the model. A generator has changed its
    state since `fit`.
    """
    if param == "word_vectors":
        return value is not None and not isinstance(value, str)
    return isinstance(value, (np.random.RandomState, np.random.Generator))


def decode_step(spec, words):
    """Return the step that `encode_step` has encoded, its parameters checked."""
    if spec is None or spec == "passthrough":
        return spec
    cls = _ESTIMATORS.get(spec["class"])
    if cls is None:
        raise SkreviewsFileError(
            f"it holds a {spec['class']!r}, which is not an allowed class. If you "
            "trust its source, install a newer skreviews."
        )
    params = {}
    for param, value in spec["params"].items():
        if isinstance(value, dict) and value.get("kind") == "estimator":
            params[param] = decode_step(value, words)
        elif param == "vocabulary" and value == _VOCABULARY:
            params[param] = words
        elif param == "dtype" and value in _ID_TYPES:
            params[param] = np.dtype(value).type
        elif param in _NOT_STORED | {"vocabulary", "dtype"} and value is not None:
            raise SkreviewsFileError(
                f"it sets {param!r} to {value!r}, which save does not. Do not use the "
                "file."
            )
        else:
            params[param] = decode(value)
    step = cls(**params)
    step._validate_params()
    return step


def list_classes(params):
    """Return the sorted names of all classes in the JSON of a pipeline."""
    found, specs = {params["pipeline"]}, [spec for _, spec in params["steps"]]
    specs.append(params["ngrams"])
    for spec in specs:  # grows in the loop: parameters may be estimators
        if isinstance(spec, dict) and "class" in spec:
            found.add(spec["class"])
            specs += spec["params"].values()
    return sorted(found)


def encode_labels(classes):
    """Return an array of labels as JSON holds it."""
    dtype = "str" if classes.dtype.kind == "U" else classes.dtype.name
    if dtype not in _LABEL_TYPES:
        raise SkreviewsFileError(
            f"the labels are of dtype {dtype}; a model file holds numbers, strings, "
            "booleans and tuples of them. Fit with such labels, or use joblib.dump."
        )
    return {"dtype": dtype, "values": encode(classes.tolist(), "the labels")}


def decode_labels(spec):
    """Return the array that `encode_labels` has encoded."""
    if spec["dtype"] not in _LABEL_TYPES:
        raise ValueError(f"labels of dtype {spec['dtype']!r}")
    values = decode(spec["values"])
    classes = np.empty(len(values), dtype=object)
    classes[:] = values
    if len(set(values)) != len(values):
        raise ValueError("a label occurs twice")
    return classes if spec["dtype"] == "object" else classes.astype(spec["dtype"])


def decode_recipe(spec):
    """Return a `Recipe`, its values checked."""
    recipe = Recipe.from_dict(decode(spec))
    for field in fields(recipe):
        value = getattr(recipe, field.name)
        if not isinstance(value, field.type | int):
            raise ValueError(f"the recipe has {field.name}={value!r}")
    recipe.to_frame()  # raises if a reason is missing
    # `load` builds a net with these.
    used = ("batch_size", "max_epochs", "embedding_dim", "ngram_weight")
    used = {name: getattr(recipe, name) for name in used}
    validate_parameter_constraints(
        LSTMClassifier._parameter_constraints, used, "LSTMClassifier"
    )
    return recipe


def encode(value, place):
    """Return a value as JSON holds it; other types become a dict with a "kind"."""
    if isinstance(value, _SCALARS):
        value = value.item()
    if type(value) is float and not math.isfinite(value):
        return {"kind": "float", "items": [repr(value)]}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if type(value) is list:
        return [encode(item, place) for item in value]
    if type(value) is dict:
        if "kind" not in value and all(type(key) is str for key in value):
            return {key: encode(item, place) for key, item in value.items()}
        items = [[encode(k, place), encode(v, place)] for k, v in value.items()]
        return {"kind": "dict", "items": items}
    for kind, cls in _KINDS.items():
        if type(value) is cls:
            return {"kind": kind, "items": [encode(item, place) for item in value]}
    _refuse(place, value)


def decode(value):
    """Return the value that `encode` has encoded."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "kind" not in value:
        return {key: decode(item) for key, item in value.items()}
    kind, items = value["kind"], value["items"]
    if kind == "float":
        return float(items[0])
    items = decode(items)
    return dict(items) if kind == "dict" else _KINDS[kind](items)


def _refuse(place, value):
    raise SkreviewsFileError(
        f"{place} is {value!r} ({type(value).__name__}). A model file holds no code: "
        "only numbers, strings, and lists, tuples, sets and dicts of them. Set "
        f"{place} to such a value, or use joblib.dump."
    )
