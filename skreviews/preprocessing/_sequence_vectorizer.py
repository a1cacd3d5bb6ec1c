"""SequenceVectorizer: encode texts as padded token ids."""

from collections.abc import Iterable, Mapping
from numbers import Integral

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.sparse import csr_array
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import check_is_fitted

from skreviews.preprocessing._stemmers import make_stemmer
from skreviews.preprocessing._texts import (
    check_texts,
    split_words,
    to_offsets,
)
from skreviews.preprocessing._token_ids import (
    FIRST_WORD,
    PADDING,
    UNKNOWN,
    TokenIds,
    check_ids,
)
from skreviews.preprocessing._token_rows import find_kept

# max_len="auto" is this quantile of the lengths, up to a limit: a single book among the
# texts must not fill the memory with padding.
_AUTO_QUANTILE = 0.99
_AUTO_LIMIT = 2000

# min_df="auto" is 1 for fewer texts. In large data sets words of a single text take
# memory and cause overfitting.
_AUTO_MIN_DF_TEXTS = 10_000


class SequenceVectorizer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Encode texts as padded rows of token ids.

    Id 0 is padding (after the tokens) and id 1 an out-of-vocabulary word. The words of
    the vocabulary follow, the most frequent first.

    Parameters
    ----------
    max_features : int or None, default=30_000
        Maximum size of the learned vocabulary. The most frequent words are kept.
    min_df : 'auto', int or float, default='auto'
        Minimum number (int) or share (float in [0, 1]) of the texts that contain a
        word. Rarer words are out of vocabulary, also in training, which trains the
        vector of id 1. 'auto' is 1 for fewer than 10,000 texts, else 2.
    max_len : 'auto' or int, default='auto'
        Length of the rows, in tokens. 'auto' is the 99th percentile of the lengths of
        the training texts, at most 2,000.
    truncation : {'head_tail', 'head', 'tail'}, default='head_tail'
        Tokens to keep of a longer text: the first, the last, or a quarter from the head
        and the rest from the tail. Reviews often start with their subject and end with
        the verdict [1]_.
    tokenizer : callable or None, default=None
        Function from a text to its tokens, a sequence of str. None splits at white
        space, which is much faster.
    stemmer : {'porter', 'snowball', 'lancaster'} or None, default=None
        NLTK stemmer. Words with the same stem share an id. The ids carry the most
        frequent word of each stem, so that pretrained word vectors find it.
    language : str, default='english'
        Language of the snowball stemmer.
    vocabulary : mapping or iterable of str or None, default=None
        Fixed vocabulary. An iterable assigns ids from 2 in its order. A mapping assigns
        each word its id; the ids must be 2, 3, 4, ...
        With a stemmer it consists of stems.
    dtype : dtype, default=np.int32
        Integer type of the ids.

    Attributes
    ----------
    vocabulary_ : dict
        Ids by word, or by stem if there is a stemmer.
    max_len_ : int
        Length of the rows.

    See Also
    --------
    TextCleaner : Clean the texts first.
    LSTMClassifier : Classify the ids.

    References
    ----------
    .. [1] C. Sun, X. Qiu, Y. Xu, X. Huang, "How to fine-tune BERT for text
       classification?", CCL 2019, section 5.3.1.

    Examples
    --------
    >>> from skreviews import SequenceVectorizer
    >>> vectorizer = SequenceVectorizer()
    >>> vectorizer.fit_transform(["good app", "not a good good app"])
    TokenIds([[2, 3, 0, 0, 0],
              [5, 4, 2, 2, 3]], dtype=int32)
    >>> vectorizer.transform(["a bad app"])
    TokenIds([[4, 1, 3, 0, 0]], dtype=int32)
    """

    _parameter_constraints: dict = {
        "max_features": [Interval(Integral, 1, None, closed="left"), None],
        "min_df": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="both"),
        ],
        "max_len": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "truncation": [StrOptions({"head", "tail", "head_tail"})],
        "tokenizer": [callable, None],
        "stemmer": [StrOptions({"porter", "snowball", "lancaster"}), None],
        "language": [str],
        "vocabulary": "no_validation",
        "dtype": "no_validation",
    }

    def __init__(
        self,
        *,
        max_features=30_000,
        min_df="auto",
        max_len="auto",
        truncation="head_tail",
        tokenizer=None,
        stemmer=None,
        language="english",
        vocabulary=None,
        dtype=np.int32,
    ):
        self.max_features = max_features
        self.min_df = min_df
        self.max_len = max_len
        self.truncation = truncation
        self.tokenizer = tokenizer
        self.stemmer = stemmer
        self.language = language
        self.vocabulary = vocabulary
        self.dtype = dtype

    def fit(self, X, y=None):
        """Learn the vocabulary and the length of the rows.

        Parameters
        ----------
        X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
            Texts.
        y : None
            Ignored.

        Returns
        -------
        self : SequenceVectorizer

        Raises
        ------
        ValueError
            If `X` contains anything but texts, if the fixed vocabulary is invalid, or
            if no word is in `min_df` texts.
        """
        self.fit_transform(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Learn the vocabulary and return the padded token ids of the texts.

        Parameters
        ----------
        X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
            Texts.
        y : None
            Ignored.

        Returns
        -------
        ids : TokenIds of shape (n_samples, max_len_)
        """
        texts = check_texts(X)
        if not np.issubdtype(np.dtype(self.dtype), np.integer):
            raise ValueError(
                f"dtype={self.dtype!r} is not an integer type. Pass np.int32, for "
                "example."
            )
        vocabulary = None
        if self.vocabulary is not None:
            vocabulary = _check_vocabulary(self.vocabulary)
        codes, offsets, words = self._tokenize(texts)
        stem_codes, stems = self._stem(words)
        surface_forms = _find_surface_forms(codes, words, stem_codes, stems)
        codes, words = stem_codes[codes], stems
        if vocabulary is None:
            vocabulary = self._learn_vocabulary(codes, offsets, words)
        highest = np.iinfo(self.dtype).max
        if len(vocabulary) + UNKNOWN > highest:
            raise ValueError(
                f"dtype={self.dtype!r} holds numbers up to {highest}, too few for the "
                f"ids of {len(vocabulary)} words. Use a wider type or lower "
                "max_features."
            )
        self.vocabulary_ = vocabulary
        self.max_len_ = self._choose_max_len(np.diff(offsets))
        # The word with id i is self._words[i - 2].
        words_by_id = sorted(vocabulary, key=vocabulary.get)
        self._words = tuple(surface_forms.get(word, word) for word in words_by_id)
        self._n_features_out = self.max_len_
        ids = self._look_up(words)[codes]
        return self._contain(self._pad(ids, offsets), X)

    def transform(self, X):
        """Return the padded token ids of the texts.

        Parameters
        ----------
        X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
            Texts. A text without tokens becomes a row of padding.

        Returns
        -------
        ids : TokenIds of shape (n_samples, max_len_)
        """
        check_is_fitted(self)
        codes, offsets, words = self._split(check_texts(X))
        return self._contain(self._pad(self._look_up(words)[codes], offsets), X)

    def inverse_transform(self, X):
        """Return the texts of token ids.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len_)
            Token ids.

        Returns
        -------
        texts : ndarray of object of shape (n_samples,)
            The tokens joined by spaces, ``<unk>`` for out-of-vocabulary words.
        """
        check_is_fitted(self)
        ids = check_ids(X, self).astype(np.int64)
        words = np.array(["", "<unk>", *self._words], dtype=object)
        known = np.where(ids < len(words), ids, UNKNOWN)
        texts = [" ".join(words[row[row != PADDING]]) for row in known]
        return np.array(texts, dtype=object)

    def oov_rate(self, X):
        """Return the share of out-of-vocabulary tokens.

        Parameters
        ----------
        X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
            Texts. They are not truncated.

        Returns
        -------
        rate : float in [0, 1]
            0.0 if the texts have no tokens.
        """
        check_is_fitted(self)
        codes, _, words = self._split(check_texts(X))
        if len(codes) == 0:
            return 0.0
        return float(np.mean((self._look_up(words) == UNKNOWN)[codes]))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags

    def _split(self, texts):
        """Return the coded tokens, the offsets of the texts, and the distinct tokens.

        With a stemmer the tokens are stems.
        """
        codes, offsets, words = self._tokenize(texts)
        stem_codes, stems = self._stem(words)
        return stem_codes[codes], offsets, stems

    def _stem(self, words):
        """Return the position of the stem of each distinct word, and the stems."""
        if self.stemmer is None:
            return np.arange(len(words), dtype=np.int32), words
        stem = make_stemmer(self.stemmer, self.language)
        stems = [stem(word) or word for word in words.to_pylist()]
        stems = pa.array(stems, type=pa.large_string()).dictionary_encode()
        return stems.indices.to_numpy(), stems.dictionary

    def _tokenize(self, texts):
        if self.tokenizer is None:
            return split_words(texts)
        tokens = [
            self._tokenize_one(position, text)
            for position, text in enumerate(texts.to_pylist())
        ]
        flat = pa.array(
            [token for row in tokens for token in row], type=pa.large_string()
        ).dictionary_encode()
        offsets = to_offsets([len(row) for row in tokens])
        return flat.indices.to_numpy(), offsets, flat.dictionary

    def _tokenize_one(self, position, text):
        tokens = self.tokenizer(text)
        if isinstance(tokens, str) or not isinstance(tokens, Iterable):
            raise ValueError(
                f"tokenizer returned {tokens!r} for X[{position}]. It must return a "
                "list of str."
            )
        tokens = list(tokens)
        for token in tokens:
            if not isinstance(token, str):
                raise ValueError(
                    f"tokenizer returned the token {token!r} for X[{position}], which "
                    "is not a str. It must return a list of str."
                )
        return tokens

    def _learn_vocabulary(self, codes, offsets, words):
        n_samples = len(offsets) - 1
        min_df = self._choose_min_df(n_samples)
        counts = np.bincount(codes, minlength=len(words))
        n_texts = counts  # enough for min_df=1
        if min_df > 1:
            n_texts = _count_texts(codes, offsets, len(words))
        candidates = np.flatnonzero(n_texts >= min_df)
        # Alphabetical order of ties makes the order of the texts irrelevant.
        table = pa.table(
            {"word": words.take(pa.array(candidates)), "count": counts[candidates]}
        ).sort_by([("count", "descending"), ("word", "ascending")])
        kept = table["word"].slice(0, self.max_features).to_pylist()
        if not kept:
            raise ValueError(
                f"No word is in at least min_df={min_df} of the {n_samples} texts. "
                "Lower min_df, or check the cleaned texts."
            )
        return {word: i for i, word in enumerate(kept, start=FIRST_WORD)}

    def _choose_min_df(self, n_samples):
        if self.min_df == "auto":
            return 1 if n_samples < _AUTO_MIN_DF_TEXTS else 2
        if isinstance(self.min_df, Integral):
            return self.min_df
        return int(np.ceil(self.min_df * n_samples))

    def _choose_max_len(self, lengths):
        if self.max_len != "auto":
            return int(self.max_len)
        length = np.quantile(lengths, _AUTO_QUANTILE, method="higher")
        return int(np.clip(length, 1, _AUTO_LIMIT))

    def _look_up(self, words):
        """Return the id of each distinct word, ndarray of shape (n_words,)."""
        get = self.vocabulary_.get
        ids = [get(word, UNKNOWN) for word in words.to_pylist()]
        return np.array(ids, dtype=self.dtype)

    def _pad(self, ids, offsets):
        """Return ragged ids as rows of max_len_, truncated and padded."""
        lengths = np.diff(offsets)
        padded = np.zeros((len(lengths), self.max_len_), dtype=self.dtype)
        padded[np.arange(self.max_len_) < lengths[:, None]] = ids[
            find_kept(offsets, self.max_len_, self.truncation)
        ]
        return padded

    def _contain(self, padded, X):
        """Return the ids with their words, as TokenIds or as a DataFrame."""
        if _get_output_config("transform", self)["dense"] != "pandas":
            return TokenIds(padded, self._words)
        frame = pd.DataFrame(
            padded, index=X.index if isinstance(X, pd.Series) else None
        )
        frame.attrs["words"] = self._words
        return frame


def _find_surface_forms(codes, words, stem_codes, stems):
    """Return the most frequent word of each stem, a dict; empty without a stemmer."""
    if stems is words:
        return {}
    table = pa.table(
        {
            "word": words,
            "stem": stems.take(pa.array(stem_codes)),
            "count": np.bincount(codes, minlength=len(words)),
        }
    ).sort_by([("count", "ascending"), ("word", "descending")])  # the last one wins
    return dict(zip(table["stem"].to_pylist(), table["word"].to_pylist(), strict=True))


def _check_vocabulary(vocabulary):
    if isinstance(vocabulary, Mapping):
        ids = sorted(vocabulary.values())
        if ids != list(range(FIRST_WORD, FIRST_WORD + len(ids))):
            raise ValueError(
                "vocabulary must have the ids 2, 3, 4, ... without gaps or duplicates "
                f"(0 is padding, 1 out of vocabulary), but has {ids[:5]}..."
            )
        words = sorted(vocabulary, key=vocabulary.get)
    elif isinstance(vocabulary, str):
        raise ValueError("vocabulary is a single str. Pass a list of words.")
    else:
        words = list(vocabulary)
    seen = {}
    for position, word in enumerate(words):
        if not isinstance(word, str):
            raise ValueError(
                f"vocabulary[{position}] is {word!r} ({type(word).__name__}), not a "
                "str. Pass a list of words."
            )
        if word in seen:
            raise ValueError(
                f"vocabulary[{position}] repeats {word!r} of vocabulary[{seen[word]}]. "
                "Remove duplicates."
            )
        seen[word] = position
    if not words:
        raise ValueError("vocabulary is empty: at least one word is needed.")
    return {word: position + FIRST_WORD for word, position in seen.items()}


def _count_texts(codes, offsets, n_words):
    """Count the texts that contain each distinct word."""
    shape = (len(offsets) - 1, n_words)
    tokens = csr_array((np.ones(len(codes), np.int8), codes, offsets), shape)
    by_word = tokens.tocsc()  # sorted by word, then by text
    starts = by_word.indptr[:-1]  # every word has at least one token
    is_new = np.diff(by_word.indices, prepend=-1) != 0
    is_new[starts] = True
    return np.add.reduceat(is_new, starts, dtype=np.int64)
