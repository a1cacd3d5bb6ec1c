"""Save fitted pipelines to one safe file and load them again."""

from skreviews.persistence._describe import describe
from skreviews.persistence._load import load
from skreviews.persistence._model_card import model_card
from skreviews.persistence._save import save
from skreviews.persistence._skr_file import SkreviewsFileError

__all__ = ["SkreviewsFileError", "describe", "load", "model_card", "save"]
