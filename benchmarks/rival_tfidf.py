"""TF-IDF of words and pairs of words with logistic regression.

In a file of its own, without torch, because its memory is measured.
"""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def make_tfidf(class_weight=None):
    return make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10, max_iter=1000, class_weight=class_weight),
    )
