"""Word vectors: pretrained, or learned from the training texts."""

from skreviews.embeddings._word_vectors import WordVectors

__all__ = ["WordVectors"]
