"""Tutorial-style preprocessing: NLTK's tokens, stop words and stems, token by token."""

from nltk.stem import PorterStemmer
from nltk.tokenize import TreebankWordTokenizer
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

tokenize = TreebankWordTokenizer().tokenize
stem = PorterStemmer().stem


def stem_words(text):
    """Return the stems of a text's words without stop words."""
    return [stem(word) for word in tokenize(text) if word not in ENGLISH_STOP_WORDS]
