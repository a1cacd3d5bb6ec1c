"""From raw texts to padded token ids."""

from skreviews.preprocessing._sequence_vectorizer import SequenceVectorizer
from skreviews.preprocessing._text_cleaner import TextCleaner
from skreviews.preprocessing._texts import check_texts

__all__ = ["SequenceVectorizer", "TextCleaner", "check_texts"]
