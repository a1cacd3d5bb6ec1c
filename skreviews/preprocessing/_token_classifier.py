"""TokenClassifier: what the classifiers of token ids share."""

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skreviews._labels import encode_labels
from skreviews.decision import to_probabilities
from skreviews.preprocessing._token_ids import check_ids, words_of
from skreviews.preprocessing._token_rows import check_same_classes, check_same_words


class TokenClassifier(ClassifierMixin, BaseEstimator):
    """Base class of classifiers of token ids with a `decision_function`.

    Fitted, they have `classes_`, `n_tokens_` and `_words`, the vocabulary of the ids.
    """

    def predict_proba(self, X):
        """Return the probability of each label for each row.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids. A row of padding counts as one unknown token.

        Returns
        -------
        probabilities : ndarray of float32 of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        return to_probabilities(self.decision_function(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.positive_only = True
        return tags

    def _check_new_ids(self, X):
        """Return the ids that a fitted classifier predicts, or raise."""
        check_is_fitted(self)
        ids = check_ids(X, self)
        validate_data(self, X, skip_check_array=True, reset=False)
        check_same_words(self._words, words_of(X))
        return ids

    def _check_continued(self, X, classes):
        """Return the vocabulary after a further `partial_fit`, or raise."""
        validate_data(self, X, skip_check_array=True, reset=False)
        words = words_of(X)
        check_same_words(self._words, words)
        if classes is not None:
            check_same_classes(self.classes_, encode_labels(classes)[0])
        return self._words if words is None else words

    def _check_class_weight(self, class_weight):
        """Raise if `partial_fit` cannot compute the class weights."""
        if isinstance(class_weight, str):
            raise ValueError(
                f"class_weight={class_weight!r} needs all samples at once; pass "
                "partial_fit a dict of weights."
            )
