"""Explanation: the attributions of words, for terminal, notebook, page and program."""

import os
import sys

import numpy as np

from skreviews._atomic import save_page
from skreviews.inspection._pages import render, render_page, strip_controls

_N_SHOWN = 20  # texts that are printed; a file contains all of them
_N_TOP = 5  # words that are listed for the target and against it
# Shares of the strongest word from which a word is coloured, and coloured strongly.
_WEAK, _STRONG = 0.1, 0.4
# Cyan for the target; yellow and underlined against it.
_FOR_CODES = {"strong": "\x1b[30;46m", "weak": "\x1b[36m"}
_AGAINST_CODES = {"strong": "\x1b[4;30;43m", "weak": "\x1b[4;33m"}
_END_CODE = "\x1b[0m"


class Explanation:
    """Attributions of the words of reviews; created by `explain`.

    ``print(explanation)`` uses colours on a terminal, unless the environment variable
    ``NO_COLOR`` is set. A terminal and a notebook show the first 20 reviews.

    Parameters
    ----------
    texts : list of str
        The raw reviews.
    summary : DataFrame
        See the attribute.
    words : DataFrame
        See `to_frame`.
    tokens : DataFrame
        One row for each token that the classifier uses: ``text``, ``word`` (the token,
        or ``<unk>`` if it is OOV) and ``attribution``.

    Attributes
    ----------
    texts : list of str
        The raw reviews.
    summary : DataFrame
        One row for each review: ``target``, ``predicted``, ``probability`` of the
        target, ``score``, ``baseline`` (the score without its words), ``error`` (the
        sum of baseline and attributions minus the score) and ``n_steps`` of the
        integral.

    See Also
    --------
    explain : Creates the explanation.

    Examples
    --------
    >>> from skreviews import explain, make_review_pipeline, make_reviews
    >>> pipe = make_review_pipeline(random_state=0, lstm__hidden_size=8)
    >>> explanation = explain(pipe.fit(*make_reviews(300, random_state=0)), ["Love it"])
    >>> explanation.summary["predicted"].tolist()
    [5]
    """

    def __init__(self, texts, summary, words, tokens):
        self.texts = texts
        self.summary = summary
        self._words = words
        self._tokens = tokens

    def to_frame(self):
        """Return the attribution of each word.

        Returns
        -------
        frame : DataFrame
            One row for each word: ``text`` (index of the review), ``word`` in the raw
            review from ``start`` to ``stop``, its ``tokens`` after cleaning, ``lstm``,
            ``ngrams`` and their sum ``attribution``. These are NaN for words that
            cleaning or truncation removes.
        """
        return self._words.copy()

    def word_table(self, *, min_count=1):
        """Return the mean attribution of each word, over all reviews.

        Parameters
        ----------
        min_count : int, default=1
            Least number of occurrences of a word.

        Returns
        -------
        table : DataFrame
            One row for each target and word after cleaning: ``target``, ``word``,
            ``count`` and ``mean``. The words of a target are sorted by their mean, the
            highest first.
        """
        targets = self.summary["target"][self._tokens["text"]]
        table = (
            self._tokens.assign(target=targets.to_numpy())
            .groupby(["target", "word"])["attribution"]
            .agg(["count", "mean"])
            .reset_index()
        )
        table = table[table["count"] >= min_count]
        # Numbers of the groups, as labels may have no order.
        return (
            table.assign(group=table.groupby("target").ngroup())
            .sort_values(["group", "mean"], ascending=[True, False], kind="stable")
            .drop(columns="group")
            .reset_index(drop=True)
        )

    def save_html(self, path):
        """Write all reviews as one HTML page without scripts or external resources.

        Parameters
        ----------
        path : str or Path
            The file, which is written atomically.

        Raises
        ------
        ValueError
            If its folder does not exist.
        """
        reviews = self._split_all(len(self.texts))
        page = render_page("explanation.html", "Explained reviews", reviews=reviews)
        save_page(path, page)

    def __str__(self):
        has_colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        blocks = []
        for title, pieces in self._split_all(_N_SHOWN):
            shown = [_paint(*piece) if has_colours else piece[0] for piece in pieces]
            lines = [title, "".join(shown)]
            words = [(word, x) for word, x, _ in pieces if x is not None]
            words.sort(key=lambda pair: -abs(pair[1]))
            for name, sign in (("for", 1), ("against", -1)):
                top = [f"{word} {x:+.2f}" for word, x in words if sign * x > 0]
                if top := top[:_N_TOP]:
                    lines.append(f"  {name + ':':8} {', '.join(top)}")
            blocks.append("\n".join(lines))
        return "\n\n".join(blocks)

    def __repr__(self):
        return f"<Explanation of {len(self.texts)} texts>"

    def _repr_html_(self):
        return render("explanation.html", reviews=self._split_all(_N_SHOWN))

    def _split_all(self, n_texts):
        """Return the title and the pieces of the first reviews."""
        by_text = dict(list(self._words.groupby("text")))
        summary = self.summary[:n_texts]
        reviews = []
        for position, row in enumerate(summary.itertuples()):
            title = f"{row.target} (probability {row.probability:.2f})"
            if row.predicted != row.target:
                title += f", but {row.predicted} is predicted"
            words = by_text.get(position, self._words[:0])
            reviews.append((strip_controls(title), _split(self.texts[position], words)))
        return reviews


def _split(text, words):
    """Return the pieces of a text: text, attribution, share of the strongest word.

    The last two are None between words and for words without an attribution.
    """
    strongest = words["attribution"].abs().max()
    pieces, position = [], 0
    for word in words.itertuples():
        value, share = word.attribution, 0.0
        if np.isnan(value):
            value = share = None
        elif strongest > 0:
            share = value / strongest
        pieces.append((text[position : word.start], None, None))
        pieces.append((text[word.start : word.stop], value, share))
        position = word.stop
    pieces.append((text[position:], None, None))
    return [(strip_controls(piece), *values) for piece, *values in pieces]


def _paint(word, _, share):
    if share is None or abs(share) < _WEAK:
        return word
    codes = _FOR_CODES if share > 0 else _AGAINST_CODES
    return f"{codes['strong' if abs(share) >= _STRONG else 'weak']}{word}{_END_CODE}"
