"""TextCleaner: cleaning of raw texts."""

import html
import unicodedata
from collections import Counter
from html.entities import html5

import nltk
import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.corpus import LazyCorpusLoader
from nltk.corpus.reader import WordNetCorpusReader
from nltk.stem import LancasterStemmer, PorterStemmer, SnowballStemmer
from numpy.testing import assert_array_equal
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer
from sklearn.pipeline import make_pipeline

from skreviews import SequenceVectorizer, TextCleaner
from skreviews.preprocessing import _texts
from skreviews.preprocessing._stemmers import make_stemmer

# Typical parts of reviews, and input that breaks other cleaners.
FRAGMENTS = [
    *["good", "GREAT", "sooooo", "don't", "DON’T", "it's", "won't", "a", "I'm", "x"],
    *[" ", "  ", "\t", "\n", "\r\n", "\v", "\u00a0", "\u3000", "\u2028", "\x1c"],
    *["<br />", "<b>", "</b>", "<3", "< ", ">", "<script>x</script>", "<!-- x -->"],
    *["&amp;", "&lt;br&gt;", "&#33;", "&#x1F600;", "&nbsp;", "&", ";", "&amp;lt;"],
    *["http://a.b/c?d=1", "WWW.a.b", "me@mail.example", "://", "@", "#tag", "%"],
    *["5", "4.5", "1,000", "v2.0.1", "٣٤", "½", "Ⅳ", "!!!", "...", "$", "“", "-", "_"],
    *["👍", "👍🏽", "👨\u200d👩\u200d👧", "🇩🇪", "🇩", "❤\ufe0f", "1\ufe0f\u20e3", "★★"],
    *["\u200d", "مُدهش", "می\u200cخواهم", "अच्छा", "क\u094d\u200dष", "İ", "ıI", "ẞ"],
    *["e\u0301", "\u0301", "好好好好", "ไม่ดี", "ееее", "\u200b", "\ufeff", "\x00x"],
    *["\x07", "\U0010ffff"],
]
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join),
)
TEXTS = st.lists(TEXT, min_size=1, max_size=6)
PARAMS = st.fixed_dictionaries(
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
# Only white space is normalised.
ALL_OFF = {
    "lowercase": False,
    "strip_html": False,
    "urls": "keep",
    "digits": "keep",
    "punctuation": "keep",
    "squeeze_repeats": False,
}

few = settings(deadline=None, derandomize=True, max_examples=20)
some = settings(few, max_examples=50)


def clean(texts, **params):
    """Clean a text or a list of texts."""
    if isinstance(texts, str):
        return clean([texts], **params)[0]
    return TextCleaner(**params).transform(texts).tolist()


def clean_only(text, **params):
    """Clean a text with all options off except the given ones."""
    return clean(text, **ALL_OFF | params)


# Invariants


@given(texts=TEXTS, params=PARAMS)
@some
def test_cleaned_texts_are_words_between_single_spaces(texts, params):
    cleaned = TextCleaner(**params).transform(texts)
    assert cleaned.dtype == object
    assert cleaned.shape == (len(texts),)
    for text in cleaned:
        assert type(text) is str
        assert text == " ".join(text.split())


@given(texts=st.lists(TEXT, min_size=2, max_size=9), params=PARAMS, data=st.data())
@some
def test_texts_are_cleaned_independently_of_each_other(texts, params, data):
    cleaner = TextCleaner(**params)
    cleaned = cleaner.transform(texts)
    rows = data.draw(st.lists(st.sampled_from(range(len(texts))), min_size=1))
    assert_array_equal(cleaner.transform([texts[row] for row in rows]), cleaned[rows])
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(_texts, "_CHUNK_ROWS", 2)
        assert_array_equal(cleaner.transform(texts), cleaned)


def test_every_container_is_cleaned_alike(as_container):
    texts = [fragment.replace("\0", "") or "x" for fragment in FRAGMENTS]
    for params in ({}, {"punctuation": "separate", "stemmer": "porter"}, ALL_OFF):
        cleaner = TextCleaner(**params)
        cleaned = cleaner.transform(as_container(texts))
        assert cleaned.dtype == object
        assert_array_equal(cleaned, cleaner.transform(texts))


@pytest.mark.parametrize("digits", ["remove", "token", "shape", "keep"])
@pytest.mark.parametrize("punctuation", ["remove", "separate"])
@pytest.mark.parametrize("squeeze_repeats", [True, False])
@given(text=st.text("a9'! \n") | st.text(st.characters(max_codepoint=127)))
@some
def test_the_ascii_path_equals_the_unicode_path(
    text, digits, punctuation, squeeze_repeats
):
    cleaner = TextCleaner(
        digits=digits, punctuation=punctuation, squeeze_repeats=squeeze_repeats
    )
    # The same text twice checks the boundary between two texts.
    _, ascii_text, unicode_text = cleaner.transform([text, text, f"{text} 好"])
    assert unicode_text == f"{ascii_text} 好".lstrip()


@given(texts=TEXTS)
@some
def test_the_default_is_idempotent_and_keeps_letters_marks_and_emoji(texts):
    cleaned = clean(texts)
    assert clean(cleaned) == cleaned
    for char in "".join(cleaned):
        category = unicodedata.category(char)
        # Cn: characters that are newer than this version of Python.
        is_kept = category[0] in "LM" or category in ("So", "Cn")
        assert is_kept or char in " \u200c\u200d🏻🏼🏽🏾🏿"


@given(texts=TEXTS)
@few
def test_with_all_options_off_only_white_space_changes(texts):
    # Control characters count as white space.
    texts = [
        "".join(
            " " if unicodedata.category(char) in ("Cc", "Cf", "Co", "Cn") else char
            for char in text.replace("\u200c", "").replace("\u200d", "")
        )
        for text in texts
    ]
    cleaned = clean(texts, **ALL_OFF)
    assert ["".join(text.split()) for text in cleaned] == [
        "".join(text.split()) for text in texts
    ]


def test_the_cleaner_is_stateless():
    cleaner = TextCleaner()
    assert cleaner.transform(["GOOD!"]).tolist() == ["good"]
    assert cleaner.fit(["x"]) is cleaner
    assert cleaner.fit_transform(["GOOD!"]).tolist() == ["good"]


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
def test_invalid_parameters_are_named(params):
    (name,) = params
    for call in (TextCleaner(**params).fit, TextCleaner(**params).transform):
        with pytest.raises(ValueError, match=f"'{name}' parameter of TextCleaner"):
            call(["good"])


# Letters and HTML


@pytest.mark.parametrize(
    "text", ["GOOD App", "ÀÉÎ ÑÜ", "ΑΒΓΔ", "ЖЁЙ", "ԱԲԳ", "ꭰꮿ", "𐐀𐐁", "ẞÆŒ", "ＡＢＣ"]
)
def test_lowercase_in_every_script(text):
    assert clean(text) == text.lower()
    assert clean(text, lowercase=False) == text


def test_lowercase_changes_only_letters():
    text = "It's SO good, 4.5 <b> 👍🏽"
    assert clean_only(text, lowercase=True) == clean_only(text).lower()


def test_entities_are_resolved_like_html_unescape():
    names = [name for name in html5 if name.endswith(";")]
    texts = [f"a&{name}b" for name in names]
    texts += [f"a&#{number};b" for number in (33, 0, 128, 8364, 128512, 0xD800, 10**7)]
    texts += [f"a&#x{number};b" for number in ("41", "20AC", "1F600", "1f600")]
    resolved = [html.unescape(text) for text in texts]
    for punctuation in ("remove", "keep", "separate"):
        params = {"punctuation": punctuation}
        assert clean(texts, **params) == clean(resolved, strip_html=False, **params)


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
def test_tags_are_replaced_by_a_space(text):
    words = clean(text).split()
    assert words[-1] == "bad"
    assert "good" in words
    assert not {"br", "p", "href", "comment", "var", "color", "img"} & {*words}


def test_text_that_resembles_html_is_kept():
    assert clean_only("R&D; AT&T & co", strip_html=True) == "R&D; AT&T & co"
    assert clean("R&D AT&T") == "r d at t"
    text = "I <3 it, 1 < 2 and c > d"
    assert clean_only(text, strip_html=True) == text
    assert clean(text) == "i it and c d"


def test_html_is_kept_with_strip_html_off():
    assert clean_only("a <br /> b &amp; c") == "a <br /> b &amp; c"
    assert clean("good <br /> &amp; bad", strip_html=False) == "good br amp bad"


# URLs and numbers


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
def test_urls_and_addresses(url):
    text = f"see {url} now"
    for call in (clean, clean_only):
        assert call(text, urls="remove") == "see now"
        assert call(text, urls="token") == "see xxurl now"
    assert clean_only(text) == text


def test_words_that_resemble_urls_are_kept():
    text = "wwwhat http me @ home"
    assert clean(text, squeeze_repeats=False) == "wwwhat http me home"


@pytest.mark.parametrize(
    ("text", "removed", "replaced"),
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
def test_numbers_are_removed_or_replaced(text, removed, replaced, punctuation):
    assert clean(text, punctuation=punctuation) == removed
    assert clean(text, punctuation=punctuation, digits="token") == replaced


def test_numbers_are_kept():
    kept = clean("4 stars, ½ off, 100000 ٣٤", digits="keep")
    assert kept == "4 stars ½ off 100000 ٣٤"
    assert clean_only("v2.0.1 at 10:30") == "v2.0.1 at 10:30"


def test_long_numbers_are_replaced_by_their_shape():
    text = "8/10, call 08712460324 or १२३४, from 1999 on: 1,000 of 15"
    shaped = clean_only(text, digits="shape")
    assert shaped == "8/10, call 00000000000 or 0000, from 0000 on: 1,000 of 15"
    assert clean(["12", "345", "6"], digits="shape") == ["12", "000", "6"]
    keycaps = "123\ufe0f\u20e3 1\ufe0f\u20e3"
    assert clean(keycaps, digits="shape") == keycaps.replace("123", "000")
    url = clean_only("https://a.example/2021", digits="shape")
    assert url == "https://a.example/0000"


# Punctuation, emoji, repeats and contractions


def test_punctuation():
    text = "Well... it's good, isn’t it?! (#1_app) 5$ «oui» 好。"
    params = {"digits": "keep"}
    assert clean(text, **params) == "well its good isnt it 1 app 5 oui 好"
    assert clean(text, punctuation="keep", **params) == text.lower()
    assert clean(text, punctuation="separate", **params).split() == (
        "well . . . its good , isnt it ? ! ( # 1 _ app ) 5 $ « oui » 好 。".split()
    )
    assert clean("¿Qué? «oui» 好。 رائع، جدا؟ अच्छा। „ja“") == (
        "qué oui 好 رائع جدا अच्छा ja"
    )


def test_apostrophes_are_deleted():
    for text in ("don't", "don’t", "dont"):
        assert clean(text) == clean(text, punctuation="separate") == "dont"
    assert clean("don’t", punctuation="keep") == "don’t"


@pytest.mark.parametrize(
    "emoji",
    [
        pytest.param("😀", id="face"),
        pytest.param("👍🏽", id="skin tone"),
        pytest.param("❤\ufe0f", id="heart"),
        pytest.param("👨\u200d👩\u200d👧\u200d👦", id="family"),
        pytest.param("👩🏿\u200d🚀", id="astronaut"),
        pytest.param("🤦🏽\u200d♂\ufe0f", id="man"),
        pytest.param("🏳\ufe0f\u200d🌈", id="rainbow"),
        pytest.param("❤\ufe0f\u200d🔥", id="fire"),
        pytest.param("🇩🇪", id="flag"),
        pytest.param(
            "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
            id="England",
        ),
        pytest.param("★", id="star"),
    ],
)
def test_emoji_are_kept_named_or_dropped_as_a_whole(emoji):
    for text in (f"good{emoji}bad", f"good {emoji} bad", f"good!{emoji}, bad"):
        assert clean(text).split() == ["good", emoji, "bad"]
        assert clean(text, emoji="drop") == "good bad"
        words = clean(text, emoji="words").split()
        assert (words[0], words[-1]) == ("good", "bad")
        assert len(words) > 2
        assert all(word.isascii() and word.isalpha() for word in words)
    assert clean(emoji * 2).split() == [emoji, emoji]
    assert clean_only(f"good{emoji}bad").split() == ["good", emoji, "bad"]


def test_variation_selectors_go_with_their_emoji():
    for emoji in ("❤\ufe0e", "☺\ufe0e"):
        words = clean(f"good {emoji} app").split()
        assert words in (["good", emoji, "app"], ["good", emoji[0], "app"])
        assert clean(f"good {emoji} app", emoji="drop") == "good app"


def test_emoji_are_replaced_by_their_unicode_names():
    for emoji in "😀😡👍★☺🚀♥":
        name = unicodedata.name(emoji).lower().replace("-", " ")
        assert clean(f"so {emoji}!", emoji="words") == f"so {name}"
        assert clean(f"so{emoji}", emoji="words", stop_words=["so"]) == name
    assert clean("👍🏽", emoji="words") == clean("👍", emoji="words")
    assert clean("👨\u200d👩", emoji="words") == clean("👨👩", emoji="words")


def test_named_emoji_do_not_change_the_words_around_them():
    for word in ("क\u094d\u200dष", "می\u200cخواهم", "e\u0301"):
        assert clean(f"{word} 👍", emoji="words").split()[0] == clean(word)


def test_repeated_letters_are_shortened_to_two():
    assert clean("soooooo gooood") == "soo good"
    assert clean("ееееее ههههههه 哈哈哈哈 ÀÀÀÀ") == "ее هه 哈哈 àà"
    assert clean("good aa 好好") == "good aa 好好"
    assert clean("soooo", squeeze_repeats=False) == "soooo"
    assert clean("SOOOOO GOOD", lowercase=False) == "SOO GOOD"
    text = "100000 ---- !!!"
    assert clean_only(text, squeeze_repeats=True) == text


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
def test_contractions_are_expanded(short, long, apostrophe):
    short = short.replace("'", apostrophe)
    assert clean(f"so {short} go", expand_contractions=True) == f"so {long} go"
    assert clean(short.upper(), expand_contractions=True) == long
    assert clean(short) == short.replace(apostrophe, "").lower()


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
def test_combining_marks_and_joiners_are_kept(text):
    assert clean(text) == clean(f"{text}!!! 5", digits="remove") == text
    assert clean(text, punctuation="keep", digits="keep") == text
    assert clean(text, punctuation="separate") == text
    assert clean(text, emoji="drop") == clean(text, emoji="words") == text


def test_turkish_letters_are_kept():
    assert clean("İSTANBUL'da ılık ığdır IŞIK") == "istanbulda ılık ığdır işik"
    assert clean("İyi ısı", lowercase=False) == "İyi ısı"
    assert clean("İİİİ", stop_words=["x"]) == "ii"


# Stop words


def test_no_words_are_removed_by_default():
    words = sorted(ENGLISH_STOP_WORDS)
    assert clean(" ".join(words)).split() == words
    assert clean("the app", stop_words=[]) == "the app"


@given(texts=TEXTS, stop_words=st.lists(st.sampled_from(FRAGMENTS[:10] + ["👍", "好"])))
@few
def test_only_stop_words_are_removed(texts, stop_words):
    removed = {clean(word) for word in stop_words}
    expected = [
        " ".join(word for word in text.split() if word not in removed)
        for text in clean(texts)
    ]
    assert clean(texts, stop_words=stop_words, keep_negations=False) == expected


@pytest.mark.parametrize(
    "make", [list, tuple, set, frozenset, np.array, pd.Series], ids=lambda f: f.__name__
)
def test_stop_words_in_any_container(make):
    assert clean("this is the app", stop_words=make(["the", "is"])) == "this app"


def test_stop_words_are_cleaned_like_the_texts():
    assert clean("It's the café", stop_words=["IT'S", "Café"]) == "the"
    assert clean("It's the", stop_words=["it's"], punctuation="keep") == "the"
    assert clean("The the", stop_words=["the"], lowercase=False) == "The"


def test_english_stop_words_are_those_of_sklearn_without_negations():
    words = sorted(ENGLISH_STOP_WORDS)
    negations = (
        "cannot cant couldnt hasnt neither never no nobody none noone nor not nothing "
        "nowhere without"
    ).split()
    assert clean(" ".join(words), stop_words="english").split() == negations
    removed = clean(" ".join(words), stop_words="english", keep_negations=False)
    assert removed == ""


@pytest.mark.parametrize("apostrophe", ["'", "’", ""])
def test_negations_are_kept(apostrophe):
    negated = ["don't", "isn't", "won't", "can't", "shan't", "ain't", "wouldn't"]
    words = [word.replace("'", apostrophe) for word in [*negated, "not", "NO", "never"]]
    text = " the ".join(words)
    stop_words = [*words, "the"]
    assert clean(text, stop_words=stop_words) == clean(" ".join(words))
    assert clean(text, stop_words=stop_words, keep_negations=False) == ""
    assert clean("This is not good", stop_words="english") == "not good"
    params = {"stop_words": "english", "expand_contractions": True}
    assert "not" in clean("I don't like it", **params).split()


def test_stop_words_must_be_strings():
    for stop_words in (["the", 5], [None], ["the", b"a"]):
        with pytest.raises(ValueError, match="stop_words contains .*pass a list of"):
            TextCleaner(stop_words=stop_words).fit(["the app"])


# Stemmers

STEMMERS = {
    "porter": PorterStemmer,
    "lancaster": LancasterStemmer,
    "snowball": lambda: SnowballStemmer("english"),
}


@pytest.mark.parametrize("stemmer", STEMMERS)
@given(texts=TEXTS)
@few
def test_stems_are_those_of_nltk(stemmer, texts):
    texts = [*texts, "The reviewers were reviewing crashes, generously"]
    stem = STEMMERS[stemmer]().stem
    expected = [
        " ".join(filter(None, map(stem, text.split()))) for text in clean(texts)
    ]
    assert clean(texts, stemmer=stemmer) == expected


@pytest.mark.parametrize("language", SnowballStemmer.languages)
def test_snowball_stems_in_every_language(language):
    text = (
        "running libraries nationale häuser liebevolle coraggiosamente corriendo "
        "трогательные мебели книгами المدرسة كتابهم والمعلمون házakban gatos kissor"
    )
    stem = SnowballStemmer(language).stem
    expected = " ".join(filter(None, map(stem, clean(text).split())))
    assert clean(text, stemmer="snowball", language=language) == expected


def test_unknown_languages_are_rejected_with_the_known_ones():
    cleaner = TextCleaner(stemmer="snowball", language="klingon")
    for call in (cleaner.fit, cleaner.transform):
        with pytest.raises(
            ValueError, match="'klingon' has no snowball.*english.*fren"
        ):
            call(["a"])
    assert clean("running", stemmer="porter", language="klingon") == "run"


@pytest.mark.parametrize("stemmer", STEMMERS)
def test_each_distinct_word_is_stemmed_once(monkeypatch, stemmer):
    seen = []
    name = f"{stemmer.capitalize()}Stemmer"
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
    make_stemmer.cache_clear()
    monkeypatch.setattr(_texts, "_CHUNK_ROWS", 100)
    texts = ["good app crashes", "good GOOD", "", "app, app"] * 200
    cleaned = clean(texts, stemmer=stemmer)
    assert sorted(seen) == ["app", "crashes", "good"]
    app = original(*["english"] * (stemmer == "snowball")).stem("app")
    assert cleaned == [f"good {app} crash", "good good", "", f"{app} {app}"] * 200
    clean(texts, stemmer=stemmer)
    assert len(seen) == 3  # cached between calls
    make_stemmer.cache_clear()


def test_stop_words_are_removed_before_stemming():
    assert clean("doing does", stemmer="porter", stop_words=["doing"]) == "doe"
    assert clean("doing does", stemmer="porter", stop_words=["do"]) == "do doe"


# Lemmatizer

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
    """Hide an installed WordNet corpus."""
    loader = LazyCorpusLoader("wordnet", WordNetCorpusReader, None)
    monkeypatch.setattr("nltk.corpus.wordnet", loader)
    monkeypatch.setattr("nltk.data.path", [str(tmp_path)])
    return tmp_path


@pytest.fixture
def small_wordnet(no_wordnet):
    """Install a WordNet corpus of six words."""
    folder = no_wordnet / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    for name in WordNetCorpusReader._FILES:
        (folder / name).write_text(WORDNET_FILES.get(name, ""))
    return folder


def test_a_missing_corpus_is_reported_with_the_command_to_install_it(no_wordnet):
    cleaner = TextCleaner(lemmatizer="wordnet")
    for call in (cleaner.fit, cleaner.transform, cleaner.fit_transform):
        with pytest.raises(LookupError) as error:
            call(["good"])
        assert "python -m nltk.downloader wordnet" in str(error.value)
        assert len(str(error.value)) < 200
        assert error.value.__suppress_context__


@pytest.mark.filterwarnings("ignore:The multilingual functions")
def test_each_distinct_word_is_lemmatized_once_before_stemming(
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
    text = "The apps were crashing, the mice was better"
    lemmas = clean(text, lemmatizer="wordnet")
    assert lemmas == "the app be crash the mouse be good"
    params = {"lemmatizer": "wordnet", "stemmer": "porter"}
    assert clean("mice generously", **params) == "mous gener"


def test_lemmas_of_the_real_corpus():
    for name in ("corpora/wordnet.zip", "corpora/wordnet"):
        try:
            nltk.data.find(name)
            break
        except LookupError:
            pass
    else:
        pytest.skip("NLTK's WordNet corpus is not installed")
    text = "it was crashing, the mice"
    assert clean(text, lemmatizer="wordnet") == "it be crash the mouse"


# In a pipeline


@pytest.mark.parametrize("transform_output", ["default", "pandas"])
def test_cleaned_texts_are_an_ndarray_for_every_output_config(transform_output):
    texts = ["GOOD app", "bad APP", "so so"]
    with sklearn.config_context(transform_output=transform_output):
        cleaned = TextCleaner().fit_transform(pd.Series(texts))
        counts = make_pipeline(TextCleaner(), CountVectorizer()).fit_transform(texts)
    assert isinstance(cleaned, np.ndarray)
    assert cleaned.tolist() == ["good app", "bad app", "so so"]
    assert counts.shape == (3, 4)


def test_set_output_and_feature_names_in_a_pipeline():
    pipe = make_pipeline(TextCleaner(), SequenceVectorizer())
    frame = pipe.set_output(transform="pandas").fit_transform(["GOOD app", "bad"])
    assert isinstance(frame, pd.DataFrame)
    assert frame.shape == (2, 2)
    assert pipe.get_feature_names_out().tolist() == frame.columns.tolist()
    assert TextCleaner().get_feature_names_out().tolist() == ["text"]
