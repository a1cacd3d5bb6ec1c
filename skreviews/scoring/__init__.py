"""Predictions for files of any size, in a stream that can be taken up again."""

from skreviews.scoring._score_file import iter_scores, score_file

__all__ = ["iter_scores", "score_file"]
