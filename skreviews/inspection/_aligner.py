"""Aligner: find the words of a raw text that became its tokens."""

import re
from itertools import chain
from typing import NamedTuple

from skreviews.preprocessing import check_texts

# Split at white space and around tags: "Fine.<br />But" has four pieces.
_PIECES = re.compile(r"<[^\s<>]*>?|[^\s<>]+>?|>")


class Word(NamedTuple):
    """A piece of a raw text and its tokens."""

    start: int
    stop: int
    tokens: list[str]


class Aligner:
    """Clean texts and split them into tokens, as a fitted pipeline does.

    Parameters
    ----------
    cleaning : list of transformers
        From texts to texts.
    vectorizer : SequenceVectorizer
    """

    def __init__(self, cleaning, vectorizer):
        self.cleaning = cleaning
        self.vectorizer = vectorizer

    def clean(self, texts):
        """Return the input of the vectorizer."""
        for step in self.cleaning:
            texts = step.transform(texts)
        return texts

    def split(self, texts):
        """Return the tokens of each text, a list of lists of str."""
        texts = check_texts(self.clean(texts))
        codes, offsets, words = self.vectorizer._split(texts)
        words = words.to_pylist()
        tokens = [words[code] for code in codes.tolist()]
        bounds = offsets.tolist()
        return [
            tokens[start:stop]
            for start, stop in zip(bounds[:-1], bounds[1:], strict=True)
        ]

    def find_words(self, text, tokens):
        """Split a text into the smallest pieces that can be tokenized separately.

        The concatenated tokens of the pieces are those of the text. Most words are
        separated by white space. A piece that a cleaner treats as one, such as
        ``<a href="x">`` or a comment, stays one word. This works with any cleaner.

        Parameters
        ----------
        text : str
        tokens : list of str
            The tokens of the text.

        Returns
        -------
        words : list of Word
            In the order of the text.
        """
        spans = [match.span() for match in _PIECES.finditer(text)]
        if not spans:
            return []
        alone = self.split([text[start:stop] for start, stop in spans])
        pieces = [Word(*span, own) for span, own in zip(spans, alone, strict=True)]
        return self._divide(text, pieces, tokens)

    def _divide(self, text, pieces, tokens):
        """Return the words that these pieces with these tokens form."""
        if list(chain.from_iterable(piece.tokens for piece in pieces)) == tokens:
            return pieces
        start, stop = pieces[0].start, pieces[-1].stop
        # From the middle outward, for a small depth of the recursion.
        middle = len(pieces) // 2
        for cut in sorted(range(1, len(pieces)), key=lambda cut: abs(cut - middle)):
            left, right = pieces[:cut], pieces[cut:]
            halves = [text[start : left[-1].stop], text[right[0].start : stop]]
            left_tokens, right_tokens = self.split(halves)
            if left_tokens + right_tokens == tokens:
                left_words = self._divide(text, left, left_tokens)
                return left_words + self._divide(text, right, right_tokens)
        return [Word(start, stop, tokens)]
