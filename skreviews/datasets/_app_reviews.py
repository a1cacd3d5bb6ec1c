"""Loader of the bundled app reviews."""

from importlib.resources import files

import pandas as pd
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

DESCR = """\
App reviews
-----------

Short reviews of mobile apps with ratings from one to five stars, in the columns
of a store's export:

=============  ==========================================================
reviewId       unique name of the review
content        text of the review
score          rating from 1 to 5
thumbsUpCount  number of readers who found the review helpful
at             when the review was posted
=============  ==========================================================

The reviews were written for this package. They quote no real person or review and
name no real app. They are meant for examples and tests, not for comparing models.

They resemble the reviews of an app store: most ratings are 5, then 1, few are 2 and
3. They contain emoji, typos, links, version numbers, sarcasm and opinions that
contradict the rating.
"""


@validate_params(
    {"return_X_y": ["boolean"], "as_frame": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def load_app_reviews(*, return_X_y=False, as_frame=True):
    """Load the bundled app reviews (classification).

    The reviews were written for this package and quote no real person.

    =================   =====================
    Classes                                 5
    Samples total                over 1,200
    Features                             text
    =================   =====================

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return `(data, target)` instead of a Bunch object.

    as_frame : bool, default=True
        If True, the texts and the ratings are pandas Series and the Bunch has the
        whole table as `frame`. Otherwise, they are ndarrays.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : Series or ndarray of str of shape (n_samples,)
            The texts.
        target : Series or ndarray of int of shape (n_samples,)
            The ratings from 1 to 5.
        target_names : list of int
            The five ratings.
        frame : DataFrame of shape (n_samples, 5)
            All columns of the table; None if `as_frame=False`.
        DESCR : str
            The description of the dataset.
        filename : str
            The path of the CSV file.

    (data, target) : tuple if ``return_X_y=True``
        The texts and the ratings.

    See Also
    --------
    make_reviews : Generates any number of reviews from random words.
    read_reviews : Reads the reviews of a file.

    Examples
    --------
    >>> from skreviews.datasets import load_app_reviews
    >>> X, y = load_app_reviews(return_X_y=True)
    >>> y.value_counts().idxmax()
    np.int64(5)
    """
    path = files("skreviews.datasets") / "data" / "app_reviews.csv"
    with path.open("rb") as file:
        # A review may consist of the word "null".
        frame = pd.read_csv(file, keep_default_na=False, parse_dates=["at"])
    data, target = frame["content"], frame["score"]
    if not as_frame:
        frame, data, target = None, data.to_numpy(dtype=object), target.to_numpy()
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=[1, 2, 3, 4, 5],
        frame=frame,
        DESCR=DESCR,
        filename=str(path),
    )
