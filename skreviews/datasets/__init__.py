"""Reviews to learn from: bundled, generated, downloaded or read from your own files."""

from skreviews.datasets._app_reviews import load_app_reviews
from skreviews.datasets._generator import make_reviews
from skreviews.datasets._imdb import fetch_imdb
from skreviews.datasets._readers import read_reviews

__all__ = ["fetch_imdb", "load_app_reviews", "make_reviews", "read_reviews"]
