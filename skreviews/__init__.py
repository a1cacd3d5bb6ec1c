"""Classify reviews and other labelled texts with an LSTM, the scikit-learn way."""

from importlib import import_module

__version__ = "0.1.0"

# Name -> module. Each is imported when it is first used (PEP 562), so that
# `import skreviews` alone costs nothing: torch takes seconds.
_PUBLIC = {
    "CalibrationDisplay": "inspection",
    "DriftReport": "inspection",
    "Explanation": "inspection",
    "LSTMClassifier": "neural_network",
    "NgramClassifier": "linear",
    "RatingConfusionDisplay": "inspection",
    "RatingDistributionDisplay": "inspection",
    "ReviewReport": "inspection",
    "SequenceVectorizer": "preprocessing",
    "SkreviewsFileError": "persistence",
    "TextCleaner": "preprocessing",
    "TextResampler": "sampling",
    "TrainingDisplay": "inspection",
    "WordVectors": "embeddings",
    "decide": "decision",
    "drift_report": "inspection",
    "evaluate": "inspection",
    "explain": "inspection",
    "fetch_imdb": "datasets",
    "iter_scores": "scoring",
    "label_report": "inspection",
    "load": "persistence",
    "load_app_reviews": "datasets",
    "make_review_pipeline": "pipeline",
    "make_reviews": "datasets",
    "model_card": "persistence",
    "read_reviews": "io",
    "save": "persistence",
    "score_file": "scoring",
}

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
