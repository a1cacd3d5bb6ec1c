"""Datasets of reviews: bundled, generated or downloaded."""

from skreviews.datasets._app_reviews import load_app_reviews
from skreviews.datasets._imdb import fetch_imdb
from skreviews.datasets._make_reviews import make_reviews

__all__ = ["fetch_imdb", "load_app_reviews", "make_reviews"]
