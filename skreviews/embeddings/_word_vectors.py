"""WordVectors: pretrained word vectors from a file, a package or a dict."""

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

    The vectors are read-only. `sklearn.base.clone` and `copy.deepcopy` therefore return
    the same object, and vectors from a file are memory-mapped. A word without a vector
    is looked up in lower case.

    Parameters
    ----------
    words : iterable of str
        The words. Of duplicates the first counts.
    vectors : array-like of shape (n_words, dim)
        The vectors of the words. An ndarray of float32 is not copied.

    Raises
    ------
    ValueError
        If a word is not a str, if a number is not finite, or if the numbers of words
        and vectors differ.

    See Also
    --------
    LSTMClassifier : Starts from these vectors with ``word_vectors=``.

    Notes
    -----
    A pickle of vectors from a file contains the path, not the vectors. Load it where
    the file exists, or set other vectors before the next `fit`; a fitted classifier
    does not need them. A pickle of other vectors contains them.

    Examples
    --------
    >>> from skreviews import WordVectors
    >>> vectors = WordVectors.from_mapping({"good": [1.0, 0.0], "bad": [-1.0, 0.5]})
    >>> vectors
    WordVectors(2 words, dim=2)
    >>> vectors["Good"]
    array([1., 0.], dtype=float32)
    >>> vectors.coverage(["good", "dull"])
    0.5
    """

    def __init__(self, words, vectors):
        self._source = None
        self._table = drop_repeats(*_check_table(words, vectors))
        self._shape = self._table[1].shape

    @classmethod
    def load(cls, path, limit=None, cache="auto"):
        """Load word vectors from a text file or an installed package.

        Each line of the file is a word and its numbers, separated by single spaces, as
        in GloVe [1]_, word2vec [2]_ and fastText [3]_. The file is UTF-8, may be
        gzipped, and may start with the numbers of words and dimensions. Vectors are
        stored as float32.

        The first call parses the text and writes a cache, which later calls map into
        memory. An invalid or outdated cache is rewritten.

        Parameters
        ----------
        path : str or path-like
            The file, or ``"glove-6b-50d"``: 400,000 lower-case words of Wikipedia and
            newspapers, installed by ``pip install skreviews[glove]``.
        limit : int or None, default=None
            Maximum number of lines to read. Most files are sorted by word frequency.
        cache : 'auto', str or path-like, default='auto'
            Folder of the cache. 'auto' is the folder of the file or, if it is not
            writable, ``word_vectors`` in `sklearn.datasets.get_data_home`. If neither
            is writable, the vectors are kept in memory.

        Returns
        -------
        vectors : WordVectors

        Raises
        ------
        ValueError
            If a line is not UTF-8 or not a word with `dim` finite numbers. The message
            names the line.
        ImportError
            If the package with the vectors is not installed.

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
            raise ValueError(f"limit={limit!r} must be None or an int of at least 1.")
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
        """Make word vectors from a dict or from gensim's `KeyedVectors`.

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
            If `mapping` is neither, or if the vectors have different shapes.
        """
        if hasattr(mapping, "index_to_key") and hasattr(mapping, "vectors"):
            return cls(mapping.index_to_key, mapping.vectors)
        if not isinstance(mapping, Mapping):
            raise ValueError(
                f"{type(mapping).__name__} is not a mapping of word vectors. Pass "
                "WordVectors, a dict of {word: vector} or gensim's KeyedVectors. "
                "WordVectors.load reads files."
            )
        vectors = [np.asarray(vector) for vector in mapping.values()]
        for word, vector in zip(mapping, vectors, strict=True):
            if vector.shape != vectors[0].shape:
                raise ValueError(
                    f"The vector of {word!r} has the shape {vector.shape}, that of "
                    f"{next(iter(mapping))!r} {vectors[0].shape}. All shapes must be "
                    "equal."
                )
        return cls(mapping, vectors)

    @property
    def dim(self):
        """Dimension of the vectors."""
        return self._shape[1]

    def align(self, words, random_state=None):
        """Return the embedding table of a vocabulary.

        A word without a vector gets a random one: normal, with the mean and the
        standard deviation of the found vectors in each dimension. Id 1 (out of
        vocabulary) gets the mean of the found vectors.

        Parameters
        ----------
        words : sequence of str
            The vocabulary, as in the ids of `SequenceVectorizer`: the word with id
            ``i`` is ``words[i - 2]``.
        random_state : int, numpy Generator or None, default=None
            Seed of the random vectors.

        Returns
        -------
        table : ndarray of float32 of shape (len(words) + 2, dim)
            Row ``i`` is the vector of id ``i``. The vector of padding (id 0) is zero.

        Raises
        ------
        ValueError
            If no word has a vector.

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
                f"{self!r} has none of the {len(rows)} words. Use vectors of the same "
                "language, and set clean__stemmer=None."
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
            The words, such as `vocabulary_` of a `SequenceVectorizer`.

        Returns
        -------
        share : float in [0, 1]
            0.0 if there are no words.
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
        """Return words and vectors, which are loaded first after unpickling."""
        if self._table is None:
            try:
                table = load_table(*self._source)
            except FileNotFoundError:
                raise FileNotFoundError(
                    f"{self!r} was unpickled, but its file {self._source[0]} does not "
                    "exist. Load the vectors with WordVectors.load, and set "
                    "word_vectors."
                ) from None
            if table[1].shape != self._shape:
                n_words, dim = table[1].shape
                raise ValueError(
                    f"{self!r} was unpickled, but its file {self._source[0]} now has "
                    f"{n_words} words, dim={dim}. Load the vectors with "
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
        """Return the row of each word, -1 if it has none."""
        if isinstance(words, str):
            raise ValueError("words is a single str. Pass a list of words.")
        rows = (self._find_one(word) for word in words)
        return np.array([-1 if row is None else row for row in rows], np.int64)


def _remember(source, shape):
    """Return unpickled vectors, which are loaded when they are needed."""
    vectors = WordVectors.__new__(WordVectors)
    vectors._source, vectors._shape, vectors._table = source, shape, None
    return vectors


def _check_table(words, vectors):
    words = list(words)
    for position, word in enumerate(words):
        if not isinstance(word, str):
            raise ValueError(
                f"words[{position}] is {word!r} ({type(word).__name__}), not a str. "
                "Pass a list of words."
            )
    vectors = np.asarray(vectors, np.float32).view()
    if not words or vectors.ndim != 2 or len(vectors) != len(words):
        raise ValueError(
            f"{len(words)} words need vectors of shape ({len(words)}, dim), and at "
            f"least one word is needed. The shape is {vectors.shape}."
        )
    if not np.isfinite(vectors).all():
        row = np.flatnonzero(~np.isfinite(vectors).all(1))[0]
        raise ValueError(
            f"The vector of {words[row]!r}, vectors[{row}], has numbers that are not "
            "finite in float32. Drop the word, or rescale the vectors."
        )
    return pa.array(words, pa.large_string()), vectors
