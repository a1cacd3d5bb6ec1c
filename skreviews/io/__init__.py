"""Readers and writers of files: CSV, TSV, JSON lines and Parquet."""

from skreviews.io._read_reviews import read_reviews

__all__ = ["read_reviews"]
