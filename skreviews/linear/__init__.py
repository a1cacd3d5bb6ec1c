"""Linear classifiers of token ids."""

from skreviews.linear._ngram_classifier import NgramClassifier

__all__ = ["NgramClassifier"]
