"""Fitted pipelines as one safe file: numbers and words, no code."""

from skreviews.persistence._archive import SkreviewsFileError
from skreviews.persistence._describe import describe
from skreviews.persistence._load import load
from skreviews.persistence._model_card import model_card
from skreviews.persistence._save import save

__all__ = ["SkreviewsFileError", "describe", "load", "model_card", "save"]
