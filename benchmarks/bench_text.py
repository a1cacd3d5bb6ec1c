"""Speed of cleaning and vectorizing, beside plain Python and scikit-learn.

All rows are timed in turns in one process. Each is the median of its runs.
"""

import argparse
import html
import re
from functools import partial

import pandas as pd
from common import (
    describe_machine,
    find_data,
    median_in_turns,
    print_table,
    time_call,
)
from rival_nltk import stem_words
from sklearn.feature_extraction.text import CountVectorizer

from skreviews import SequenceVectorizer, TextCleaner

NLTK_ROWS = 500
NLTK = "NLTK per token"
RE = "Python re"
COUNT = "CountVectorizer"
RIVALS = (NLTK, RE, COUNT)

# The substitutions of TextCleaner's defaults, for Python's re. It has no class for
# symbols: these ranges contain the emoji.
SYMBOLS = r"\u2190-\u21ff\u2300-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
TAGS = re.compile(
    r"(?is)<(?:script|style)\b.*?</(?:script|style)\s*>|<!--.*?-->|</?[a-z][^<>]*>"
)
URLS = re.compile(r"\b(?:https?://|www\.)\S+|\b[\w.+-]+@[\w-]+\.[\w.-]*\w", re.I)
EMOJI = re.compile(f"([{SYMBOLS}])")
BLANKS = re.compile(r"[\W\d_]+")
BLANKS_BUT_EMOJI = re.compile(rf"(?:[^\w{SYMBOLS}]|[\d_])+")
REPEATS = re.compile(r"([^\W\d_])\1\1+")


def clean_with_re(texts):
    cleaned = []
    for text in texts:
        text = URLS.sub(" ", TAGS.sub(" ", html.unescape(text))).lower()
        text, n_emoji = EMOJI.subn(r" \1 ", text.replace("'", "").replace("’", ""))
        blanks = BLANKS_BUT_EMOJI if n_emoji else BLANKS  # the second is faster
        cleaned.append(REPEATS.sub(r"\1\1", blanks.sub(" ", text)).strip())
    return cleaned


def stem_with_nltk(texts):
    for text in texts:
        stem_words(text)


def make_cases(raw):
    """Return the cases, each with its name, texts and function of the texts."""
    raw = raw.tolist()
    clean = TextCleaner().transform
    cleaned = clean(raw).tolist()
    same = sum(a == b for a, b in zip(cleaned, clean_with_re(raw), strict=True))
    print(f"{RE} and TextCleaner agree on {same:,} of {len(raw):,} texts.\n")
    vectorizer = SequenceVectorizer(min_df=2).fit(cleaned)

    def clean_and_vectorize(texts):
        return SequenceVectorizer(min_df=2).fit_transform(clean(texts))

    def count(texts):
        return CountVectorizer(min_df=2).fit_transform(texts)

    return [
        ("TextCleaner", raw, clean),
        ("TextCleaner, porter", raw, TextCleaner(stemmer="porter").transform),
        (
            "SequenceVectorizer.fit_transform",
            cleaned,
            SequenceVectorizer(min_df=2).fit_transform,
        ),
        ("SequenceVectorizer.transform", cleaned, vectorizer.transform),
        ("TextCleaner + SequenceVectorizer", raw, clean_and_vectorize),
        (NLTK, raw[:NLTK_ROWS], stem_with_nltk),
        (RE, raw, clean_with_re),
        (COUNT, cleaned, count),
    ]


def measure(cases, repeats):
    """Return the median speed of each case in MB of UTF-8 per second."""
    timed = {name: partial(time_call, call, texts) for name, texts, call in cases}
    seconds = median_in_turns(timed, repeats)
    sizes = {name: sum(len(t.encode()) for t in texts) for name, texts, _ in cases}
    return {name: sizes[name] / 1e6 / seconds[name] for name in seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="runs (default: 5)")
    parser.add_argument("--rows", type=int, help="reviews (default: all 25,000)")
    args = parser.parse_args()
    texts = pd.read_parquet(find_data() / "imdb_train.parquet", columns=["text"])
    texts = texts["text"].head(args.rows or len(texts))
    print(describe_machine("pyarrow", "numpy", "scikit-learn", "nltk"))
    print(f"imdb_train: {len(texts):,} reviews; median of {args.repeats} runs.")
    speeds = measure(make_cases(texts), args.repeats)
    rows = []
    for name, speed in speeds.items():
        ratios = [f"{speed / speeds[rival]:.2f}" for rival in RIVALS]
        rows.append([name, f"{speed:.1f}", *ratios])
    print_table(["", "MB/s", *(f"x {rival}" for rival in RIVALS)], rows)


if __name__ == "__main__":
    main()
