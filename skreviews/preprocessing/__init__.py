"""From raw texts to padded token ids."""

from skreviews.preprocessing._cleaner import TextCleaner
from skreviews.preprocessing._texts import check_texts
from skreviews.preprocessing._vectorizer import SequenceVectorizer
from skreviews.preprocessing._word_vectors import WordVectors

__all__ = ["SequenceVectorizer", "TextCleaner", "WordVectors", "check_texts"]
