"""Predictions for files of any size and for streams of batches."""

from skreviews.scoring._iter_scores import iter_scores
from skreviews.scoring._score_file import score_file

__all__ = ["iter_scores", "score_file"]
