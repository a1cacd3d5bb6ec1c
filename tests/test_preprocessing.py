"""From raw texts to padded token ids: check_texts, TextCleaner, SequenceVectorizer."""

import html
import pickle
import re
import unicodedata
from collections import Counter, OrderedDict
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, StrEnum
from html.entities import html5
from types import MappingProxyType
from unittest.mock import patch

import joblib
import nltk
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.corpus import LazyCorpusLoader
from nltk.corpus.reader import WordNetCorpusReader
from nltk.stem import LancasterStemmer, PorterStemmer, SnowballStemmer
from nltk.tokenize import TreebankWordTokenizer, WordPunctTokenizer
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder

from skreviews import SequenceVectorizer, TextCleaner, make_reviews
from skreviews._labels import encode_labels
from skreviews.preprocessing import _text_cleaner
from skreviews.preprocessing import _texts, check_texts
from skreviews.preprocessing._token_ids import TokenIds

CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "U ndarray": lambda texts: np.array(texts, dtype=str),
    "object ndarray": lambda texts: np.array(texts, dtype=object),
    "StringDType ndarray": lambda texts: np.array(texts, np.dtypes.StringDType()),
    "object Series": lambda texts: pd.Series(texts, dtype=object),
    "str Series": lambda texts: pd.Series(texts, dtype="str"),
    "string Series": lambda texts: pd.Series(texts, dtype="string"),
    "category Series": lambda texts: pd.Series(texts, dtype="category"),
    "Arrow Series": lambda texts: pd.Series(texts, dtype=pd.ArrowDtype(pa.string())),
    "Series with odd index": lambda texts: pd.Series(
        texts, index=range(7 * len(texts), 0, -7), dtype="str"
    ),
    "Index": lambda texts: pd.Index(texts, dtype="str"),
    "Array": lambda texts: pa.array(texts, pa.string()),
    "large_string": lambda texts: pa.array(texts, pa.large_string()),
    "string_view": lambda texts: pa.array(texts, pa.string_view()),
    "dictionary": lambda texts: pa.array(texts, pa.string()).dictionary_encode(),
    "slice": lambda texts: pa.array(["no", *texts, "no"], pa.string())[1:-1],
    "ChunkedArray": lambda texts: pa.chunked_array(
        [texts[:2], [], texts[2:]], pa.string()
    ),
}
# The containers that can hold a missing text.
WITH_MISSING = {
    name: CONTAINERS[name]
    for name in CONTAINERS
    if name not in ("U ndarray", "StringDType ndarray")
} | {
    "StringDType ndarray": lambda texts: np.array(
        texts, np.dtypes.StringDType(na_object=None)
    ),
}
# What reviews are made of, and what has gone wrong in other people's cleaners.
FRAGMENTS = [
    *["good", "GREAT", "sooooo", "don't", "DON’T", "it's", "won't", "a", "I'm", "x"],
    *[" ", "  ", "\t", "\n", "\r\n", "\v", "\u00a0", "\u3000", "\u2028", "\x1c"],
    *["<br />", "<b>", "</b>", "<3", "< ", ">", "<script>x</script>", "<!-- x -->"],
    *["&amp;", "&lt;br&gt;", "&#33;", "&#x1F600;", "&nbsp;", "&", ";", "&amp;lt;"],
    *["http://a.b/c?d=1", "WWW.a.b", "me@mail.example", "://", "@", "#tag", "%"],
    *["5", "4.5", "1,000", "v2.0.1", "٣٤", "½", "Ⅳ", "!!!", "...", "$", "“", "-", "_"],
    *[
        "👍",
        "👍🏽",
        "👨\u200d👩\u200d👧",
        "🇩🇪",
        "🇩",
        "❤\ufe0f",
        "1\ufe0f\u20e3",
        "★★",
        "\u200d",
    ],
    *[
        "مُدهش",
        "می\u200cخواهم",
        "अच्छा",
        "क\u094d\u200dष",
        "İ",
        "ıI",
        "e\u0301",
        "\u0301",
        "ẞ",
    ],
    *["好好好好", "ไม่ดี", "ееее", "\u200b", "\ufeff", "\x00x", "\x07", "\U0010ffff"],
]
WHITE_SPACE = [char for char in map(chr, range(0x110000)) if char.isspace()]
# Arrays of U lose the zeros behind a text when they are made; another test has those.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.one_of(
    st.text(CHARACTERS, max_size=20),
    st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join),
)
TEXTS = st.lists(TEXT, min_size=1, max_size=6)
CLEANER_PARAMS = st.fixed_dictionaries(
    {
        "lowercase": st.booleans(),
        "strip_html": st.booleans(),
        "urls": st.sampled_from(["remove", "token", "keep"]),
        "digits": st.sampled_from(["remove", "token", "shape", "keep"]),
        "punctuation": st.sampled_from(["remove", "separate", "keep"]),
        "emoji": st.sampled_from(["keep", "words", "drop"]),
        "squeeze_repeats": st.booleans(),
        "expand_contractions": st.booleans(),
        "stop_words": st.sampled_from([None, "english", ["good", "DON'T", "x", "👍"]]),
        "keep_negations": st.booleans(),
        "stemmer": st.sampled_from([None, "porter", "snowball", "lancaster"]),
        "language": st.sampled_from(SnowballStemmer.languages),
    }
)
# A cleaner that does nothing but put single blanks between the words.
ALL_OFF = {
    "lowercase": False,
    "strip_html": False,
    "urls": "keep",
    "digits": "keep",
    "punctuation": "keep",
    "squeeze_repeats": False,
}

few = settings(deadline=None, derandomize=True, max_examples=25)
some = settings(few, max_examples=60)


def without_zeros(texts):
    """The texts as every container can hold them."""
    return [text.replace("\0", "") for text in texts]


def clean(texts, **params):
    """The cleaned text or texts, with the default parameters but those given."""
    if isinstance(texts, str):
        return clean([texts], **params)[0]
    return TextCleaner(**params).transform(texts).tolist()


def clean_nothing_but(text, **params):
    """The cleaned text, with nothing switched on but what is given."""
    return clean(text, **ALL_OFF | params)


def copy_of(container):
    return container.copy() if hasattr(container, "copy") else container


def assert_same(first, second):
    if isinstance(first, pd.Series):
        assert_series_equal(first, second)
    elif isinstance(first, np.ndarray):
        assert first.dtype == second.dtype
        assert_array_equal(first, second)
    elif isinstance(first, pd.Index):
        pd.testing.assert_index_equal(first, second)
    else:
        assert first == second


def estimators():
    return [TextCleaner(stemmer="porter"), SequenceVectorizer(max_len=4)]


@pytest.fixture(params=estimators(), ids=lambda estimator: type(estimator).__name__)
def estimator(request):
    return sklearn.clone(request.param)


# check_texts: the one door for raw texts


@given(texts=TEXTS.map(without_zeros))
@few
def test_every_container_gives_the_same_texts(texts):
    for put_in in CONTAINERS.values():
        checked = check_texts(put_in(texts))
        assert checked.type == pa.large_string()
        assert checked.to_pylist() == texts


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_zero_inside_a_text_does_not_end_it(name):
    texts = ["good\0bad", "\0", "x"]
    if "StringDType" not in name and "U" not in name:
        assert check_texts(CONTAINERS[name](texts)).to_pylist() == texts
    else:  # numpy itself drops the zeros behind a text
        assert check_texts(CONTAINERS[name](texts)).to_pylist()[0] == "good\0bad"


@pytest.mark.parametrize("put_in", CONTAINERS.values(), ids=CONTAINERS)
def test_the_texts_of_the_user_are_not_modified(put_in, estimator):
    texts = ["It's <b>GOOD</b> &amp; fast!!", "", "sooo  bad 😡", "5/5"]
    X, before = put_in(texts), copy_of(put_in(texts))
    check_texts(X)
    estimator.fit(X).transform(X)
    estimator.fit_transform(X)
    assert_same(X, before)


def test_a_read_only_array_is_no_obstacle(estimator):
    X = np.array(["good app", "bad app"], dtype=object)
    X.flags.writeable = False
    assert len(estimator.fit(X).transform(X)) == 2


def test_the_result_shares_no_memory_with_the_texts():
    X = np.array(["good", "bad"], dtype=object)
    cleaned = TextCleaner().fit_transform(X)
    cleaned[0] = "changed"
    assert X[0] == "good"


@pytest.mark.parametrize("put_in", WITH_MISSING.values(), ids=WITH_MISSING)
def test_a_missing_text_is_named_by_its_position_and_the_remedy(put_in):
    X = put_in(["good", "bad", None, "x", None])
    message = r'X\[2\] is .*not a str.*Drop the row.*TextCleaner\(missing="empty"\)'
    for refuse in (check_texts, TextCleaner().transform, SequenceVectorizer().fit):
        with pytest.raises(ValueError, match=message):
            refuse(X)


@pytest.mark.parametrize("put_in", WITH_MISSING.values(), ids=WITH_MISSING)
def test_a_missing_text_counts_as_empty_on_request(put_in):
    X = put_in(["Good", None, "x"])
    assert check_texts(X, missing="empty").to_pylist() == ["Good", "", "x"]
    assert clean(X, missing="empty") == ["good", "", "x"]


@pytest.mark.parametrize(
    "missing",
    [None, np.nan, float("nan"), pd.NA, pd.NaT, np.float32("nan")],
    ids=["None", "nan", "float", "NA", "NaT", "float32"],
)
def test_every_way_to_write_missing_is_known(missing):
    assert clean(["a", missing, "b"], missing="empty") == ["a", "", "b"]
    X = pd.Series(["a", missing, "b"], dtype=object)
    assert clean(X, missing="empty") == ["a", "", "b"]
    with pytest.raises(ValueError, match=r"X\[1\] is .*Drop the row"):
        check_texts(["a", missing, "b"])


def test_nothing_but_missing_texts_is_an_array_of_empty_ones():
    for X in ([None, None], [np.nan] * 2, pd.Series([np.nan] * 2), pa.nulls(2)):
        assert clean(X, missing="empty") == ["", ""]
        with pytest.raises(ValueError, match=r"X\[0\]"):
            check_texts(X)


@pytest.mark.parametrize(
    ("item", "value", "remedy"),
    [
        (b"bytes", "b'bytes' (bytes)", "decode"),
        (5, "5 (int)", "token ids"),
        (2.5, "2.5 (float)", "one str for each row"),
        (["a", "b"], "['a', 'b'] (list)", "one str for each row"),
        (("a",), "('a',) (tuple)", "one str for each row"),
        ({"a": 1}, "{'a': 1} (dict)", "one str for each row"),
        (True, "True (bool)", ""),
    ],
)
def test_an_item_that_is_no_text_is_named_with_position_value_and_remedy(
    item, value, remedy
):
    array = np.empty(3, dtype=object)
    array[:2] = ["good", "bad"]
    array[2] = item
    for X in (list(array), tuple(array), array, pd.Series(array, index=[9, 8, 7])):
        for missing in ("error", "empty"):
            with pytest.raises(ValueError) as error:
                check_texts(X, missing=missing)
            assert str(error.value).startswith(f"X[2] is {value}, not a str.")
            assert remedy in str(error.value)


def test_numbers_are_no_texts():
    for X in (np.arange(3), [1, 2], pd.Series([1.5, 2.5]), pa.array([1, 2])):
        with pytest.raises(ValueError, match=r"X\[0\] is .*not a str"):
            check_texts(X)
    with pytest.raises(ValueError, match=r"X\[0\] is .*bytes.*decode"):
        check_texts(pa.array([b"a", b"b"]))
    with pytest.raises(ValueError, match=r"X\[0\] is .*bytes.*decode"):
        check_texts(np.array([b"a", b"b"]))


def test_a_long_value_is_shortened_in_the_message():
    with pytest.raises(ValueError) as error:
        check_texts(["a", list(range(10_000))])
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("one text", r"X is a single str.*Pass a list: \[text\]"),
        (b"one text", r"X is a single bytes.*Pass a list"),
        (bytearray(b"one text"), "X is a bytearray.*Pass a list"),
        (np.array("one text"), r"X has the shape \(\)"),
        (np.array([["a", "b"]]), r"shape \(1, 2\).*Pass one column"),
        (np.empty((0, 2), dtype=object), r"shape \(0, 2\)"),
        (pd.DataFrame({"content": ["a"]}), r"DataFrame.*\(1, 1\).*X\['content'\]"),
        (pd.DataFrame(), "DataFrame"),
        ({"a": "b"}, "X is a dict"),
        ({"a", "b"}, "X is a set"),
        ((text for text in "ab"), "X is a generator"),
        (None, "X is a NoneType"),
        (5, "X is a int"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_column_of_texts_is_refused_with_the_remedy(X, message, estimator):
    estimator.fit(["good app", "bad app"])
    state = pickle.dumps(estimator)
    for refuse in (check_texts, estimator.fit, estimator.transform):
        with pytest.raises(ValueError, match=message):
            refuse(X)
    assert pickle.dumps(estimator) == state


@pytest.mark.parametrize("put_in", CONTAINERS.values(), ids=CONTAINERS)
def test_no_texts_at_all_are_refused(put_in, estimator):
    for refuse in (check_texts, estimator.fit, estimator.fit_transform):
        with pytest.raises(ValueError, match="X is empty.*at least one text"):
            refuse(put_in([]))


def test_half_a_surrogate_pair_is_refused_with_the_remedy():
    for put_in in (list, tuple, np.array, lambda texts: pd.Series(texts, dtype=object)):
        X = put_in(["good", "bad \ud83d"])
        with pytest.raises(ValueError, match=r"X\[1\] holds half a surrogate.*encode"):
            check_texts(X)
    mended = "bad \ud83d".encode("utf-8", "replace").decode()
    assert check_texts([mended]).to_pylist() == [mended]


def test_other_arrays_come_in_through_their_array_method():
    class Column:
        def __init__(self, *texts):
            self.texts = texts

        def __len__(self):
            return len(self.texts)

        def __array__(self, dtype=None, copy=None):
            return np.array(self.texts, dtype=object)

    assert check_texts(Column("a", "b")).to_pylist() == ["a", "b"]
    with pytest.raises(ValueError, match=r"X\[1\] is 3 \(int\)"):
        check_texts(Column("a", 3))


def test_str_subclasses_are_texts():
    class Star(StrEnum):
        one = "bad"

    assert check_texts([np.str_("a"), Star.one]).to_pylist() == ["a", "bad"]


def test_a_bad_text_is_found_before_any_work():
    seen = []

    def tokenizer(text):
        seen.append(text)
        return text.split()

    with pytest.raises(ValueError, match=r"X\[2\]"):
        SequenceVectorizer(tokenizer=tokenizer).fit(["a", "b", None])
    assert seen == []


def test_an_error_leaves_a_fitted_estimator_as_it_was(estimator):
    estimator.fit(["good app", "bad app"])
    state = pickle.dumps(estimator)
    for X in ("text", b"text", [], ["a", None], [["a"]], np.array([["a"]]), ["a", 3]):
        for refuse in (estimator.fit, estimator.fit_transform, estimator.transform):
            with pytest.raises(ValueError):
                refuse(X)
    assert pickle.dumps(estimator) == state


# Properties of TextCleaner


@given(texts=TEXTS, params=CLEANER_PARAMS)
@some
def test_a_cleaner_turns_any_texts_into_words_between_single_blanks(texts, params):
    cleaned = TextCleaner(**params).transform(texts)
    assert cleaned.dtype == object
    assert cleaned.shape == (len(texts),)
    for text in cleaned:
        assert type(text) is str
        assert text == " ".join(text.split())


@given(texts=TEXTS.map(without_zeros), params=CLEANER_PARAMS)
@settings(few, max_examples=12)
def test_a_cleaner_gives_the_same_answer_for_every_container(texts, params):
    cleaner = TextCleaner(**params)
    expected = cleaner.transform(texts)
    for put_in in CONTAINERS.values():
        assert_same(cleaner.transform(put_in(texts)), expected)


@given(texts=TEXTS, params=CLEANER_PARAMS, data=st.data())
@few
def test_a_text_is_cleaned_alike_in_any_company_and_order(texts, params, data):
    cleaner = TextCleaner(**params)
    cleaned = cleaner.transform(texts)
    rows = data.draw(st.lists(st.sampled_from(range(len(texts))), min_size=1))
    assert_same(cleaner.transform([texts[row] for row in rows]), cleaned[rows])


@pytest.mark.parametrize("digits", ["remove", "token", "shape", "keep"])
@pytest.mark.parametrize("punctuation", ["remove", "separate"])
@pytest.mark.parametrize("squeeze_repeats", [True, False])
@given(text=st.text("a9'! \n") | st.text(st.characters(max_codepoint=127)))
@some
def test_a_word_in_another_script_changes_nothing_but_itself(
    text, digits, punctuation, squeeze_repeats
):
    cleaner = TextCleaner(
        digits=digits, punctuation=punctuation, squeeze_repeats=squeeze_repeats
    )
    # The text twice, so that one ends where the other begins.
    _, alone, beside = cleaner.transform([text, text, f"{text} 好"])
    assert beside == f"{alone} 好".lstrip()


@given(texts=st.lists(TEXT, min_size=3, max_size=9), params=CLEANER_PARAMS)
@few
def test_the_size_of_the_slices_changes_no_text(texts, params):
    cleaner = TextCleaner(**params)
    expected = cleaner.transform(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_texts, "_CHUNK_ROWS", 2)
        assert_same(cleaner.transform(texts), expected)


@given(texts=TEXTS)
@some
def test_clean_texts_stay_as_they_are(texts):
    cleaned = clean(texts)
    assert clean(cleaned) == cleaned


@given(texts=TEXTS)
@some
def test_the_default_cleaner_keeps_letters_marks_and_emoji_only(texts):
    for text in clean(texts):
        for char in text:
            category = unicodedata.category(char)
            # Cn: characters newer than this Python.
            assert (
                category[0] in "LM"
                or category in ("So", "Cn")
                or char in (" \u200c\u200d🏻🏼🏽🏾🏿")
            )


@given(texts=TEXTS)
@few
def test_a_cleaner_with_everything_off_puts_single_blanks_and_no_more(texts):
    # Control characters are no text either; str.split knows some of them as blanks.
    kept = [
        "".join(
            " " if unicodedata.category(char) in ("Cc", "Cf", "Co", "Cn") else char
            for char in text.replace("\u200c", "").replace("\u200d", "")
        )
        for text in texts
    ]
    got = clean(kept, **ALL_OFF)
    assert ["".join(text.split()) for text in got] == [
        "".join(text.split()) for text in kept
    ]


def test_a_cleaner_needs_no_fit():
    cleaner = TextCleaner()
    cleaned = cleaner.transform(["GOOD!"])
    assert cleaner.fit(["x"]) is cleaner
    assert_same(cleaner.transform(["GOOD!"]), cleaned)
    assert_same(cleaner.fit_transform(["GOOD!"]), cleaned)


@pytest.mark.parametrize(
    "params",
    [
        {"lowercase": "yes"},
        {"strip_html": 1},
        {"urls": "drop"},
        {"digits": None},
        {"punctuation": "strip"},
        {"emoji": "remove"},
        {"squeeze_repeats": 2},
        {"expand_contractions": None},
        {"stop_words": "klingon"},
        {"stop_words": 5},
        {"keep_negations": "yes"},
        {"stemmer": "snow"},
        {"lemmatizer": "spacy"},
        {"language": None},
        {"missing": "drop"},
    ],
    ids=str,
)
def test_a_wrong_option_of_the_cleaner_is_named(params):
    (name,) = params
    for use in (TextCleaner(**params).fit, TextCleaner(**params).transform):
        with pytest.raises(ValueError, match=f"'{name}' parameter of TextCleaner"):
            use(["good"])


# What TextCleaner does, option by option


@pytest.mark.parametrize(
    "text", ["GOOD App", "ÀÉÎ ÑÜ", "ΑΒΓΔ", "ЖЁЙ", "ԱԲԳ", "ꭰꮿ", "𐐀𐐁", "ẞÆŒ", "ＡＢＣ"]
)
def test_letters_of_every_script_are_lower_cased(text):
    assert clean(text) == text.lower()
    assert clean(text, lowercase=False) == text


def test_lower_casing_is_the_only_thing_that_lowercase_does():
    text = "It's SO good, 4.5 <b> 👍🏽"
    assert clean_nothing_but(text, lowercase=True) == clean_nothing_but(text).lower()


def test_entities_mean_what_html_unescape_says():
    names = [name for name in html5 if name.endswith(";")]
    texts = [f"a&{name}b" for name in names]
    texts += [f"a&#{number};b" for number in (33, 0, 128, 8364, 128512, 0xD800, 10**7)]
    texts += [f"a&#x{number};b" for number in ("41", "20AC", "1F600", "1f600")]
    resolved = [html.unescape(text) for text in texts]
    assert clean(texts, strip_html=True) == clean(resolved, strip_html=False)
    for params in ({"punctuation": "keep"}, {"punctuation": "separate"}):
        assert clean(texts, **params) == clean(resolved, strip_html=False, **params)


def test_what_only_looks_like_an_entity_stays():
    assert clean_nothing_but("R&D; AT&T & co", strip_html=True) == "R&D; AT&T & co"
    assert clean("R&D AT&T") == "r d at t"


@pytest.mark.parametrize(
    "text",
    [
        "good<br />bad",
        "good<br/>bad",
        "good<BR>bad",
        "<p>good</p><p>bad</p>",
        '<a href="http://x.example/?a=1&b=2" title="a > b">good</a> bad',
        "good &lt;br&gt; bad",
        "good<!-- a <b>comment</b>\nof two lines -->bad",
        "good<script type='x'>var a = 1 < 2;\n</script >bad",
        "<STYLE>p {color: red}</style>good bad",
        "good<img\nsrc='x'>bad",
    ],
)
def test_html_leaves_its_text_and_a_blank(text):
    cleaned = clean(text)
    assert cleaned.split()[-1] == "bad"
    assert "good" in cleaned.split()
    assert not {"br", "p", "href", "comment", "var", "color", "img"} & {
        *cleaned.split()
    }


def test_a_smaller_sign_is_no_tag():
    assert clean("I <3 it, 1 < 2 and c > d") == "i it and c d"
    cleaned = clean_nothing_but("I <3 it, 1 < 2 and c > d", strip_html=True)
    assert cleaned == "I <3 it, 1 < 2 and c > d"


def test_html_stays_on_request():
    assert clean_nothing_but("a <br /> b &amp; c") == "a <br /> b &amp; c"
    assert clean("good <br /> &amp; bad", strip_html=False) == "good br amp bad"


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example",
        "https://a.example/b?c=d&e=%20#f",
        "HTTPS://A.EXAMPLE",
        "www.a.example/b",
        "first.last+tag@mail.example.com",
    ],
)
def test_urls_and_addresses_are_removed_marked_or_kept(url):
    text = f"see {url} now"
    assert clean(text) == "see now"
    assert clean(text, urls="token") == "see xxurl now"
    assert clean_nothing_but(text) == text
    assert clean_nothing_but(text, urls="remove") == "see now"
    assert clean_nothing_but(text, urls="token") == "see xxurl now"


def test_words_like_urls_are_none():
    text = "wwwhat http me @ home"
    assert clean(text, squeeze_repeats=False) == "wwwhat http me home"


@pytest.mark.parametrize(
    ("text", "removed", "marked"),
    [
        ("rated 5 of 5", "rated of", "rated xxnum of xxnum"),
        ("rated 4.5 stars", "rated stars", "rated xxnum stars"),
        ("paid 1,000.50 for it", "paid for it", "paid xxnum for it"),
        ("at 10:30 again", "at again", "at xxnum again"),
        ("version 2.0.1 works", "version works", "version xxnum works"),
        ("in ٣٤ ways", "in ways", "in xxnum ways"),
        ("in ३४ ways", "in ways", "in xxnum ways"),
        ("only 1\ufe0f\u20e3 star", "only star", "only xxnum star"),
    ],
)
@pytest.mark.parametrize("punctuation", ["remove", "separate", "keep"])
def test_numbers_are_removed_or_marked_as_a_whole(text, removed, marked, punctuation):
    assert clean(text, punctuation=punctuation) == removed
    assert clean(text, punctuation=punctuation, digits="token") == marked


def test_numbers_are_kept_on_request():
    assert clean("4 stars, ½ off, 100000 ٣٤", digits="keep") == (
        "4 stars ½ off 100000 ٣٤"
    )
    assert clean_nothing_but("v2.0.1 at 10:30") == "v2.0.1 at 10:30"


def test_long_numbers_leave_their_shape():
    text = "8/10, call 08712460324 or १२३४, from 1999 on: 1,000 of 15"
    shaped = clean_nothing_but(text, digits="shape")
    assert shaped == "8/10, call 00000000000 or 0000, from 0000 on: 1,000 of 15"
    assert clean(["12", "345", "6"], digits="shape") == ["12", "000", "6"]
    keycaps = "123\ufe0f\u20e3 1\ufe0f\u20e3"
    assert clean(keycaps, digits="shape") == keycaps.replace("123", "000")
    assert clean_nothing_but("https://a.example/2021", digits="shape") == (
        "https://a.example/0000"
    )


def test_punctuation_is_removed_separated_or_kept():
    text = "Well... it's good, isn’t it?! (#1_app) 5$ «oui» 好。"
    params = {"digits": "keep"}
    assert clean(text, **params) == "well its good isnt it 1 app 5 oui 好"
    assert clean(text, punctuation="keep", **params) == text.lower()
    assert clean(text, punctuation="separate", **params).split() == (
        "well . . . its good , isnt it ? ! ( # 1 _ app ) 5 $ « oui » 好 。".split()
    )


def test_the_apostrophe_joins_what_it_parts():
    for text in ("don't", "don’t", "dont"):
        assert clean(text) == clean(text, punctuation="separate") == "dont"
    assert clean("don’t", punctuation="keep") == "don’t"


@pytest.mark.parametrize(
    "emoji",
    [
        "😀",
        "👍🏽",
        "❤\ufe0f",
        "👨\u200d👩\u200d👧\u200d👦",
        "👩🏿\u200d🚀",
        "🤦🏽\u200d♂\ufe0f",
        "🏳\ufe0f\u200d🌈",
        "❤\ufe0f\u200d🔥",
        "🇩🇪",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "★",
    ],
    ids=["face", "skin", "heart", "family", "pilot", "man", "rainbow", "fire"]
    + ["flag", "England", "star"],
)
def test_an_emoji_is_a_word_of_its_own_or_goes_as_a_whole(emoji):
    for text in (f"good{emoji}bad", f"good {emoji} bad", f"good!{emoji}, bad"):
        assert clean(text).split() == ["good", emoji, "bad"]
        assert clean(text, emoji="drop") == "good bad"
        words = clean(text, emoji="words").split()
        assert (words[0], words[-1]) == ("good", "bad")
        assert len(words) > 2
        assert all(word.isascii() and word.isalpha() for word in words)
    assert clean(emoji * 2).split() == [emoji, emoji]
    assert clean_nothing_but(f"good{emoji}bad").split() == ["good", emoji, "bad"]


def test_a_heart_in_text_style_leaves_no_lone_selector():
    for emoji in ("❤\ufe0e", "☺\ufe0e"):
        assert clean(f"good {emoji} app").split() in (
            ["good", emoji, "app"],
            ["good", emoji[0], "app"],
        )
        assert clean(f"good {emoji} app", emoji="drop") == "good app"


def test_emoji_are_written_out_by_their_unicode_names():
    for emoji in "😀😡👍★☺🚀♥":
        name = unicodedata.name(emoji).lower().replace("-", " ")
        assert clean(f"so {emoji}!", emoji="words") == f"so {name}"
        assert clean(f"so{emoji}", emoji="words", stop_words=["so"]) == name
    assert clean("👍🏽", emoji="words") == clean("👍", emoji="words")
    assert clean("👨\u200d👩", emoji="words") == clean("👨👩", emoji="words")


def test_a_word_is_the_same_beside_an_emoji_that_is_written_out():
    for word in ("क\u094d\u200dष", "می\u200cخواهم", "e\u0301"):
        assert clean(f"{word} 👍", emoji="words").split()[0] == clean(word)


def test_repeated_letters_become_two():
    assert clean("soooooo gooood") == "soo good"
    assert clean("ееееее ههههههه 哈哈哈哈 ÀÀÀÀ") == "ее هه 哈哈 àà"
    assert clean("good aa 好好") == "good aa 好好"
    assert clean("soooo", squeeze_repeats=False) == "soooo"


def test_repeated_capitals_become_two_as_well():
    assert clean("SOOOOO GOOD", lowercase=False) == "SOO GOOD"


def test_repeated_digits_and_marks_are_left_alone():
    text = "100000 ---- !!!"
    assert clean_nothing_but(text, squeeze_repeats=True) == text


@pytest.mark.parametrize("apostrophe", ["'", "’"])
@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("won't", "will not"),
        ("shan't", "shall not"),
        ("can't", "can not"),
        ("don't", "do not"),
        ("isn't", "is not"),
        ("couldn't", "could not"),
        ("they're", "they are"),
        ("I've", "i have"),
        ("we'll", "we will"),
        ("I'm", "i am"),
        ("it's", "its"),
        ("John's", "johns"),
    ],
)
def test_contractions_are_written_out_on_request(short, long, apostrophe):
    short = short.replace("'", apostrophe)
    assert clean(f"so {short} go", expand_contractions=True) == f"so {long} go"
    assert clean(short.upper(), expand_contractions=True) == long
    assert clean(short) == short.replace(apostrophe, "").lower()


def test_no_word_is_dropped_by_default():
    words = sorted(ENGLISH_STOP_WORDS)
    assert clean(" ".join(words)).split() == words


@given(texts=TEXTS, stop_words=st.lists(st.sampled_from(FRAGMENTS[:10] + ["👍", "好"])))
@few
def test_a_stop_list_drops_its_words_and_no_other(texts, stop_words):
    dropped = {clean(word) for word in stop_words}
    expected = [
        " ".join(word for word in text.split() if word not in dropped)
        for text in clean(texts)
    ]
    assert clean(texts, stop_words=stop_words, keep_negations=False) == expected


@pytest.mark.parametrize(
    "put_in",
    [list, tuple, set, frozenset, np.array, pd.Series],
    ids=lambda f: f.__name__,
)
def test_a_stop_list_comes_in_any_container(put_in):
    assert clean("this is the app", stop_words=put_in(["the", "is"])) == "this app"


def test_a_stop_list_is_cleaned_as_the_texts_are():
    assert clean("It's the café", stop_words=["IT'S", "Café"]) == "the"
    assert clean("It's the", stop_words=["it's"], punctuation="keep") == "the"
    assert clean("The the", stop_words=["the"], lowercase=False) == "The"


def test_the_english_stop_list_is_that_of_sklearn_but_for_negations():
    words = sorted(ENGLISH_STOP_WORDS)
    negations = (
        "cannot cant couldnt hasnt neither never no nobody none noone nor not nothing "
        "nowhere without"
    ).split()
    assert set(negations) <= ENGLISH_STOP_WORDS
    assert clean(" ".join(words), stop_words="english").split() == negations
    dropped = clean(" ".join(words), stop_words="english", keep_negations=False)
    assert dropped == ""


@pytest.mark.parametrize("apostrophe", ["'", "’", ""])
def test_a_stop_list_keeps_negations(apostrophe):
    negated = ["don't", "isn't", "won't", "can't", "shan't", "ain't", "wouldn't"]
    words = [word.replace("'", apostrophe) for word in [*negated, "not", "NO", "never"]]
    text = " the ".join(words)
    stop_words = [*words, "the"]
    assert clean(text, stop_words=stop_words) == clean(" ".join(words))
    assert clean(text, stop_words=stop_words, keep_negations=False) == ""


def test_not_good_does_not_become_good():
    assert clean("This is not good", stop_words="english") == "not good"
    params = {"stop_words": "english", "expand_contractions": True}
    assert "not" in clean("I don't like it", **params).split()


def test_an_empty_stop_list_drops_nothing():
    assert clean("the app", stop_words=[]) == "the app"


def test_a_stop_list_holds_words_only():
    for stop_words in (["the", 5], [None], ["the", b"a"]):
        with pytest.raises(ValueError, match="stop_words holds .*pass a list of str"):
            TextCleaner(stop_words=stop_words).fit(["the app"])


# Stemmers and lemmatizers

STEMMERS = {
    "porter": PorterStemmer,
    "lancaster": LancasterStemmer,
    "snowball": lambda: SnowballStemmer("english"),
}


@pytest.mark.parametrize("stemmer", STEMMERS)
@given(texts=TEXTS)
@few
def test_a_stemmer_does_what_nltk_does_word_by_word(stemmer, texts):
    texts = [*texts, "The reviewers were reviewing crashes, generously"]
    stem = STEMMERS[stemmer]().stem
    expected = [
        " ".join(filter(None, map(stem, text.split()))) for text in clean(texts)
    ]
    assert clean(texts, stemmer=stemmer) == expected


@pytest.mark.parametrize("language", SnowballStemmer.languages)
def test_the_snowball_stemmer_speaks_the_languages_of_nltk(language):
    text = (
        "running libraries nationale häuser liebevolle coraggiosamente corriendo "
        "трогательные мебели книгами المدرسة كتابهم والمعلمون házakban gatos kissor"
    )
    stem = SnowballStemmer(language).stem
    expected = " ".join(filter(None, map(stem, clean(text).split())))
    assert clean(text, stemmer="snowball", language=language) == expected


def test_an_unknown_language_is_refused_with_those_there_are():
    cleaner = TextCleaner(stemmer="snowball", language="klingon")
    for use in (cleaner.fit, cleaner.transform):
        with pytest.raises(
            ValueError, match="'klingon' has no snowball.*english.*fren"
        ):
            use(["a"])
    assert clean("running", stemmer="porter", language="klingon") == "run"


@pytest.mark.parametrize(
    ("stemmer", "name"),
    [
        ("porter", "PorterStemmer"),
        ("lancaster", "LancasterStemmer"),
        ("snowball", "SnowballStemmer"),
    ],
)
def test_a_stemmer_sees_each_distinct_word_once(monkeypatch, stemmer, name):
    seen = []
    original = getattr(nltk.stem, name)

    class Counting(original):
        def __init__(self, *args):
            inner = original(*args)
            super().__init__(*args)

            def stem(word):
                seen.append(word)
                return inner.stem(word)

            self.stem = stem

    monkeypatch.setattr(f"nltk.stem.{name}", Counting)
    _text_cleaner._make_stemmer.cache_clear()
    monkeypatch.setattr(_texts, "_CHUNK_ROWS", 100)
    texts = ["good app crashes", "good GOOD", "", "app, app"] * 200
    cleaned = clean(texts, stemmer=stemmer)
    assert sorted(seen) == ["app", "crashes", "good"]
    app = original(*["english"] * (stemmer == "snowball")).stem("app")
    assert cleaned == [f"good {app} crash", "good good", "", f"{app} {app}"] * 200
    clean(texts, stemmer=stemmer)
    assert len(seen) == 3  # nor again in the next texts
    _text_cleaner._make_stemmer.cache_clear()


def test_stop_words_are_dropped_before_the_stemmer():
    assert clean("doing does", stemmer="porter", stop_words=["doing"]) == "doe"
    assert clean("doing does", stemmer="porter", stop_words=["do"]) == "do doe"


WORDNET_FILES = {
    "lexnames": "00 adj.all 3\n",
    "data.adj": "  1 WordNet 3.0 Copyright: none, these lines are a stub.\n",
    "index.noun": "app n 1 0 1 0 00000001\nmouse n 1 0 1 0 00000002\n",
    "index.verb": "be v 1 0 1 0 00000001\ncrash v 1 0 1 0 00000002\n",
    "index.adj": "good a 1 0 1 0 00000001\n",
    "index.adv": "well r 1 0 1 0 00000001\n",
    "noun.exc": "mice mouse\n",
    "verb.exc": "was be\nwere be\n",
    "adj.exc": "better good\n",
}


@pytest.fixture
def no_wordnet(monkeypatch, tmp_path):
    """A machine without WordNet, whatever this one has."""
    loader = LazyCorpusLoader("wordnet", WordNetCorpusReader, None)
    monkeypatch.setattr("nltk.corpus.wordnet", loader)
    monkeypatch.setattr("nltk.data.path", [str(tmp_path)])
    return tmp_path


@pytest.fixture
def small_wordnet(no_wordnet):
    """A WordNet of six words, in the files of the real one."""
    folder = no_wordnet / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for name in WordNetCorpusReader._FILES:
        (folder / name).write_text(WORDNET_FILES.get(name, ""))
    return folder


def test_without_its_corpus_the_lemmatizer_names_the_one_command(no_wordnet):
    cleaner = TextCleaner(lemmatizer="wordnet")
    for use in (cleaner.fit, cleaner.transform, cleaner.fit_transform):
        with pytest.raises(LookupError) as error:
            use(["good"])
        assert "python -m nltk.downloader wordnet" in str(error.value)
        assert len(str(error.value)) < 200
        assert error.value.__suppress_context__


@pytest.mark.filterwarnings("ignore:The multilingual functions")
def test_the_lemmatizer_finds_the_form_that_the_dictionary_has(small_wordnet):
    text = "The apps were crashing, the mice was better"
    cleaned = clean(text, lemmatizer="wordnet")
    assert cleaned == "the app be crash the mouse be good"


@pytest.mark.filterwarnings("ignore:The multilingual functions")
def test_the_lemmatizer_comes_before_the_stemmer_and_sees_each_word_once(
    small_wordnet, monkeypatch
):
    seen = Counter()
    lemmatize = nltk.stem.WordNetLemmatizer.lemmatize

    def counting(self, word, pos="n"):
        seen[word, pos] += 1
        return lemmatize(self, word, pos)

    monkeypatch.setattr("nltk.stem.WordNetLemmatizer.lemmatize", counting)
    cleaned = clean(["mice mice", "mice crashes"] * 9, lemmatizer="wordnet")
    assert cleaned[:2] == ["mouse mouse", "mouse crash"]
    assert set(seen.values()) == {1}
    params = {"lemmatizer": "wordnet", "stemmer": "porter"}
    assert clean("mice generously", **params) == "mous gener"


def test_the_lemmatizer_works_with_the_real_corpus():
    try:
        nltk.data.find("corpora/wordnet.zip")
    except LookupError:
        try:
            nltk.data.find("corpora/wordnet")
        except LookupError:
            pytest.skip("NLTK's WordNet corpus is not on this machine")
    assert clean("it was crashing, the mice", lemmatizer="wordnet") == (
        "it be crash the mouse"
    )


# Scripts


@pytest.mark.parametrize(
    "text",
    [
        "مُدهِش جدًّا",
        "می\u200cخواهم",
        "अच्छा ऐप है",
        "क\u094d\u200dष",
        "ไม่ดีเลย",
        "e\u0301te\u0301",
        "tie\u0302\u0301ng vie\u0302\u0323t",
        "עִבְרִית",
        "好用",
        "சிறந்த",
        "z\u0351\u0343a\u0315lgo",
    ],
)
def test_marks_and_joiners_of_every_script_survive(text):
    assert clean(text) == text
    assert clean(f"{text}!!! 5", digits="remove") == text
    assert clean(text, punctuation="keep", digits="keep") == text
    assert clean(text, punctuation="separate") == text
    assert clean(text, emoji="drop") == clean(text, emoji="words") == text


def test_turkish_letters_survive():
    assert clean("İSTANBUL'da ılık ığdır IŞIK") == "istanbulda ılık ığdır işik"
    assert clean("İyi ısı", lowercase=False) == "İyi ısı"
    assert clean("İİİİ", stop_words=["x"]) == "ii"


def test_punctuation_of_every_script_goes():
    assert clean("¿Qué? «oui» 好。 رائع، جدا؟ अच्छा। „ja“") == (
        "qué oui 好 رائع جدا अच्छा ja"
    )


# The cleaner among other steps


@pytest.mark.parametrize("transform_output", ["default", "pandas"])
def test_texts_stay_texts_under_global_output(transform_output):
    texts = ["GOOD app", "bad APP", "so so"]
    pipe = make_pipeline(TextCleaner(), CountVectorizer(lowercase=False))
    with sklearn.config_context(transform_output=transform_output):
        cleaned = TextCleaner().fit_transform(pd.Series(texts))
        counts = make_pipeline(TextCleaner(), CountVectorizer()).fit_transform(texts)
    assert isinstance(cleaned, np.ndarray)
    assert cleaned.tolist() == ["good app", "bad app", "so so"]
    assert counts.shape == (3, 4)
    assert pipe.fit(texts)[-1].get_feature_names_out().tolist() == [
        *["app", "bad", "good", "so"]
    ]


def test_set_output_reaches_the_step_behind_the_cleaner():
    pipe = make_pipeline(TextCleaner(), SequenceVectorizer())
    frame = pipe.set_output(transform="pandas").fit_transform(["GOOD app", "bad"])
    assert isinstance(frame, pd.DataFrame)
    assert frame.shape == (2, 2)
    assert pipe.get_feature_names_out().tolist() == frame.columns.tolist()


def test_the_cleaner_names_its_one_column():
    assert TextCleaner().get_feature_names_out().tolist() == ["text"]


# SequenceVectorizer: words and vocabulary

WORD = st.sampled_from("good bad app not the a crash 👍 好 é z".split())
DOCUMENTS = st.lists(st.lists(WORD, max_size=12).map(" ".join), min_size=1, max_size=15)


def pad(rows, max_len, truncation):
    """Pad and truncate rows of ids as the documentation says, row by row."""
    head = {"head": max_len, "tail": 0, "head_tail": int(np.ceil(max_len / 4))}
    padded = np.zeros((len(rows), max_len), dtype=np.int32)
    for line, row in zip(padded, rows, strict=True):
        if len(row) > max_len:
            n_head = head[truncation]
            n_tail = max_len - n_head
            row = row[:n_head] + row[len(row) - n_tail :]
        line[: len(row)] = row
    return padded


@pytest.mark.parametrize("blanks", [WHITE_SPACE[:10], WHITE_SPACE])
@given(data=st.data())
@some
def test_a_word_ends_at_every_white_space(blanks, data):
    text = st.text(st.sampled_from([*blanks, "a", "é", "\x00", "\x1b", "\u200b"]))
    texts = data.draw(st.lists(text, min_size=1))
    vectorizer = SequenceVectorizer(vocabulary=["a", "é"], max_len=100)
    back = vectorizer.fit(texts).inverse_transform(vectorizer.transform(texts))
    expected = [[w if w in "aé" else "<unk>" for w in text.split()] for text in texts]
    assert back.tolist() == [" ".join(words) for words in expected]


@given(texts=TEXTS)
@some
def test_words_are_what_str_split_finds(texts):
    texts = [*texts, "word"]
    vectorizer = SequenceVectorizer(max_features=None, max_len=100)
    back = vectorizer.inverse_transform(vectorizer.fit_transform(texts))
    assert back.tolist() == [" ".join(text.split()) for text in texts]
    assert set(vectorizer.vocabulary_) == {w for text in texts for w in text.split()}


@given(texts=DOCUMENTS)
@few
def test_ids_go_by_frequency_then_by_word(texts):
    counts = Counter(" ".join(texts).split())
    words = sorted(counts, key=lambda word: (-counts[word], word))
    for max_features in (None, 1, 3, np.int64(4)):
        vectorizer = SequenceVectorizer(max_features=max_features)
        if not words:
            with pytest.raises(ValueError, match="No word stands in"):
                vectorizer.fit(texts)
            continue
        kept = words[:max_features]
        assert vectorizer.fit(texts).vocabulary_ == {
            word: i for i, word in enumerate(kept, start=2)
        }


@given(
    texts=DOCUMENTS,
    min_df=st.one_of(
        st.integers(1, 5), st.sampled_from([0.0, 0.01, 0.1, 0.3, 1 / 3, 0.5, 0.9, 1.0])
    ),
)
@some
def test_min_df_means_what_it_means_to_count_vectorizer(texts, min_df):
    peer = CountVectorizer(analyzer=str.split, min_df=min_df)
    vectorizer = SequenceVectorizer(min_df=min_df, max_features=None)
    try:
        expected = set(peer.fit(texts).vocabulary_)
    except ValueError:
        with pytest.raises(ValueError, match="min_df="):
            vectorizer.fit(texts)
    else:
        assert set(vectorizer.fit(texts).vocabulary_) == expected


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("lengths", ["even", "one long text", "some empty"])
def test_min_df_is_right_where_words_are_repeated_within_a_text(seed, lengths):
    # Words that are frequent altogether but stand in few texts, and the reverse.
    random_state = np.random.default_rng(seed)
    n_texts = int(random_state.integers(20, 120))
    n_words = random_state.integers(0 if lengths == "some empty" else 1, 20, n_texts)
    if lengths == "one long text":
        n_words[random_state.integers(n_texts)] = 500
    words = np.array([f"w{i}" for i in range(80)])
    texts = []
    for n in n_words:
        ranks = np.minimum(random_state.zipf(1.3, n) - 1, 79)
        text = np.repeat(words[ranks], random_state.integers(1, 6, n))
        texts.append(" ".join(text[: max(n, 0)]))
    for min_df in (1, 2, 3, 7, n_texts // 2, n_texts, 0.02, 0.1, 0.25, 0.5, 1.0):
        peer = CountVectorizer(analyzer=str.split, min_df=min_df)
        vectorizer = SequenceVectorizer(min_df=min_df, max_features=None)
        try:
            expected = set(peer.fit(texts).vocabulary_)
        except ValueError:
            with pytest.raises(ValueError, match="min_df="):
                vectorizer.fit(texts)
        else:
            assert set(vectorizer.fit(texts).vocabulary_) == expected


@pytest.mark.parametrize(
    ("n_texts", "min_df"),
    [(1, 1), (9_999, 1), (10_000, 2), (20_000, 2)],
)
def test_auto_min_df_grows_with_the_number_of_texts(n_texts, min_df):
    texts = ["all"] * n_texts
    texts[: min_df - 1] = ["all rare"] * (min_df - 1)
    texts[:min_df] = [f"{text} enough" for text in texts[:min_df]]
    assert SequenceVectorizer().min_df == "auto"
    vocabulary = SequenceVectorizer().fit(texts).vocabulary_
    assert vocabulary == SequenceVectorizer(min_df=min_df).fit(texts).vocabulary_
    assert set(vocabulary) == {"all", "enough"}


def test_max_features_keeps_the_words_that_count_vectorizer_keeps():
    texts = clean(make_reviews(300, random_state=0)[0])
    peer = CountVectorizer(analyzer=str.split).fit(texts)
    counts = np.asarray(peer.transform(texts).sum(axis=0)).ravel()
    names = peer.get_feature_names_out()
    for max_features in (1, 10, 50, len(names) + 9):
        vectorizer = SequenceVectorizer(max_features=max_features).fit(texts)
        kept = [counts[peer.vocabulary_[word]] for word in vectorizer.vocabulary_]
        assert kept == sorted(counts, reverse=True)[:max_features]


@given(texts=DOCUMENTS, data=st.data())
@few
def test_the_order_of_the_texts_changes_no_vocabulary(texts, data):
    texts = [*texts, "good"]
    shuffled = data.draw(st.permutations(texts))
    first = SequenceVectorizer(max_features=4).fit(texts)
    second = SequenceVectorizer(max_features=4).fit(shuffled)
    assert first.vocabulary_ == second.vocabulary_
    assert first.max_len_ == second.max_len_


@given(texts=DOCUMENTS, data=st.data())
@few
def test_a_text_has_the_same_ids_in_any_company(texts, data):
    texts = [*texts, "good app"]
    vectorizer = SequenceVectorizer(max_features=5).fit(texts)
    ids = vectorizer.transform(texts)
    rows = data.draw(st.lists(st.sampled_from(range(len(texts))), min_size=1))
    assert_array_equal(vectorizer.transform([texts[row] for row in rows]), ids[rows])


@given(texts=TEXTS.map(without_zeros))
@few
def test_every_container_gives_the_same_ids(texts):
    texts = [*texts, "word"]
    expected = SequenceVectorizer().fit(texts)
    for put_in in CONTAINERS.values():
        X = put_in(texts)
        vectorizer = SequenceVectorizer()
        assert_array_equal(vectorizer.fit_transform(X), expected.transform(texts))
        assert vectorizer.vocabulary_ == expected.vocabulary_
        assert_array_equal(expected.transform(X), expected.transform(texts))


@given(texts=DOCUMENTS)
@few
def test_the_size_of_the_slices_changes_no_id(texts):
    texts = [*texts, "good"]
    expected = SequenceVectorizer(min_df=1).fit_transform(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_texts, "_CHUNK_ROWS", 2)
        ids = SequenceVectorizer(min_df=1).fit_transform(texts)
    assert ids.words == expected.words
    assert_array_equal(ids, expected)


def test_parallel_jobs_share_the_cores():
    def count_threads():
        with patch.object(_texts, "ThreadPoolExecutor", wraps=ThreadPoolExecutor) as p:
            SequenceVectorizer().fit(["good app"] * 5000)
        return p.call_args.args[0] if p.called else 1

    n_threads = joblib.Parallel(n_jobs=2)([joblib.delayed(count_threads)()] * 2)
    assert 2 * max(n_threads) <= max(2, joblib.cpu_count())


@given(texts=DOCUMENTS)
@few
def test_fit_transform_is_fit_and_transform(texts):
    texts = [*texts, "good"]
    both = SequenceVectorizer(max_features=4).fit_transform(texts)
    one_by_one = SequenceVectorizer(max_features=4).fit(texts).transform(texts)
    assert_array_equal(both, one_by_one)
    assert both.words == one_by_one.words


def test_padding_is_0_and_an_unknown_word_1():
    vectorizer = SequenceVectorizer().fit(["good app", "good"])
    assert vectorizer.vocabulary_ == {"good": 2, "app": 3}
    assert vectorizer.max_len_ == 2
    assert vectorizer.transform(["app", "", "bad good", "  "]).tolist() == [
        *[[3, 0], [0, 0], [1, 2], [0, 0]]
    ]


def test_a_vocabulary_that_would_be_empty_names_min_df_and_the_remedy():
    with pytest.raises(ValueError, match="min_df=3 of the 2 texts: lower min_df"):
        SequenceVectorizer(min_df=3).fit(["good app", "good"])
    with pytest.raises(ValueError, match="No word stands in"):
        SequenceVectorizer().fit(["", "  \n"])


# A given vocabulary


@pytest.mark.parametrize(
    "put_in",
    [list, tuple, np.array, pd.Series, pd.Index, iter, dict.fromkeys]
    + [lambda words: {"good": 2, "app": 3}, lambda words: OrderedDict(app=3, good=2)]
    + [lambda words: MappingProxyType({"app": 3, "good": 2})],
    ids=["list", "tuple", "ndarray", "Series", "Index", "iterator", "keys"]
    + ["dict", "OrderedDict", "Mapping"],
)
def test_a_given_vocabulary_comes_in_any_form(put_in):
    vocabulary = put_in(["good", "app"])
    if isinstance(vocabulary, dict) and None in vocabulary.values():
        vocabulary = vocabulary.keys()
    vectorizer = SequenceVectorizer(vocabulary=vocabulary, max_len=3)
    assert vectorizer.fit_transform(["app good bad"]).tolist() == [[3, 2, 1]]
    assert vectorizer.vocabulary_ == {"good": 2, "app": 3}


def test_a_mapping_gives_each_word_its_id():
    vocabulary = {"c": 4, "a": 2, "b": 3}
    ids = SequenceVectorizer(vocabulary=vocabulary).fit_transform(["a b c d"])
    assert ids.tolist() == [[2, 3, 4, 1]]
    assert ids.words == ("a", "b", "c")
    assert vocabulary == {"c": 4, "a": 2, "b": 3}


def test_a_learned_vocabulary_can_be_given_to_another():
    texts = clean(make_reviews(50, random_state=0)[0])
    first = SequenceVectorizer(min_df=2).fit(texts)
    for vocabulary in (first.vocabulary_, list(first.vocabulary_)):
        second = SequenceVectorizer(vocabulary=vocabulary).fit(texts)
        assert second.vocabulary_ == first.vocabulary_
        assert_array_equal(second.transform(texts), first.transform(texts))


def test_a_given_vocabulary_needs_no_known_word_in_the_texts():
    vectorizer = SequenceVectorizer(vocabulary=["good"], min_df=5, max_features=1)
    assert vectorizer.fit_transform(["bad", ""]).tolist() == [[1], [0]]
    assert vectorizer.fit_transform(["", " "]).tolist() == [[0], [0]]


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (["a", "b", "a"], r"vocabulary\[2\] repeats 'a' of vocabulary\[0\]"),
        (["a", 5], r"vocabulary\[1\] is 5 \(int\), not a str"),
        (["a", None], r"vocabulary\[1\] is None"),
        ([], "vocabulary is empty"),
        ({}, "vocabulary is empty"),
        ("abc", "vocabulary is a single str; pass a list"),
        ({"a": 0, "b": 1}, "ids 2, 3, 4.*0 is padding, 1 unknown"),
        ({"a": 2, "b": 2}, "without gap or repetition"),
        ({"a": 2, "b": 4}, "without gap or repetition"),
        ({5: 2}, r"vocabulary\[0\] is 5"),
    ],
    ids=str,
)
def test_a_wrong_vocabulary_is_refused_before_any_work(vocabulary, message):
    seen = []
    vectorizer = SequenceVectorizer(vocabulary=vocabulary, tokenizer=seen.append)
    with pytest.raises(ValueError, match=message):
        vectorizer.fit(["a b"])
    assert seen == []
    assert not hasattr(vectorizer, "vocabulary_")


# Length, truncation, dtype


@given(
    texts=DOCUMENTS,
    max_len=st.integers(1, 15),
    truncation=st.sampled_from(["head", "tail", "head_tail"]),
)
@some
def test_rows_are_padded_and_truncated_as_a_loop_would(texts, max_len, truncation):
    texts = [*texts, "good"]
    vectorizer = SequenceVectorizer(
        max_len=max_len, truncation=truncation, max_features=6
    )
    ids = vectorizer.fit_transform(texts)
    get = vectorizer.vocabulary_.get
    rows = [[get(word, 1) for word in text.split()] for text in texts]
    assert_array_equal(ids, pad(rows, max_len, truncation))
    assert ids.shape == (len(texts), max_len)


def test_the_head_the_tail_or_both_ends_are_kept():
    text = " ".join("abcdefghij")
    for truncation, kept in {
        "head": "a b c d e f g h",
        "tail": "c d e f g h i j",
        "head_tail": "a b e f g h i j",
    }.items():
        vectorizer = SequenceVectorizer(max_len=8, truncation=truncation)
        back = vectorizer.inverse_transform(vectorizer.fit_transform([text]))
        assert back.tolist() == [kept]
    assert SequenceVectorizer().truncation == "head_tail"


def test_auto_covers_the_texts_but_for_the_longest_hundredth():
    def auto(*lengths):
        texts = ["a " * n for n in lengths]
        return SequenceVectorizer().fit(texts).max_len_

    assert auto(3, 7, 5) == 7
    assert auto(*[7] * 995, *[300] * 5) == 7
    assert auto(*[7] * 980, *[300] * 20) == 300
    assert auto(1, *[0] * 500) == 1


def test_auto_never_exceeds_its_cap():
    vectorizer = SequenceVectorizer().fit(["a " * 5000, "b"])
    assert vectorizer.max_len_ == 2000
    assert vectorizer.transform(["a " * 5000]).shape == (1, 2000)
    assert SequenceVectorizer(max_len=5000).fit(["a"]).max_len_ == 5000


@given(lengths=st.lists(st.integers(0, 50), min_size=1, max_size=300))
@few
def test_auto_leaves_99_of_100_texts_whole(lengths):
    texts = ["a " * n for n in [*lengths, 1]]
    max_len = SequenceVectorizer().fit(texts).max_len_
    assert np.mean(np.array([*lengths, 1]) <= max_len) >= 0.99
    assert max_len <= max(*lengths, 1)


@pytest.mark.parametrize("dtype", [np.int32, "int64", np.uint16, np.dtype("i8"), int])
def test_ids_have_the_asked_for_type(dtype):
    vectorizer = SequenceVectorizer(dtype=dtype)
    assert vectorizer.fit_transform(["good app"]).dtype == np.dtype(dtype)
    assert vectorizer.transform(["x"]).dtype == np.dtype(dtype)
    assert SequenceVectorizer().fit_transform(["a"]).dtype == np.int32


@pytest.mark.parametrize("dtype", [float, np.float32, bool, object, None])
def test_ids_are_whole_numbers(dtype):
    with pytest.raises(ValueError, match="dtype=.* is not an integer type"):
        SequenceVectorizer(dtype=dtype).fit(["a"])


def test_a_type_too_narrow_for_the_vocabulary_is_refused_and_changes_nothing():
    vectorizer = SequenceVectorizer(dtype=np.int8)
    vectorizer.fit([f"w{i}" for i in range(126)])  # ids to 127
    state = pickle.dumps(vectorizer)
    with pytest.raises(ValueError, match="dtype"):
        vectorizer.fit([f"w{i}" for i in range(127)])
    assert pickle.dumps(vectorizer) == state


@pytest.mark.parametrize(
    "params",
    [
        {"max_len": 0},
        {"max_len": -3},
        {"max_len": 2.5},
        {"max_len": None},
        {"max_len": "long"},
        {"max_features": 0},
        {"max_features": 1.5},
        {"min_df": 0},
        {"min_df": 1.5},
        {"min_df": -0.1},
        {"min_df": "2"},
        {"truncation": "middle"},
        {"tokenizer": "split"},
    ],
    ids=str,
)
def test_a_wrong_option_of_the_vectorizer_is_named_and_changes_nothing(params):
    ((name, value),) = params.items()
    vectorizer = SequenceVectorizer().fit(["good app"])
    vectorizer.set_params(**params)
    state = pickle.dumps(vectorizer)
    message = f"'{name}' parameter of SequenceVectorizer.*Got {value!r} instead"
    with pytest.raises(ValueError, match=message):
        vectorizer.fit(["bad"])
    assert pickle.dumps(vectorizer) == state


# Tokenizers


@pytest.mark.parametrize(
    "tokenizer",
    [
        TreebankWordTokenizer().tokenize,
        WordPunctTokenizer().tokenize,
        re.compile(r"\w+").findall,
        str.split,
        lambda text: tuple(text),
        lambda text: iter(text.split()),
    ],
    ids=["Treebank", "WordPunct", "regex", "split", "characters", "iterator"],
)
def test_a_tokenizer_says_what_the_tokens_are(tokenizer):
    texts = ["It's good, isn't it?", "", "Don't  buy!", "good"]
    vectorizer = SequenceVectorizer(tokenizer=tokenizer, max_len=30)
    ids = vectorizer.fit_transform(texts)
    rows = [list(tokenizer(text)) for text in texts]
    assert set(vectorizer.vocabulary_) == {token for row in rows for token in row}
    get = vectorizer.vocabulary_.get
    assert_array_equal(ids, pad([[get(t) for t in row] for row in rows], 30, "head"))
    assert_array_equal(vectorizer.transform(texts), ids)


@given(texts=TEXTS)
@few
def test_splitting_by_hand_changes_nothing(texts):
    texts = [*texts, "word"]
    fast = SequenceVectorizer(min_df=1).fit(texts)
    slow = SequenceVectorizer(min_df=1, tokenizer=str.split).fit(texts)
    assert fast.vocabulary_ == slow.vocabulary_
    assert_array_equal(fast.transform(texts), slow.transform(texts))
    assert fast.oov_rate(["x word"]) == slow.oov_rate(["x word"])


def test_a_tokenizer_may_find_nothing():
    vectorizer = SequenceVectorizer(tokenizer=str.split).fit(["good app"])
    assert vectorizer.transform(["", " "]).tolist() == [[0, 0], [0, 0]]
    assert vectorizer.oov_rate([""]) == 0.0
    with pytest.raises(ValueError, match="No word stands in"):
        SequenceVectorizer(tokenizer=lambda text: []).fit(["good"])


# The way back, and what is unknown


@given(texts=DOCUMENTS)
@few
def test_ids_go_back_to_the_words(texts):
    texts = [*texts, "good"]
    vectorizer = SequenceVectorizer()
    ids = vectorizer.fit_transform(texts)
    back = vectorizer.inverse_transform(ids)
    assert back.dtype == object
    assert back.tolist() == texts
    for same in (np.asarray(ids), ids.tolist(), pd.DataFrame(ids), ids.astype(float)):
        assert vectorizer.inverse_transform(same).tolist() == texts
    assert_array_equal(vectorizer.transform(back), ids)


def test_unknown_words_go_back_as_such():
    vectorizer = SequenceVectorizer().fit(["good app"])
    assert vectorizer.inverse_transform([[3, 1], [0, 0]]).tolist() == ["good <unk>", ""]
    # Ids above the vocabulary are unknown too.
    assert vectorizer.inverse_transform([[4, 999]]).tolist() == ["<unk> <unk>"]


@pytest.mark.parametrize("bad", [2.5, -1, np.nan, np.inf])
def test_what_is_no_id_does_not_go_back(bad):
    vectorizer = SequenceVectorizer().fit(["good app"])
    with pytest.raises(ValueError):
        vectorizer.inverse_transform([[2, 3], [3, bad]])


@given(train=DOCUMENTS, test=DOCUMENTS)
@few
def test_oov_rate_is_the_share_of_unknown_tokens(train, test):
    vectorizer = SequenceVectorizer(max_features=3, max_len=2).fit([*train, "good"])
    tokens = " ".join(test).split()
    unknown = [token not in vectorizer.vocabulary_ for token in tokens]
    rate = vectorizer.oov_rate(test)
    assert isinstance(rate, float)
    assert rate == pytest.approx(np.mean(unknown) if tokens else 0.0)
    assert SequenceVectorizer().fit([*train, "good"]).oov_rate([*train, "good"]) == 0.0


# Names and tables


def test_columns_are_named_after_the_vectorizer():
    vectorizer = SequenceVectorizer(max_len=3).fit(["good app"])
    assert vectorizer.get_feature_names_out().tolist() == [
        *["sequencevectorizer0", "sequencevectorizer1", "sequencevectorizer2"]
    ]


def test_set_output_gives_a_table_of_the_same_ids():
    X = pd.Series(["good app", "bad", "app"], index=[30, 10, 20])
    vectorizer = SequenceVectorizer()
    ids = vectorizer.fit_transform(X)
    frame = vectorizer.set_output(transform="pandas").transform(X)
    expected = pd.DataFrame(
        np.asarray(ids), index=X.index, columns=vectorizer.get_feature_names_out()
    )
    assert_frame_equal(frame, expected)
    assert_frame_equal(vectorizer.fit_transform(X), expected)
    with sklearn.config_context(transform_output="pandas"):
        assert_frame_equal(SequenceVectorizer().fit_transform(X), expected)
    assert vectorizer.inverse_transform(frame).tolist() == X.tolist()


def test_a_table_of_ids_is_not_tied_to_the_default_output():
    vectorizer = SequenceVectorizer().set_output(transform="default")
    with sklearn.config_context(transform_output="pandas"):
        assert type(vectorizer.fit_transform(["good"])) is TokenIds


# TokenIds


@pytest.fixture
def ids():
    vectorizer = SequenceVectorizer()
    return vectorizer.fit_transform(["good app", "bad app", "good good bad"])


def test_ids_know_their_words(ids):
    assert isinstance(ids, TokenIds)
    vocabulary = SequenceVectorizer().fit(["good app", "bad app", "good good bad"])
    for word, i in vocabulary.vocabulary_.items():
        assert ids.words[i - 2] == word


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_of_ids_keeps_the_words(ids, protocol):
    back = pickle.loads(pickle.dumps(ids, protocol))
    assert type(back) is TokenIds
    assert back.words == ids.words
    assert back.dtype == ids.dtype
    assert_array_equal(back, ids)


@pytest.mark.parametrize(
    "choose",
    [
        lambda ids: ids[1:],
        lambda ids: ids[[2, 0]],
        lambda ids: ids[np.array([True, False, True])],
        lambda ids: ids[:, :1],
        lambda ids: ids[0],
        lambda ids: ids.copy(),
        lambda ids: ids.astype(np.int64),
        lambda ids: ids.take([1, 1], axis=0),
        lambda ids: sklearn.utils._safe_indexing(ids, [0, 2]),
        lambda ids: ids.reshape(-1),
    ],
    ids=["slice", "rows", "mask", "columns", "row", "copy", "astype", "take"]
    + ["safe_indexing", "reshape"],
)
def test_slices_of_ids_keep_the_words(ids, choose):
    chosen = choose(ids)
    assert type(chosen) is TokenIds
    assert chosen.words == ids.words


def test_ids_are_an_integer_array_in_all_else(ids):
    plain = np.asarray(ids)
    assert type(plain) is np.ndarray
    assert_array_equal(ids + 1, plain + 1)
    assert ids.max() == plain.max()
    assert np.zeros(3).view(TokenIds).words is None


def test_ids_share_one_copy_of_the_words():
    vectorizer = SequenceVectorizer().fit(["good app"])
    assert vectorizer.transform(["a"]).words is vectorizer.transform(["b"]).words


# Labels


class Star(Enum):
    one = 1
    five = 5


@pytest.mark.parametrize(
    "y",
    [
        [5, 1, 5, 3],
        (5, 1, 5, 3),
        np.array([5, 1, 5, 3]),
        np.array([5.0, 1.0, 5.0]),
        ["good", "bad", "good"],
        np.array(["good", "bad", "good"]),
        np.array(["good", "bad", "good"], dtype=object),
        [True, False, True],
        pd.Series([5, 1, 5], index=[7, 7, 8]),
        pd.Series(["good", "bad", "good"]),
        pd.Series(["good", "bad", "good"], dtype="category"),
        pd.Series([5, 1, 5], dtype="category"),
    ],
    ids=str,
)
def test_labels_are_encoded_as_label_encoder_does(y):
    classes, codes = encode_labels(y)
    peer = LabelEncoder().fit(np.asarray(y))
    assert classes.tolist() == peer.classes_.tolist()
    assert_array_equal(codes, peer.transform(np.asarray(y)))
    assert codes.dtype == np.int64
    assert classes[codes].tolist() == list(y)


@pytest.mark.parametrize(
    "y",
    [
        [("a", 1), ("b", 2), ("a", 1)],
        [("a",), ("b", 2), ("a",)],
        [Star.five, Star.one, Star.five],
        [frozenset({1}), frozenset({2}), frozenset({1}), frozenset({1, 2})],
        [1, "a", 1, "1"],
        np.array([1, "a", 1, "1"], dtype=object),
        [str, int, int],
    ],
    ids=["pairs", "tuples", "enum", "frozensets", "mixed", "mixed ndarray", "types"],
)
def test_anything_hashable_is_a_label(y):
    classes, codes = encode_labels(y)
    assert len(classes) == len(set(y))
    assert classes[codes].tolist() == list(y)
    assert [type(label) for label in classes[codes].tolist()] == [type(v) for v in y]


@pytest.mark.parametrize(
    "y",
    [
        pd.Series([5, 1, 5], dtype="Int64"),
        pa.array([5, 1, 5]),
        pa.chunked_array([[5], [1, 5]]),
        pd.Series([5, 1, 5], dtype=pd.ArrowDtype(pa.int64())),
    ],
    ids=["Int64", "Array", "ChunkedArray", "ArrowDtype"],
)
def test_whole_numbers_stay_whole_numbers(y):
    classes, codes = encode_labels(y)
    assert classes.tolist() == [1, 5]
    assert all(isinstance(label, int) for label in classes.tolist())
    assert codes.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "put_in",
    [
        lambda y: np.array(y, np.dtypes.StringDType()),
        pa.array,
        lambda y: pd.Series(y, dtype="string"),
        lambda y: pa.array(y).dictionary_encode(),
    ],
    ids=["StringDType", "Array", "string Series", "dictionary"],
)
def test_string_labels_come_in_any_container(put_in):
    classes, codes = encode_labels(put_in(["good", "bad", "good"]))
    assert classes.tolist() == ["bad", "good"]
    assert codes.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    "y",
    [
        [1.0, 2.0, np.nan],
        [1, 2, None],
        ["good", "bad", None],
        ["good", "bad", np.nan],
        ("good", "bad", float("nan")),
        [Star.one, Star.five, None],
        ["good", "bad", pd.NA],
        np.array([1.0, 2.0, np.nan]),
        np.array(["good", "bad", np.nan], dtype=object),
        pd.Series(["good", "bad", None]),
        pd.Series([1, 2, None], index=[9, 8, 7]),
        pd.Series([1, 2, None], dtype="Int64"),
        pd.Series(["good", "bad", None], dtype="category"),
        pa.array(["good", "bad", None]),
        pa.array([1, 2, None]),
    ],
    ids=str,
)
def test_a_missing_label_is_named_by_its_position_and_the_remedy(y):
    with pytest.raises(ValueError, match=r"y\[2\] is .*NaN or None.*Drop the row"):
        encode_labels(y)


def test_labels_are_one_column_of_classes():
    with pytest.raises(ValueError, match="1d array"):
        encode_labels(np.ones((3, 2)))
    with pytest.raises(ValueError, match="continuous"):
        encode_labels([1.5, 2.5, 3.25])
    with pytest.raises(ValueError, match="y is empty.*at least one label"):
        encode_labels([])
    with pytest.raises(ValueError):
        encode_labels("abc")
    with pytest.raises(ValueError):
        encode_labels(None)


def test_labels_are_not_modified():
    for y in (["b", "a"], np.array(["b", "a"], dtype=object), pd.Series(["b", "a"])):
        before = copy_of(y)
        encode_labels(y)
        assert_same(y, before)
