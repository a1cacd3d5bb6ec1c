"""NLTK's stemmers by name."""

from functools import lru_cache

_STEMMER_CACHE_SIZE = 2**15  # a few megabytes of words


@lru_cache
def make_stemmer(stemmer, language):
    """Return a function that stems a word and caches the results."""
    from nltk.stem import LancasterStemmer, PorterStemmer, SnowballStemmer

    if stemmer == "porter":
        chosen = PorterStemmer()
    elif stemmer == "lancaster":
        chosen = LancasterStemmer()
    elif language in SnowballStemmer.languages:
        chosen = SnowballStemmer(language)
    else:
        raise ValueError(
            f"language={language!r} has no snowball stemmer. Use one of "
            f"{', '.join(SnowballStemmer.languages)}, or stemmer=None."
        )
    return lru_cache(_STEMMER_CACHE_SIZE)(chosen.stem)
