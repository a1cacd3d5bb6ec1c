"""How an explanation looks: HTML and text for terminals.

Reviews are strangers' texts: whatever they hold is shown and never run.
"""

import html
import os
import sys

import numpy as np

# Blue and orange of Okabe and Ito, which the colour-blind tell apart; what speaks
# against the target is underlined as well, to be told apart in grey.
_FOR, _AGAINST = "0,114,178", "230,159,0"
_DEEPEST = 0.6  # opacity of the strongest word: black letters stay readable
_FOR_CODES = {"strong": "\x1b[30;46m", "weak": "\x1b[36m"}  # cyan
_AGAINST_CODES = {"strong": "\x1b[4;30;43m", "weak": "\x1b[4;33m"}  # yellow
_END_CODE = "\x1b[0m"
# Shares of the strongest word of a text from where a word is coloured at all in a
# terminal, and from where it is strong.
_WEAK, _STRONG = 0.1, 0.4
_TOP = 5  # words for the target, and against it, that are listed below a text

# What moves the cursor of a terminal or turns the direction of what follows.
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160), *range(8234, 8239)), "�")
_CONTROLS |= dict.fromkeys(range(8294, 8298), "�")
_CONTROLS |= {ord("\n"): "\n", ord("\t"): "\t", ord("\r"): None}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Explained reviews</title>
</head>
<body style="margin:0 auto;max-width:50em;padding:1em;background:#fff">
{body}
</body>
</html>
"""


def to_page(texts, summary, words):
    """Return a page of HTML that loads and runs nothing."""
    return _PAGE.format(body=to_html(texts, summary, words))


def to_html(texts, summary, words):
    """Return a fragment of HTML, styled in its own attributes."""
    legend = (
        "<p><small>"
        f"{_to_span('for', 1, 'speaks for the label')} "
        f"{_to_span('against', -1, 'speaks against it')} "
        "The strongest word of each review has the deepest colour.</small></p>"
    )
    reviews = [
        f'<div style="border-top:1px solid #999;padding:.6em 0"><b>{_escape(title)}</b>'
        '<div dir="auto" style="white-space:pre-wrap;unicode-bidi:isolate">'
        f"{_mark(text, own, _to_span, _escape)}</div></div>"
        for text, title, own in _go_through(texts, summary, words)
    ]
    style = "font-family:sans-serif;line-height:1.6;color:#000;background:#fff"
    return f'<div style="{style}">{legend}{"".join(reviews)}</div>'


def to_terminal(texts, summary, words):
    """Return plain text, coloured if it goes to a terminal that wants colours."""
    has_colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    paint = _paint if has_colours else _leave_plain
    blocks = []
    for text, title, own in _go_through(texts, summary, words):
        block = [title, _mark(text, own, paint, strip_controls)]
        own = own.dropna(subset="attribution")
        signed = own["attribution"]
        for name, top in (
            ("for", own[signed > 0].nlargest(_TOP, "attribution")),
            ("against", own[signed < 0].nsmallest(_TOP, "attribution")),
        ):
            listed = [
                f"{strip_controls(word)} {value:+.2f}"
                for word, value in zip(top["word"], top["attribution"], strict=True)
            ]
            if listed:
                block.append(f"  {name + ':':8} {', '.join(listed)}")
        blocks.append("\n".join(block))
    return "\n\n".join(blocks)


def _go_through(texts, summary, words):
    """Yield each text, its title and the rows of its words."""
    by_text = dict(list(words.groupby("text")))
    for position, (text, target, predicted, probability) in enumerate(
        zip(
            texts,
            summary["target"],
            summary["predicted"],
            summary["probability"],
            strict=True,
        )
    ):
        title = f"{target} (probability {probability:.2f})"
        if predicted != target:
            title += f", but {predicted} is predicted"
        yield text, strip_controls(title), by_text.get(position, words[:0])


def _mark(text, words, mark, escape):
    """Return the text with its words marked and all else escaped."""
    strongest = words["attribution"].abs().max()
    done, place = [], 0
    for start, stop, value in zip(
        words["start"], words["stop"], words["attribution"], strict=True
    ):
        share = value / strongest if strongest > 0 else 0.0
        done.append(escape(text[place:start]))
        if np.isnan(value):
            done.append(escape(text[start:stop]))
        else:
            done.append(mark(text[start:stop], share, f"{value:+.3f}"))
        place = stop
    return "".join([*done, escape(text[place:])])


def _to_span(word, share, tip):
    colour = _FOR if share > 0 else _AGAINST
    style = f"background:rgba({colour},{_DEEPEST * abs(share):.2f})"
    if share < 0:
        style += ";text-decoration:underline"
    return f'<span style="{style}" title="{_escape(tip)}">{_escape(word)}</span>'


def _paint(word, share, tip):
    word = strip_controls(word)
    if abs(share) < _WEAK:
        return word
    codes = _FOR_CODES if share > 0 else _AGAINST_CODES
    return f"{codes['strong' if abs(share) >= _STRONG else 'weak']}{word}{_END_CODE}"


def _leave_plain(word, share, tip):
    return strip_controls(word)


def _escape(text):
    return html.escape(strip_controls(text))


def strip_controls(text):
    """Return the text with visible signs for what would command a terminal."""
    return text.translate(_CONTROLS)
