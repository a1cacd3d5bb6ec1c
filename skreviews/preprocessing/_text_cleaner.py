"""TextCleaner: clean raw reviews."""

import html
import re
import unicodedata
from collections import defaultdict
from functools import partial
from operator import methodcaller
from string import ascii_letters

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from sklearn.utils._param_validation import (
    StrOptions,
    validate_parameter_constraints,
)

from skreviews.preprocessing._stemmers import make_stemmer
from skreviews.preprocessing._texts import (
    check_texts,
    map_chunks,
    split_words,
    to_bytes,
    to_offsets,
    to_strings,
)

# Placeholders as in fastai: no word of a review starts with "xx".
URL_TOKEN = "xxurl"
DIGITS_TOKEN = "xxnum"

_TAGS = r"(?is)<(?:script|style)\b.*?</(?:script|style)\s*>|<!--.*?-->|</?[a-z][^<>]*>"
_ENTITY = r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w+);"
_URLS = r"(?i)\b(?:https?://|www\.)\S+|\b[\w.+-]+@[\w-]+\.[\w.-]*\w"
# A fast test that every URL and address passes.
_URL_SIGNS = r"(?i)https?://|www\.|@"
_DIGITS = r"\p{Nd}+(?:[.,:]\p{Nd}+)*[\x{FE0F}\x{20E3}]*"
_HAS_LONG_NUMBER = r"\p{Nd}{3}"
_LONG_NUMBERS = re.compile(r"\d{3,}")
# Only contractions with one meaning. "It's" is "it is" or "it has".
_CONTRACTIONS = (
    (r"(?i)\bwon['’]t\b", "will not"),
    (r"(?i)\bshan['’]t\b", "shall not"),
    (r"(?i)\bcan['’]t\b", "can not"),
    (r"(?i)n['’]t\b", " not"),
    (r"(?i)['’]re\b", " are"),
    (r"(?i)['’]ve\b", " have"),
    (r"(?i)['’]ll\b", " will"),
    (r"(?i)\b(i)['’]m\b", r"\1 am"),
)
# An emoji is a symbol with modifiers (skin tone, variation, keycap, tags), a sequence
# of these joined by U+200D (a family), or two regional indicators (a flag).
_FLAG_TAGS = r"\x{E0020}-\x{E007F}"
_FLAG = r"[\x{1F1E6}-\x{1F1FF}]{2}"
_MODIFIERS = rf"[\x{{1F3FB}}-\x{{1F3FF}}\x{{FE0E}}\x{{FE0F}}\x{{20E3}}{_FLAG_TAGS}]*"
# Never removed as punctuation: U+200C and U+200D also join letters of Persian and Indic
# scripts, and skin tones belong to emoji.
_JOINERS = r"\x{200C}\x{200D}\x{1F3FB}-\x{1F3FF}" + _FLAG_TAGS
_PUNCTUATION = r"([\p{P}\p{Sc}\p{Sm}^`´¨])"
# RE2 has no back-references. This pattern finds candidates for Python's re.
_MAYBE_REPEATS = "|".join(c * 3 for c in ascii_letters) + r"|[^\x00-\x7F]{3}"
_REPEATS = re.compile(r"([^\W\d_])\1{2,}")


_ASCII = frozenset(map(chr, range(128)))
_SPACE = np.uint8(ord(" "))

# For each character class of RE2, its known characters as escapes, "" for characters
# outside the class.
_CLASS_MEMBERS = defaultdict(dict)

_AUXILIARIES = (
    "ai are ca could did do does had has have is might must need ought sha should "
    "was were wo would"
).split()
_NEGATIONS = frozenset(
    "cannot hardly neither never no nobody none noone nor not nothing nowhere "
    "without".split()
) | {f"{verb}{nt}" for verb in _AUXILIARIES for nt in ("nt", "n't", "n’t")}


class TextCleaner(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Clean raw reviews to words separated by single spaces.

    Arrow cleans all texts at once. Its regular expressions (RE2) take linear time.
    Stemmers and lemmatizers process each distinct word once. The cleaner is stateless:
    `transform` works without `fit`.

    Parameters
    ----------
    lowercase : bool, default=True
        Lower-case all letters. The stemmers always do.
    strip_html : bool, default=True
        Resolve entities (``&amp;``) and remove tags, comments, scripts and styles.
    urls : {'remove', 'token', 'keep'}, default='remove'
        Treatment of URLs and e-mail addresses. 'token' replaces each by ``xxurl``.
        'keep' leaves them to `punctuation` and `digits`.
    digits : {'remove', 'token', 'shape', 'keep'}, default='remove'
        Treatment of numbers. 'token' replaces each by ``xxnum``. 'shape' keeps numbers
        of one or two digits and replaces each digit of longer ones by 0 [1]_: ``8/10``
        stays, ``08712460324`` becomes ``00000000000``.
    punctuation : {'remove', 'separate', 'keep'}, default='remove'
        'remove' replaces punctuation by a space. 'separate' makes each punctuation
        character a word. Both delete apostrophes: ``don't`` becomes ``dont``.
    emoji : {'keep', 'words', 'drop'}, default='keep'
        'keep' makes each emoji a word. 'words' replaces it by its Unicode name. 'drop'
        removes it. Symbols such as ★ count as emoji.
    squeeze_repeats : bool, default=True
        Shorten three or more equal letters to two: ``soooo`` becomes ``soo``.
    expand_contractions : bool, default=False
        Expand English contractions: ``won't`` becomes ``will not``.
    stop_words : 'english', list of str or None, default=None
        Words to remove. 'english' is the list of scikit-learn.
    keep_negations : bool, default=True
        Keep ``not``, ``never``, ``don't`` and other negations in spite of
        `stop_words`. Without them "not good" becomes "good".
    stemmer : {'porter', 'snowball', 'lancaster'} or None, default=None
        NLTK stemmer.
    lemmatizer : {'wordnet'} or None, default=None
        NLTK lemmatizer, applied before the stemmer. It needs NLTK's WordNet corpus:
        ``python -m nltk.downloader wordnet``.
    language : str, default='english'
        Language of the snowball stemmer.
    missing : {'error', 'empty'}, default='error'
        Treatment of missing texts (None, NaN): raise, or replace by ``""``.

    See Also
    --------
    SequenceVectorizer : Encode the cleaned texts as padded token ids.
    sklearn.feature_extraction.text.CountVectorizer : Count words.

    References
    ----------
    .. [1] M. Collins, "Ranking algorithms for named-entity extraction: boosting and
       the voted perceptron", ACL 2002.

    Examples
    --------
    >>> from skreviews import TextCleaner
    >>> cleaner = TextCleaner(stemmer="porter")
    >>> cleaner.fit_transform(["It CRASHES!!<br />Don't buy 😡", "Sooooo good, 5/5"])
    array(['it crash dont buy 😡', 'soo good'], dtype=object)
    """

    _parameter_constraints: dict = {
        "lowercase": ["boolean"],
        "strip_html": ["boolean"],
        "urls": [StrOptions({"remove", "token", "keep"})],
        "digits": [StrOptions({"remove", "token", "shape", "keep"})],
        "punctuation": [StrOptions({"remove", "separate", "keep"})],
        "emoji": [StrOptions({"keep", "words", "drop"})],
        "squeeze_repeats": ["boolean"],
        "expand_contractions": ["boolean"],
        "stop_words": [StrOptions({"english"}), "array-like", set, frozenset, None],
        "keep_negations": ["boolean"],
        "stemmer": [StrOptions({"porter", "snowball", "lancaster"}), None],
        "lemmatizer": [StrOptions({"wordnet"}), None],
        "language": [str],
        "missing": [StrOptions({"error", "empty"})],
    }

    def __init__(
        self,
        *,
        lowercase=True,
        strip_html=True,
        urls="remove",
        digits="remove",
        punctuation="remove",
        emoji="keep",
        squeeze_repeats=True,
        expand_contractions=False,
        stop_words=None,
        keep_negations=True,
        stemmer=None,
        lemmatizer=None,
        language="english",
        missing="error",
    ):
        self.lowercase = lowercase
        self.strip_html = strip_html
        self.urls = urls
        self.digits = digits
        self.punctuation = punctuation
        self.emoji = emoji
        self.squeeze_repeats = squeeze_repeats
        self.expand_contractions = expand_contractions
        self.stop_words = stop_words
        self.keep_negations = keep_negations
        self.stemmer = stemmer
        self.lemmatizer = lemmatizer
        self.language = language
        self.missing = missing

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the parameters and the texts.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,)
            Texts.
        y : None
            Ignored.

        Returns
        -------
        self : TextCleaner
        """
        check_texts(X, missing=self.missing)
        self._word_functions()
        return self

    def transform(self, X):
        """Return the cleaned texts.

        Parameters
        ----------
        X : list, tuple, ndarray, Series or pyarrow array of str of shape (n_samples,)
            Texts.

        Returns
        -------
        texts : ndarray of object of shape (n_samples,)
            The cleaned texts. ``""`` if nothing is left of a text.

        Raises
        ------
        ValueError
            If `X` contains anything but texts. The message names the position.
        LookupError
            If the corpus of the lemmatizer is not installed.
        """
        # _validate_params takes as long as cleaning a short review.
        validate_parameter_constraints(
            self._parameter_constraints, vars(self), type(self).__name__
        )
        texts = check_texts(X, missing=self.missing)
        functions = self._word_functions()
        texts = pa.concat_arrays(map_chunks(self._clean_characters, texts))
        if functions:
            texts = _map_words(functions, texts)
        return texts.to_numpy(zero_copy_only=False)

    def set_output(self, *, transform=None):
        """Do nothing, because texts are not a table.

        A pipeline calls `set_output` of every step.

        Parameters
        ----------
        transform : None
            Ignored.

        Returns
        -------
        self : TextCleaner
        """
        return self

    def get_feature_names_out(self, input_features=None):
        """Return the name of the output, "text".

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Ignored.

        Returns
        -------
        names : ndarray of object of shape (1,)
        """
        return np.array(["text"], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        return tags

    def _word_functions(self):
        """Return the functions to apply to each distinct word, in order."""
        functions = []
        if self.stop_words is not None:
            functions.append(partial(_drop, self._find_stop_words()))
        if self.lemmatizer is not None:
            functions.append(_make_lemmatizer())
        if self.stemmer is not None:
            functions.append(make_stemmer(self.stemmer, self.language))
        return functions

    def _find_stop_words(self):
        words = self.stop_words
        if isinstance(words, str):
            words = ENGLISH_STOP_WORDS
        for word in words:
            if not isinstance(word, str):
                raise ValueError(f"stop_words contains {word!r}; pass a list of str.")
        words = [
            word
            for word in words
            if not (self.keep_negations and word.lower() in _NEGATIONS)
        ]
        # Clean the list like the texts, in which "don't" becomes "dont".
        cleaned = self._clean_characters(pa.array(words, type=pa.large_string()))
        return frozenset(cleaned.to_pylist())

    def _clean_characters(self, texts):
        """Apply all steps that work on characters to a slice of the texts."""
        replace = pc.replace_substring_regex
        if self.strip_html:
            # Entities first: some exports are escaped twice and contain "&lt;br&gt;".
            texts = _map_where(_ENTITY, html.unescape, texts)
            texts = _replace_where("<", _TAGS, " ", texts)
        if self.urls != "keep":
            filler = _filler(self.urls, URL_TOKEN)
            texts = _replace_where(_URL_SIGNS, _URLS, filler, texts)
        if self.lowercase:
            texts = pc.utf8_lower(texts)
        if self.expand_contractions:
            for pattern, words in _CONTRACTIONS:
                texts = replace(texts, pattern, words)
        if self.digits == "shape":
            to_zeros = partial(_LONG_NUMBERS.sub, lambda number: "0" * len(number[0]))
            texts = _map_where(_HAS_LONG_NUMBER, to_zeros, texts)
        # If punctuation is removed, the same step removes the digits.
        if self.digits == "token" or (
            self.digits == "remove" and self.punctuation != "remove"
        ):
            texts = replace(texts, _DIGITS, _filler(self.digits, DIGITS_TOKEN))
        if self.punctuation == "keep":
            return self._clean_unicode(texts)
        is_unicode = pc.invert(pc.string_is_ascii(texts))
        if is_unicode.true_count == len(texts):
            return self._clean_unicode(texts)
        return _update(is_unicode, self._clean_unicode, texts, self._clean_ascii(texts))

    def _clean_ascii(self, texts):
        """Clean ASCII texts as `_clean_unicode` does, in less time."""
        offsets, chars = to_bytes(pc.replace_substring(texts, "'", ""))
        if self.punctuation == "separate":
            offsets, chars = _separate(offsets, chars)
        is_letter = _is_letter(chars)
        is_kept = is_letter
        if self.digits in ("shape", "keep"):
            is_kept = is_kept | _is_digit(chars)
        if self.punctuation == "separate":
            is_kept = is_kept | _is_punctuation(chars)
        chars = (chars - _SPACE) * is_kept + _SPACE  # faster than np.where
        is_repeated = np.zeros_like(is_kept)
        is_repeated[1:] = chars[1:] == chars[:-1]
        is_repeated[offsets[offsets < len(chars)]] = False  # the first of each text
        dropped = is_repeated & ~is_kept
        if self.squeeze_repeats:
            dropped[1:] |= is_repeated[1:] & is_repeated[:-1] & is_letter[1:]
        offsets = offsets - np.searchsorted(np.flatnonzero(dropped), offsets)
        return pc.utf8_trim_whitespace(to_strings(offsets, chars[~dropped]))

    def _clean_unicode(self, texts):
        """Clean emoji, punctuation, white space and repeats in any script."""
        replace = pc.replace_substring_regex
        chars = _find_characters(texts)
        if symbols := _select(r"\p{So}", chars):
            texts = self._clean_emoji(texts, symbols, chars)
        if self.punctuation != "keep":
            for apostrophe in "'’":
                texts = pc.replace_substring(texts, apostrophe, "")
        if self.punctuation == "separate":
            texts = replace(texts, _PUNCTUATION, r" \1 ")
        texts = replace(texts, self._gap_pattern(chars), " ")
        if self.squeeze_repeats:
            squeeze = partial(_REPEATS.sub, r"\1\1")
            texts = _map_where(_MAYBE_REPEATS, squeeze, texts)
        return pc.utf8_trim_whitespace(texts)

    def _clean_emoji(self, texts, symbols, chars):
        replace = pc.replace_substring_regex
        if self.emoji == "words":
            texts = replace(texts, rf"({symbols}){_MODIFIERS}\x{{200D}}?", r"\1")
            names = {
                ord(char): f" {unicodedata.name(char, '').lower().replace('-', ' ')} "
                for char in chars
                if unicodedata.category(char) == "So"
            }
            return _map_where(symbols, methodcaller("translate", names), texts)
        emoji = rf"{symbols}{_MODIFIERS}"
        emoji = rf"({_FLAG}|{emoji}(?:\x{{200D}}{emoji})*)"
        return replace(texts, emoji, r" \1 " if self.emoji == "keep" else " ")

    def _gap_pattern(self, chars):
        """Return the pattern of the characters between words."""
        kept = rf"\p{{L}}\p{{So}}{_JOINERS}"
        if self.digits != "remove":
            kept += r"\p{N}"
        if self.punctuation != "remove":
            kept += r"\p{P}\p{S}"
        # A combining mark after a removed character is removed with it. A single space
        # does not match, because replacing it by itself takes time.
        first = _select(rf"[^{kept}\p{{M}}\s]", chars)
        return rf"\s*{first}{_select(f'[^{kept}]', chars)}*|\s\s+|[\t\n\r\f\v]"


def _separate(offsets, chars):
    """Put a space before and after each punctuation character of ASCII texts."""
    positions = np.flatnonzero(_is_punctuation(chars))
    chars = np.insert(chars, np.concatenate([positions, positions + 1]), _SPACE)
    return offsets + 2 * np.searchsorted(positions, offsets), chars


def _is_letter(chars):
    return (chars | 32) - np.uint8(ord("a")) < 26


def _is_digit(chars):
    return chars - np.uint8(ord("0")) < 10


def _is_punctuation(chars):
    return (chars - np.uint8(33) < 94) & ~_is_letter(chars) & ~_is_digit(chars)


def _find_characters(texts):
    """Return the set of all ASCII characters and the other characters of the texts."""
    others = texts.filter(pc.invert(pc.string_is_ascii(texts)))
    return _ASCII.union(*others.to_pylist())


def _select(pattern, chars):
    """Return the class of the characters that match a pattern, or "".

    RE2 compiles classes such as ``\\p{L}`` at each call, which takes ten times as long
    as cleaning a short text. Short explicit classes are fast.
    """
    known = _CLASS_MEMBERS[pattern]
    new = list(chars.difference(known))
    if new:
        found = pc.match_substring_regex(pa.array(new, pa.large_string()), pattern)
        for char, is_found in zip(new, found.to_pylist(), strict=True):
            known[char] = rf"\x{{{ord(char):X}}}" if is_found else ""
    selected = "".join(map(known.__getitem__, chars))
    return f"[{selected}]" if selected else ""


def _filler(option, token):
    return f" {token} " if option == "token" else " "


def _map_where(pattern, function, texts):
    """Apply a Python function to the texts that match a pattern."""
    return _update(
        pc.match_substring_regex(texts, pattern),
        lambda found: pa.array(map(function, found.to_pylist()), type=texts.type),
        texts,
        texts,
    )


def _replace_where(condition, pattern, replacement, texts):
    """Replace a slow pattern in the texts that match a fast one."""
    return _update(
        pc.match_substring_regex(texts, condition),
        lambda found: pc.replace_substring_regex(found, pattern, replacement),
        texts,
        texts,
    )


def _update(mask, function, texts, others):
    """Return `function(texts)` where the mask is True and `others` elsewhere."""
    if not mask.true_count:
        return others
    return pc.replace_with_mask(others, mask, function(texts.filter(mask)))


def _map_words(functions, texts):
    """Apply functions to each distinct word, and remove words that become empty."""
    codes, offsets, words = split_words(texts)
    mapped = words.to_pylist()
    for function in functions:
        mapped = [function(word) if word else word for word in mapped]
    mapped = np.array(mapped, dtype=object)
    kept = (mapped != "")[codes]
    lengths = np.add.reduceat(np.append(kept, False), offsets[:-1], dtype=np.int64)
    lengths[offsets[:-1] == offsets[1:]] = (
        0  # reduceat returns one item of an empty slice
    )
    words = pa.array(mapped, type=pa.large_string()).take(pa.array(codes[kept]))
    lists = pa.LargeListArray.from_arrays(to_offsets(lengths), words)
    return pc.binary_join(lists, pa.scalar(" ", words.type))


def _drop(stop_words, word):
    return "" if word in stop_words else word


def _make_lemmatizer():
    from nltk.corpus import wordnet
    from nltk.stem import WordNetLemmatizer

    try:
        wordnet.ensure_loaded()
    except LookupError:
        raise LookupError(
            "lemmatizer='wordnet' needs NLTK's WordNet corpus, which was not found. "
            "Install it with: python -m nltk.downloader wordnet"
        ) from None
    return partial(_lemmatize, WordNetLemmatizer())


def _lemmatize(lemmatizer, word):
    # The first part of speech that changes the word decides. Verbs come first: as a
    # noun "was" becomes "wa".
    for part_of_speech in "vnar":
        lemma = lemmatizer.lemmatize(word, part_of_speech)
        if lemma != word:
            return lemma
    return word
