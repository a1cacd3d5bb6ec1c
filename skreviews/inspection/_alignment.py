"""Which words of a raw text became which tokens."""

import re
from itertools import chain
from typing import NamedTuple

from skreviews.preprocessing import check_texts

# Between blanks, and a tag is a piece of its own: "Fine.<br />But" has four.
_PIECES = re.compile(r"<[^\s<>]*>?|[^\s<>]+>?|>")


class Word(NamedTuple):
    """A piece of a raw text, and the tokens that were made of it, maybe none."""

    start: int
    stop: int
    tokens: list[str]


class Reader:
    """Reads texts as a fitted pipeline does: cleans them and splits them into tokens.

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
        """Return what the vectorizer is given."""
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
        """Part a text into words that can be read one by one.

        They are the smallest pieces whose tokens, one after the other, are those of the
        whole text. Mostly a word is what stands between blanks. But what a cleaner sees
        as one, such as ``<a href="x">`` or a comment, stays one word, whatever the
        cleaner: nothing is known of it here.

        Parameters
        ----------
        text : str
        tokens : list of str
            Those of the whole text.

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
        """Return the words of the pieces of a text, which has these tokens."""
        if list(chain.from_iterable(piece.tokens for piece in pieces)) == tokens:
            return pieces
        start, stop = pieces[0].start, pieces[-1].stop
        # From the middle outward, so that halves are halved.
        middle = len(pieces) // 2
        for cut in sorted(range(1, len(pieces)), key=lambda cut: abs(cut - middle)):
            left, right = pieces[:cut], pieces[cut:]
            halves = [text[start : left[-1].stop], text[right[0].start : stop]]
            left_tokens, right_tokens = self.split(halves)
            if left_tokens + right_tokens == tokens:
                return self._divide(text, left, left_tokens) + self._divide(
                    text, right, right_tokens
                )
        return [Word(start, stop, tokens)]
