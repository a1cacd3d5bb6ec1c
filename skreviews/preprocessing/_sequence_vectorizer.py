"""SequenceVectorizer: from texts to padded token ids, and the ids themselves."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
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

# "auto" covers this share of the training texts whole, and never more than the cap,
# which keeps a single book among the texts from filling the memory with padding.
_AUTO_SHARE = 0.99
_AUTO_CAP = 2000

# min_df="auto" is 1 for fewer texts than this, else 2: in small data sets a word of one
# text may still tell its class, in big ones it takes room and is learned by heart.
_AUTO_MIN_DF_TEXTS = 10_000

# Groups of texts that the words are first counted by.
_GROUPS = 16


class SequenceVectorizer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Tokenize texts and turn them into padded rows of token ids.

    0 is padding (behind the tokens), 1 an unknown word; the known words follow, the
    most frequent first.

    Parameters
    ----------
    max_features : int or None, default=30_000
        Size of the learned vocabulary: the most frequent words are kept.
    min_df : 'auto', int or float, default='auto'
        A word is learned if at least this many texts (int), or this share of them
        (float in [0, 1]), hold it. The rarer ones are unknown in training too, which
        teaches a model what an unknown word means. 'auto' is 1 for fewer than 10,000
        texts, else 2.
    max_len : 'auto' or int, default='auto'
        Length of the rows, in tokens. 'auto' takes the length that 99 % of the
        training texts do not exceed, at most 2,000.
    truncation : {'head_tail', 'head', 'tail'}, default='head_tail'
        Which tokens of a longer text are kept: the first, the last, or a quarter
        from the head and the rest from the tail, as reviews open with what they
        are about and end with the verdict [1]_.
    tokenizer : callable or None, default=None
        Takes a text, returns its tokens as a sequence of str. None splits at white
        space, which is much faster.
    vocabulary : mapping or iterable of str or None, default=None
        Given words instead of learned ones. An iterable gives ids from 2 on in its
        order; a mapping gives each word its id, the ids being 2, 3, 4, ...
    dtype : dtype, default=np.int32
        Integer type of the ids.

    Attributes
    ----------
    vocabulary_ : dict
        Id of each word.
    max_len_ : int
        Length of the rows.

    See Also
    --------
    TextCleaner : Cleans the texts first.
    LSTMClassifier : Classifies the ids.

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
        vocabulary=None,
        dtype=np.int32,
    ):
        self.max_features = max_features
        self.min_df = min_df
        self.max_len = max_len
        self.truncation = truncation
        self.tokenizer = tokenizer
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
            If `X` holds anything but texts, if a given vocabulary has duplicates,
            or if no word stands in `min_df` texts.
        """
        self.fit_transform(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Learn the vocabulary and return the ids of the same texts.

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
        self._check_dtype()
        vocabulary = None
        if self.vocabulary is not None:
            vocabulary = _check_vocabulary(self.vocabulary)
        codes, offsets, words = self._split(texts)
        if vocabulary is None:
            vocabulary = self._learn_vocabulary(codes, offsets, words)
        highest = np.iinfo(self.dtype).max
        if len(vocabulary) + UNKNOWN > highest:
            raise ValueError(
                f"dtype={self.dtype!r} ends at {highest}, too low for the ids of "
                f"{len(vocabulary)} words: take a wider one, or lower max_features."
            )
        self.vocabulary_ = vocabulary
        self.max_len_ = self._choose_max_len(np.diff(offsets))
        # Sorted by id, so that the word with id i stands at i - 2.
        self._words = tuple(sorted(vocabulary, key=vocabulary.get))
        self._n_features_out = self.max_len_
        ids = self._look_up(words)[codes]
        return self._contain(self._pad(ids, offsets), X)

    def transform(self, X):
        """Return the padded token ids of the texts.

        Parameters
        ----------
        X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
            Texts. One without any token becomes a row of padding.

        Returns
        -------
        ids : TokenIds of shape (n_samples, max_len_)
        """
        check_is_fitted(self)
        codes, offsets, words = self._split(check_texts(X))
        return self._contain(self._pad(self._look_up(words)[codes], offsets), X)

    def inverse_transform(self, X):
        """Return the texts that the ids stand for.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len_)
            Token ids.

        Returns
        -------
        texts : ndarray of object of shape (n_samples,)
            The tokens joined by blanks, ``<unk>`` for those that are unknown.
        """
        check_is_fitted(self)
        ids = check_ids(X, self).astype(np.int64)
        words = np.array(["", "<unk>", *self._words], dtype=object)
        known = np.where(ids < len(words), ids, UNKNOWN)
        texts = [" ".join(words[row[row != PADDING]]) for row in known]
        return np.array(texts, dtype=object)

    def oov_rate(self, X):
        """Return the share of the tokens that the vocabulary does not know.

        Parameters
        ----------
        X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
            Texts; they are not truncated here.

        Returns
        -------
        rate : float in [0, 1]
            0.0 if the texts have no token at all.
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

    def _check_dtype(self):
        if not np.issubdtype(np.dtype(self.dtype), np.integer):
            raise ValueError(f"dtype={self.dtype!r} is not an integer type.")

    def _split(self, texts):
        if self.tokenizer is None:
            return split_words(texts)
        tokens = [
            self._tokenize(position, text)
            for position, text in enumerate(texts.to_pylist())
        ]
        flat = pa.array(
            [token for row in tokens for token in row], type=pa.large_string()
        ).dictionary_encode()
        offsets = to_offsets([len(row) for row in tokens])
        return flat.indices.to_numpy(), offsets, flat.dictionary

    def _tokenize(self, position, text):
        tokens = self.tokenizer(text)
        if isinstance(tokens, str) or not isinstance(tokens, Iterable):
            raise ValueError(
                f"tokenizer returned {tokens!r} for X[{position}]; it must return a "
                "list of str."
            )
        tokens = list(tokens)
        for token in tokens:
            if not isinstance(token, str):
                raise ValueError(
                    f"tokenizer returned the token {token!r} for X[{position}], which "
                    "is not a str."
                )
        return tokens

    def _learn_vocabulary(self, codes, offsets, words):
        n_samples = len(offsets) - 1
        min_df = self._choose_min_df(n_samples)
        counts, n_groups = _count(codes, offsets, len(words))
        enough = _stand_in(min_df, counts, n_groups, codes, offsets)
        candidates = np.flatnonzero(enough)
        # Ties in the order of the words, so that the order of the texts is no matter.
        table = pa.table(
            {"word": words.take(pa.array(candidates)), "count": counts[candidates]}
        ).sort_by([("count", "descending"), ("word", "ascending")])
        kept = table["word"].slice(0, self.max_features).to_pylist()
        if not kept:
            raise ValueError(
                f"No word stands in at least min_df={min_df} of the {n_samples} "
                "texts: lower min_df, or look at what the cleaning left of them."
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
        length = np.quantile(lengths, _AUTO_SHARE, method="higher")
        return int(np.clip(length, 1, _AUTO_CAP))

    def _look_up(self, words):
        """Return the id of each distinct word, ndarray of shape (n_words,)."""
        get = self.vocabulary_.get
        ids = [get(word, UNKNOWN) for word in words.to_pylist()]
        return np.array(ids, dtype=self.dtype)

    def _pad(self, ids, offsets):
        """Lay ragged ids out as rows of max_len_, truncated and padded."""
        lengths = np.diff(offsets)
        padded = np.zeros((len(lengths), self.max_len_), dtype=self.dtype)
        padded[np.arange(self.max_len_) < lengths[:, None]] = ids[self._keep(offsets)]
        return padded

    def _keep(self, offsets):
        """Tell for each token of ragged texts whether truncation keeps it."""
        max_len = self.max_len_
        n_head = {"head": max_len, "tail": 0, "head_tail": -(-max_len // 4)}
        n_head = n_head[self.truncation]
        kept = np.ones(offsets[-1], dtype=bool)
        for row in np.flatnonzero(np.diff(offsets) > max_len):
            kept[offsets[row] + n_head : offsets[row + 1] - max_len + n_head] = False
        return kept

    def _contain(self, padded, X):
        """Let the ids carry their words, in an ndarray as in a DataFrame."""
        if _get_output_config("transform", self)["dense"] != "pandas":
            return TokenIds(padded, self._words)
        frame = pd.DataFrame(
            padded, index=X.index if isinstance(X, pd.Series) else None
        )
        frame.attrs["words"] = self._words
        return frame


def _check_vocabulary(vocabulary):
    if isinstance(vocabulary, Mapping):
        ids = sorted(vocabulary.values())
        if ids != list(range(FIRST_WORD, FIRST_WORD + len(ids))):
            raise ValueError(
                "vocabulary must give its words the ids 2, 3, 4, ... without gap or "
                f"repetition (0 is padding, 1 unknown); its ids are {ids[:5]}..."
            )
        words = sorted(vocabulary, key=vocabulary.get)
    elif isinstance(vocabulary, str):
        raise ValueError("vocabulary is a single str; pass a list of words.")
    else:
        words = list(vocabulary)
    seen = {}
    for position, word in enumerate(words):
        if not isinstance(word, str):
            raise ValueError(
                f"vocabulary[{position}] is {word!r} ({type(word).__name__}), not a "
                "str."
            )
        if word in seen:
            raise ValueError(
                f"vocabulary[{position}] repeats {word!r} of vocabulary[{seen[word]}]: "
                "each word may stand there once."
            )
        seen[word] = position
    if not words:
        raise ValueError("vocabulary is empty: at least one word is needed.")
    return {word: position + FIRST_WORD for word, position in seen.items()}


def _count(codes, offsets, n_words):
    """Count each distinct word, and the groups of texts that hold it."""
    counts = np.zeros(n_words, np.int64)
    n_groups = np.zeros(n_words, np.int64)
    bounds = offsets[np.linspace(0, len(offsets) - 1, _GROUPS + 1).astype(int)]
    for start, stop in pairwise(bounds.tolist()):
        in_group = np.bincount(codes[start:stop], minlength=n_words)
        counts += in_group
        n_groups += in_group > 0
    return counts, n_groups


def _stand_in(min_df, counts, n_groups, codes, offsets):
    """Tell for each distinct word whether it stands in at least min_df texts."""
    # As many texts as groups hold a word, or more. With a low min_df this leaves open
    # rare words only: of 5.8 million words of reviews 22,000.
    enough = n_groups >= min_df
    undecided = (counts >= min_df) & ~enough
    if not undecided.any():
        return enough
    chosen = np.flatnonzero(undecided[codes])
    offsets = np.searchsorted(chosen, offsets)
    codes = codes[chosen]
    shape = (len(offsets) - 1, len(counts))
    by_text = csr_array((np.ones(len(codes), np.int8), codes, offsets), shape)
    by_word = by_text.tocsc()  # the texts of each word, in order
    is_new = np.diff(by_word.indices, prepend=-1) != 0
    starts = by_word.indptr[:-1]
    is_new[starts[starts < len(is_new)]] = True
    n_texts = np.diff(to_offsets(is_new)[by_word.indptr])
    return np.where(undecided, n_texts >= min_df, enough)
