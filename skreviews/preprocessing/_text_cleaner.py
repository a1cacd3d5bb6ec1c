"""TextCleaner: from raw reviews to plain words."""

import html
import re
import unicodedata
from collections import defaultdict
from functools import lru_cache, partial
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

from skreviews.preprocessing._texts import (
    check_texts,
    map_chunks,
    split_words,
    to_bytes,
    to_offsets,
    to_strings,
)

# What stands in a text for a thing that was taken out (the "xx" of fastai's rules:
# no word of any review starts so).
URL_TOKEN = "xxurl"
DIGITS_TOKEN = "xxnum"

_TAGS = r"(?is)<(?:script|style)\b.*?</(?:script|style)\s*>|<!--.*?-->|</?[a-z][^<>]*>"
_ENTITY = r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z]\w+);"
_URLS = r"(?i)\b(?:https?://|www\.)\S+|\b[\w.+-]+@[\w-]+\.[\w.-]*\w"
# Quick to look for, and in every URL and address.
_URL_SIGNS = r"(?i)https?://|www\.|@"
_DIGITS = r"\p{Nd}+(?:[.,:]\p{Nd}+)*[\x{FE0F}\x{20E3}]*"
# Shorter numbers are words like others ("10/10"), longer ones are mostly rare.
_LONG_NUMBER = r"\p{Nd}{3}"
_LONG_NUMBERS = re.compile(r"\d{3,}")
# Only what has one meaning: 's and 'd are left alone ("it's" is "it is" or "it has").
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
# An emoji is a symbol with its skin tone, variation, keycap and tag marks, several
# joined by U+200D (a family), or two regional indicators (a flag).
_TAGS_OF_FLAGS = r"\x{E0020}-\x{E007F}"
_FLAG = r"[\x{1F1E6}-\x{1F1FF}]{2}"
_MARKS = rf"[\x{{1F3FB}}-\x{{1F3FF}}\x{{FE0E}}\x{{FE0F}}\x{{20E3}}{_TAGS_OF_FLAGS}]*"
# Never punctuation: U+200C and U+200D shape Persian and Indic words and, as skin tones
# do, emoji.
_JOINERS = r"\x{200C}\x{200D}\x{1F3FB}-\x{1F3FF}" + _TAGS_OF_FLAGS
_PUNCTUATION = r"([\p{P}\p{Sc}\p{Sm}^`´¨])"
# RE2 has no back-references: this finds the texts that may hold a tripled letter, and
# Python's re mends those few.
_TRIPLED = "|".join(c * 3 for c in ascii_letters) + r"|[^\x00-\x7F]{3}"
_REPEATS = re.compile(r"([^\W\d_])\1{2,}")

# Some megabytes of words, each of which takes NLTK 10 to 30 microseconds.
_MOST_STEMS = 2**15

_ASCII = frozenset(map(chr, range(128)))
_BLANK = np.uint8(ord(" "))

# For each pattern, the characters that were asked for, as a class of RE2 has them, or
# "" where they do not match.
_KNOWN_CLASSES = defaultdict(dict)

_AUXILIARIES = (
    "ai are ca could did do does had has have is might must need ought sha should "
    "was were wo would"
).split()
_NEGATIONS = frozenset(
    "cannot hardly neither never no nobody none noone nor not nothing nowhere "
    "without".split()
) | {f"{verb}{nt}" for verb in _AUXILIARIES for nt in ("nt", "n't", "n’t")}


class TextCleaner(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Turn raw reviews into plain words separated by single blanks.

    The texts are cleaned column-wise by Arrow, whose regular expressions (RE2) take
    time linear in the text; stemmers and lemmatizers see each distinct word once.
    There is nothing to learn, so `transform` works without `fit`.

    Parameters
    ----------
    lowercase : bool, default=True
        Lower-case all letters; the stemmers do so in any case.
    strip_html : bool, default=True
        Resolve entities (``&amp;``) and drop tags, comments, scripts and styles.
    urls : {'remove', 'token', 'keep'}, default='remove'
        What happens to URLs and e-mail addresses; 'token' puts ``xxurl`` there.
        'keep' leaves them to `punctuation` and `digits`.
    digits : {'remove', 'token', 'shape', 'keep'}, default='remove'
        What happens to numbers; 'token' puts ``xxnum`` there. 'shape' keeps those of
        one or two digits, and writes a 0 for each digit of longer ones [1]_:
        ``8/10`` stays, ``08712460324`` becomes ``00000000000``. So a phone number
        that was never seen looks like others of its length.
    punctuation : {'remove', 'separate', 'keep'}, default='remove'
        'remove' puts a blank there; 'separate' makes each mark a word of its own. Both
        join what an apostrophe parts: ``don't`` and ``dont`` become one word.
    emoji : {'keep', 'words', 'drop'}, default='keep'
        'keep' makes each emoji a word of its own; 'words' writes out its Unicode
        name; 'drop' removes it. Symbols such as ★ count as emoji.
    squeeze_repeats : bool, default=True
        Shorten three or more of the same letter to two: ``soooo`` becomes ``soo``.
    expand_contractions : bool, default=False
        Write out English contractions: ``won't`` becomes ``will not``.
    stop_words : 'english', list of str or None, default=None
        Words to drop; 'english' takes scikit-learn's list.
    keep_negations : bool, default=True
        Keep ``not``, ``never``, ``don't`` and their kin even if `stop_words` has
        them: without them "not good" reads "good".
    stemmer : {'porter', 'snowball', 'lancaster'} or None, default=None
        NLTK stemmer to reduce each word with.
    lemmatizer : {'wordnet'} or None, default=None
        NLTK lemmatizer to reduce each word with, before the stemmer. It needs
        NLTK's WordNet corpus: ``python -m nltk.downloader wordnet``.
    language : str, default='english'
        Language of the snowball stemmer.
    missing : {'error', 'empty'}, default='error'
        What a missing text (None, NaN) does: raise, or count as ``""``.

    See Also
    --------
    SequenceVectorizer : Turns the cleaned texts into padded token ids.
    sklearn.feature_extraction.text.CountVectorizer : Counts of words.

    References
    ----------
    .. [1] M. Collins, "Ranking algorithms for named-entity extraction: boosting and
       the voted perceptron", ACL 2002, which takes all letters for their shape, too.

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
        """Check the parameters and the texts; there is nothing to learn.

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
            One str for each text; ``""`` where nothing was left of it.

        Raises
        ------
        ValueError
            If `X` holds anything but texts; the message names the position.
        LookupError
            If the lemmatizer's corpus is not on this machine.
        """
        # Not _validate_params: get_params takes as long as to clean a short review.
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
        """Do nothing: texts are not a table.

        It is here so that `set_output` of a pipeline reaches the other steps.

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
        """Return the name of the one column of texts.

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
        """Return what is done to each distinct word, in order."""
        functions = []
        if self.stop_words is not None:
            functions.append(partial(_drop, self._find_stop_words()))
        if self.lemmatizer is not None:
            functions.append(_make_lemmatizer())
        if self.stemmer is not None:
            functions.append(_make_stemmer(self.stemmer, self.language))
        return functions

    def _find_stop_words(self):
        words = self.stop_words
        if isinstance(words, str):
            words = ENGLISH_STOP_WORDS
        for word in words:
            if not isinstance(word, str):
                raise ValueError(f"stop_words holds {word!r}; pass a list of str.")
        words = [
            word
            for word in words
            if not (self.keep_negations and word.lower() in _NEGATIONS)
        ]
        # Cleaned as the texts are, so that "don't" in the list meets "dont" there.
        cleaned = self._clean_characters(pa.array(words, type=pa.large_string()))
        return frozenset(cleaned.to_pylist())

    def _clean_characters(self, texts):
        """Clean a slice of the texts: all that needs no view of whole words."""
        replace = pc.replace_substring_regex
        if self.strip_html:
            # Entities first: exports that were escaped twice hold "&lt;br&gt;".
            texts = _mend_where(_ENTITY, partial(_map, html.unescape), texts)
            texts = _mend_where("<", partial(_replace, _TAGS, " "), texts)
        if self.urls != "keep":
            mend = partial(_replace, _URLS, _filler(self.urls, URL_TOKEN))
            texts = _mend_where(_URL_SIGNS, mend, texts)
        if self.lowercase:
            texts = pc.utf8_lower(texts)
        if self.expand_contractions:
            for pattern, words in _CONTRACTIONS:
                texts = replace(texts, pattern, words)
        if self.digits == "shape":
            mend = partial(_map, partial(_LONG_NUMBERS.sub, _to_zeros))
            texts = _mend_where(_LONG_NUMBER, mend, texts)
        # Without punctuation the digits go in one step with it.
        if self.digits == "token" or (
            self.digits == "remove" and self.punctuation != "remove"
        ):
            texts = replace(texts, _DIGITS, _filler(self.digits, DIGITS_TOKEN))
        if self.punctuation == "keep":
            return self._clean_unicode(texts)
        other = pc.invert(pc.string_is_ascii(texts))
        if other.true_count == len(other):
            return self._clean_unicode(texts)
        return _mend(other, self._clean_unicode, texts, self._clean_ascii(texts))

    def _clean_ascii(self, texts):
        """Do to ASCII texts what `_clean_unicode` does, in a third of its time or less.

        Such a text is runs of letters, and of digits if these are kept, and marks, if
        these are set apart; all between them is one blank.
        """
        offsets, chars = to_bytes(pc.replace_substring(texts, "'", ""))
        if self.punctuation == "separate":
            offsets, chars = _set_apart(offsets, chars)
        is_letter = _is_letter(chars)
        is_kept = is_letter
        if self.digits in ("shape", "keep"):
            is_kept = is_kept | _is_digit(chars)
        if self.punctuation == "separate":
            is_kept = is_kept | _is_mark(chars)
        # What np.where would give, in an eighth of its time.
        chars = (chars - _BLANK) * is_kept + _BLANK
        again = np.zeros_like(is_kept)
        again[1:] = chars[1:] == chars[:-1]
        again[offsets[offsets < len(chars)]] = False  # the first of each text
        dropped = again & ~is_kept
        if self.squeeze_repeats:
            dropped[1:] |= again[1:] & again[:-1] & is_letter[1:]
        offsets = offsets - np.searchsorted(np.flatnonzero(dropped), offsets)
        return pc.utf8_trim_whitespace(to_strings(offsets, chars[~dropped]))

    def _clean_unicode(self, texts):
        """Clean emoji, punctuation, blanks and repeats in any script."""
        replace = pc.replace_substring_regex
        chars = _find_characters(texts)
        symbols = _select(r"\p{So}", chars)
        if symbols:
            texts = self._clean_emoji(texts, symbols)
        if self.punctuation != "keep":
            for apostrophe in "'’":
                texts = pc.replace_substring(texts, apostrophe, "")
        if self.punctuation == "separate":
            texts = replace(texts, _PUNCTUATION, r" \1 ")
        texts = replace(texts, self._blanks(chars), " ")
        if self.squeeze_repeats:
            mend = partial(_map, partial(_REPEATS.sub, r"\1\1"))
            texts = _mend_where(_TRIPLED, mend, texts)
        return pc.utf8_trim_whitespace(texts)

    def _clean_emoji(self, texts, symbols):
        replace = pc.replace_substring_regex
        if self.emoji == "words":
            texts = replace(texts, rf"({symbols}){_MARKS}\x{{200D}}?", r"\1")
            return _mend_where(symbols, partial(_map, _name_emoji), texts)
        emoji = rf"{symbols}{_MARKS}"
        emoji = rf"({_FLAG}|{emoji}(?:\x{{200D}}{emoji})*)"
        return replace(texts, emoji, r" \1 " if self.emoji == "keep" else " ")

    def _blanks(self, chars):
        """Return the pattern of all that becomes one blank."""
        kept = rf"\p{{L}}\p{{So}}{_JOINERS}"
        if self.digits != "remove":
            kept += r"\p{N}"
        if self.punctuation != "remove":
            kept += r"\p{P}\p{S}"
        # Combining marks go with what they stand on (a keycap with its digit). A lone
        # blank is left alone: there are five times as many as all the rest.
        first = _select(rf"[^{kept}\p{{M}}\s]", chars)
        return rf"\s*{first}{_select(f'[^{kept}]', chars)}*|\s\s+|[\t\n\r\f\v]"


def _set_apart(offsets, chars):
    """Put a blank before and behind each mark of ASCII texts."""
    marks = np.flatnonzero(_is_mark(chars))
    chars = np.insert(chars, np.concatenate([marks, marks + 1]), _BLANK)
    return offsets + 2 * np.searchsorted(marks, offsets), chars


def _is_letter(chars):
    return (chars | 32) - np.uint8(ord("a")) < 26


def _is_digit(chars):
    return chars - np.uint8(ord("0")) < 10


def _is_mark(chars):
    return (chars - np.uint8(33) < 94) & ~_is_letter(chars) & ~_is_digit(chars)


def _find_characters(texts):
    """Return all of ASCII, and what else stands in the texts."""
    others = texts.filter(pc.invert(pc.string_is_ascii(texts)))
    return _ASCII.union(*others.to_pylist())


def _select(pattern, chars):
    """Return the class of those characters that match the pattern, or "".

    RE2 compiles the classes of Unicode anew at each call. Those of the blanks take it
    5 ms, ten times as long as all else that a short review needs.
    """
    known = _KNOWN_CLASSES[pattern]
    new = list(chars.difference(known))
    if new:
        found = pc.match_substring_regex(pa.array(new, pa.large_string()), pattern)
        for char, is_found in zip(new, found.to_pylist(), strict=True):
            known[char] = rf"\x{{{ord(char):X}}}" if is_found else ""
    selected = "".join(map(known.__getitem__, chars))
    return f"[{selected}]" if selected else ""


def _filler(option, token):
    return f" {token} " if option == "token" else " "


def _to_zeros(number):
    return "0" * len(number[0])


def _mend_where(pattern, function, texts):
    """Apply a function to those texts only in which the pattern occurs."""
    return _mend(pc.match_substring_regex(texts, pattern), function, texts, texts)


def _mend(mask, function, texts, others):
    """Return what the function makes of the texts under the mask, among the others."""
    if not mask.true_count:
        return others
    return pc.replace_with_mask(others, mask, function(texts.filter(mask)))


def _replace(pattern, replacement, texts):
    return pc.replace_substring_regex(texts, pattern, replacement)


def _map(function, texts):
    return pa.array([function(text) for text in texts.to_pylist()], type=texts.type)


class _EmojiNames(dict):
    """Translation table that writes out symbols, filled as they are met."""

    def __missing__(self, codepoint):
        char = chr(codepoint)
        if unicodedata.category(char) == "So":
            name = unicodedata.name(char, "").lower().replace("-", " ")
            char = f" {name} "
        self[codepoint] = char
        return char


def _name_emoji(text, _names=_EmojiNames()):  # noqa: B008 (a cache on purpose)
    return text.translate(_names)


def _map_words(functions, texts):
    """Apply functions to each distinct word once; drop words that become empty."""
    codes, offsets, words = split_words(texts)
    mapped = words.to_pylist()
    for function in functions:
        mapped = [function(word) if word else word for word in mapped]
    mapped = np.array(mapped, dtype=object)
    kept = (mapped != "")[codes]
    lengths = np.add.reduceat(np.append(kept, False), offsets[:-1], dtype=np.int64)
    lengths[offsets[:-1] == offsets[1:]] = 0  # reduceat gives an empty slice one item
    words = pa.array(mapped, type=pa.large_string()).take(pa.array(codes[kept]))
    lists = pa.LargeListArray.from_arrays(to_offsets(lengths), words)
    return pc.binary_join(lists, pa.scalar(" ", words.type))


def _drop(stop_words, word):
    return "" if word in stop_words else word


@lru_cache
def _make_stemmer(stemmer, language):
    """Return the function, which remembers words: the next texts have them again."""
    from nltk.stem import LancasterStemmer, PorterStemmer, SnowballStemmer

    if stemmer == "porter":
        chosen = PorterStemmer()
    elif stemmer == "lancaster":
        chosen = LancasterStemmer()
    elif language in SnowballStemmer.languages:
        chosen = SnowballStemmer(language)
    else:
        raise ValueError(
            f"language={language!r} has no snowball stemmer; choose one of: "
            f"{', '.join(SnowballStemmer.languages)}; or set stemmer=None."
        )
    return lru_cache(_MOST_STEMS)(chosen.stem)


def _make_lemmatizer():
    from nltk.corpus import wordnet
    from nltk.stem import WordNetLemmatizer

    try:
        wordnet.ensure_loaded()
    except LookupError:
        raise LookupError(
            "lemmatizer='wordnet' needs NLTK's WordNet corpus, which was not found. "
            "Get it once with: python -m nltk.downloader wordnet"
        ) from None
    return partial(_lemmatize, WordNetLemmatizer())


def _lemmatize(lemmatizer, word):
    # Without tags the first part of speech that changes the word wins; verbs first,
    # or "was" becomes the noun "wa".
    for part_of_speech in "vnar":
        lemma = lemmatizer.lemmatize(word, part_of_speech)
        if lemma != word:
            return lemma
    return word
