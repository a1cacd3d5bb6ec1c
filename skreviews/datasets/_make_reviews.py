"""Generator of reviews of any number, for tests and benchmarks."""

from itertools import chain, product
from numbers import Integral

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

STARS = np.arange(1, 6, dtype=np.int64)

# Ratings of an app store: most are 5, many are 1, few are between.
STORE_WEIGHTS = (0.24, 0.05, 0.06, 0.10, 0.55)

# Phrases of each sentiment from one to five stars. The lists are equally long, so that
# a sentiment and a position in its list give a position in the vocabulary.
OPINIONS = (
    "awful,terrible,useless,garbage,scam,worst,horrible,broken,crashes,hate it,"
    "refund,never works,uninstalled,stole my money,does not open,waste of time,"
    "full of ads,pathetic,fraud,trash,unusable,logged out again,zero stars,"
    "cannot log in,avoid,lost everything,ripoff,😡,🤬,👎".split(","),
    "buggy,slow,disappointing,annoying,freezes,laggy,too many ads,confusing,"
    "not good,poor,glitchy,overpriced,used to be better,frustrating,drains battery,"
    "unreliable,clunky,keeps failing,bloated,support ignores me,mediocre,"
    "getting worse,not worth it,half baked,barely works,bad update,meh,"
    "😕,😒,🙄".split(","),
    "okay,average,not bad,could be better,so so,decent,needs work,acceptable,"
    "mixed feelings,some bugs,alright,fine i guess,nothing special,basic,"
    "hit or miss,needs dark mode,ok but,fair,expected more,works sometimes,limited,"
    "passable,room for improvement,too basic,middling,undecided,so far ok,"
    "😐,🤔,🤷".split(","),
    "good,nice,useful,works well,helpful,solid,pretty good,like it,handy,reliable,"
    "minor bugs,good overall,clean design,almost perfect,smooth,convenient,"
    "recommended,well made,fast enough,useful widgets,pleasant,easy to use,"
    "just needs sync,satisfied,good value,improving,no complaints,"
    "🙂,👍,👌".split(","),
    "love it,excellent,perfect,amazing,best app ever,awesome,fantastic,brilliant,"
    "superb,wonderful,great,life saver,flawless,highly recommend,outstanding,"
    "can not live without,incredible,five stars,so easy,beautiful,thank you,"
    "works perfectly,super fast,no ads,must have,worth every penny,genius,"
    "😍,❤️,🔥".split(","),
)
N_OPINIONS = len(OPINIONS[0])

COMMON_WORDS = (
    "the i app and it to is my a this of for in on but with so you not was have that "
    "very just phone when me after all time can use update get they be new version "
    "every are from screen no only now please if there account even make since month "
    "photos music support team day android video work need still more settings "
    "notifications what widget calendar because tablet fix their really button login "
    "until year search 2 5 10 100% v2.1 3.0.14 24/7 €4.99 www.example.com"
).split()

# Rows generated at once, which bounds the memory of a million rows.
BLOCK = 100_000


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "class_weights": [dict, "array-like", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_reviews(n_samples=1000, *, class_weights=None, random_state=None):
    """Generate short reviews with star ratings.

    A review is a sequence of words from a vocabulary of about 6,000: frequent English
    words, a Zipf-like tail of invented words, and opinions and emoji that depend on
    the rating. Neighbouring ratings share many opinions, distant ratings few, so that
    no model predicts all ratings.

    Parameters
    ----------
    n_samples : int, default=1000
        The number of reviews.

    class_weights : array-like of shape (5,) or dict, default=None
        The weights of the ratings 1 to 5, or a dict with a weight for each rating to
        generate. They need not sum to 1. If None, the ratings are distributed like
        those of an app store: most are 5, then 1, few are 2 and 3.

    random_state : int, RandomState instance or None, default=None
        Determines the reviews and their ratings. Pass an int for reproducible reviews
        across calls. See :term:`Glossary <random_state>`.

    Returns
    -------
    X : ndarray of shape (n_samples,), dtype=object
        The texts, each a str of at least three words.

    y : ndarray of shape (n_samples,), dtype=int64
        The ratings from 1 to 5.

    Raises
    ------
    ValueError
        If there are not five weights, if one is negative, if they sum to zero, or if
        a rating is not between 1 and 5.

    See Also
    --------
    load_app_reviews : A few reviews in real sentences.

    Examples
    --------
    >>> from skreviews.datasets import make_reviews
    >>> X, y = make_reviews(3, random_state=21)
    >>> y
    array([1, 2, 5])
    >>> X[2]
    'for stevo nice brepla genius'
    """
    rng = check_random_state(random_state)
    y = rng.choice(STARS, size=n_samples, p=_star_probabilities(class_weights))
    blocks = (y[start : start + BLOCK] for start in range(0, n_samples, BLOCK))
    vocabulary = _vocabulary()
    return np.concatenate([_write(stars, vocabulary, rng) for stars in blocks]), y


def _star_probabilities(class_weights):
    if class_weights is None:
        weights = STORE_WEIGHTS
    elif isinstance(class_weights, dict):
        if unknown := [star for star in class_weights if star not in STARS]:
            raise ValueError(f"class_weights has ratings outside 1 to 5: {unknown}.")
        weights = [class_weights.get(star, 0) for star in STARS.tolist()]
    else:
        weights = class_weights
    weights = np.asarray(weights, dtype=float)
    if weights.shape != STARS.shape:
        raise ValueError(
            "class_weights must hold one weight for each rating from 1 to 5, "
            f"got an array of shape {weights.shape}."
        )
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.sum() > 0):
        raise ValueError(
            "class_weights must be finite, not negative and not all zero, "
            f"got {weights.tolist()}."
        )
    return weights / weights.sum()


def _vocabulary():
    """Return the opinions by sentiment, then the words by decreasing frequency."""
    onsets = "b d l m r s v z bl br cl dr pl sm st tr".split()
    vowels = "aeou"
    invented = ["".join(word) for word in product(onsets, vowels, onsets, vowels)]
    invented = check_random_state(0).permutation(invented)
    return pa.array([*chain(*OPINIONS), *COMMON_WORDS, *invented])


def _write(stars, vocabulary, rng):
    """Return a text for each rating, ndarray of shape (len(stars),)."""
    lengths = np.minimum(3 + rng.gamma(2, 3.2, size=len(stars)), 18).astype(np.int32)
    offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    n_tokens = offsets[-1]

    # The sentiment of a review varies around its stars, each opinion around that.
    sentiments = np.repeat(stars + rng.normal(scale=0.6, size=len(stars)), lengths)
    sentiments = np.rint(sentiments + rng.normal(scale=0.8, size=n_tokens)).clip(1, 5)
    opinions = (sentiments - 1) * N_OPINIONS + rng.randint(N_OPINIONS, size=n_tokens)

    # Numbers with a uniform logarithm follow Zipf's law.
    first_word = len(OPINIONS) * N_OPINIONS
    words = (len(vocabulary) - first_word) ** rng.uniform(size=n_tokens) - 1

    is_opinion = rng.uniform(size=n_tokens) < 0.35
    positions = np.where(is_opinion, opinions, first_word + words).astype(np.int32)
    tokens = pa.ListArray.from_arrays(offsets, vocabulary.take(pa.array(positions)))
    return pc.binary_join(tokens, " ").to_numpy(zero_copy_only=False)
