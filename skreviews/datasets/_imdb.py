"""Caching loader for the Large Movie Review Dataset (IMDb)."""

import logging
import os
import re
import tarfile
import warnings
from functools import partial
from numbers import Integral, Real
from pathlib import Path, PurePosixPath

import pandas as pd
import pyarrow as pa
from sklearn.datasets import fetch_file, get_data_home
from sklearn.utils import Bunch
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skreviews._atomic import write_whole

logger = logging.getLogger(__name__)

ARCHIVE_URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
# The authors publish no checksum. This one is from tensorflow/datasets on GitHub,
# tensorflow_datasets/datasets/imdb_reviews/checksums.tsv.
ARCHIVE_SHA256 = "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe"
ARCHIVE_NAME = "aclImdb_v1.tar.gz"
CACHE_NAME = "aclImdb_v1.parquet"

REVIEW_PATH = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_(\d+)\.txt")
TARGET_NAMES = ["neg", "pos"]

# The longest review has 14 kB and the whole unpacked archive less than 500 MB.
MAX_REVIEW_BYTES = 2**20
MAX_TOTAL_BYTES = 2**30

DESCR = """\
Large Movie Review Dataset
--------------------------

50,000 reviews of movies from IMDb, 25,000 for training and 25,000 for testing,
half of each negative (at most 4 of 10 stars) and half positive (at least 7). No
more than 30 reviews are of the same movie, and no movie is in both subsets, but
123 texts are in both. Many texts contain the HTML tag `<br />`.

Source: https://ai.stanford.edu/~amaas/data/sentiment/

Andrew L. Maas, Raymond E. Daly, Peter T. Pham, Dan Huang, Andrew Y. Ng and
Christopher Potts. Learning Word Vectors for Sentiment Analysis. Proceedings of the
49th Annual Meeting of the Association for Computational Linguistics, 2011.
"""


@validate_params(
    {
        "data_home": [str, os.PathLike, None],
        "subset": [StrOptions({"train", "test", "all"})],
        "download_if_missing": ["boolean"],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
        "n_retries": [Interval(Integral, 1, None, closed="left")],
        "delay": [Interval(Real, 0.0, None, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def fetch_imdb(
    *,
    data_home=None,
    subset="train",
    download_if_missing=True,
    return_X_y=False,
    as_frame=True,
    n_retries=3,
    delay=1.0,
):
    """Load the IMDb movie reviews (classification).

    Download them if necessary (84 MB) and cache them as one Parquet file (41 MB).

    =================   ==========
    Classes                      2
    Samples total            50000
    Features                  text
    =================   ==========

    Parameters
    ----------
    data_home : str or path-like, default=None
        Specify a download and cache folder for the datasets. If None, all
        scikit-learn data is stored in '~/scikit_learn_data'. An archive
        `aclImdb_v1.tar.gz` that already exists there is not downloaded again.

    subset : {'train', 'test', 'all'}, default='train'
        Select the reviews to load: 'train' for the training set, 'test' for the
        test set, 'all' for both, in this order.

    download_if_missing : bool, default=True
        If False, raise an OSError if the data is not locally available
        instead of trying to download the data from the source site.

    return_X_y : bool, default=False
        If True, return `(data, target)` instead of a Bunch object.

    as_frame : bool, default=True
        If True, the texts, targets and stars are pandas Series and the Bunch has
        the whole table as `frame`. Otherwise, they are ndarrays.

    n_retries : int, default=3
        Number of retries when HTTP errors are encountered.

    delay : float, default=1.0
        Number of seconds between retries.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes. The rows are sorted
        by their target: shuffle them before taking a subset.

        data : Series or ndarray of str of shape (n_samples,)
            The texts.
        target : Series or ndarray of int of shape (n_samples,)
            0 for a negative, 1 for a positive review.
        target_names : list of str
            The names of the two classes.
        stars : Series or ndarray of int of shape (n_samples,)
            The rating of the reviewer: 1 to 4 or 7 to 10.
        frame : DataFrame of shape (n_samples, 4)
            Text, target, stars and subset; None if `as_frame=False`.
        DESCR : str
            The description of the dataset.

    (data, target) : tuple if ``return_X_y=True``
        The texts and the targets.

    Raises
    ------
    OSError
        If the data is absent and `download_if_missing=False`, if the download fails
        or if the archive has the wrong checksum.
    ValueError
        If the archive holds a path outside its folder, a link, a device, or a file
        larger than any review.

    See Also
    --------
    load_app_reviews : Reviews that come with the package.

    Notes
    -----
    The archive is not unpacked to the disk: its reviews are read one by one.

    Examples
    --------
    >>> from skreviews.datasets import fetch_imdb
    >>> X, y = fetch_imdb(subset="test", return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (25000,)
    """
    data_home = Path(get_data_home(data_home))
    frame = _read_cache(data_home / CACHE_NAME)
    if frame is None:
        if not download_if_missing:
            raise OSError(
                f"IMDb dataset not found in {data_home}; "
                "set download_if_missing=True to download it."
            )
        frame = _download(data_home, n_retries=n_retries, delay=delay)

    if subset != "all":
        frame = frame[frame["subset"] == subset].reset_index(drop=True)
    data, target, stars = frame["text"], frame["target"], frame["stars"]
    if not as_frame:
        frame, data = None, data.to_numpy(dtype=object)
        target, stars = target.to_numpy(), stars.to_numpy()
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=list(TARGET_NAMES),
        stars=stars,
        frame=frame,
        DESCR=DESCR,
    )


def _read_cache(path):
    """Return the cached table, or None if it is absent or broken."""
    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        return None
    except pa.ArrowException as error:
        warnings.warn(f"Ignoring the broken cache {path}: {error}", stacklevel=4)
        return None


def _download(data_home, *, n_retries, delay):
    logger.info("Downloading %s (84 MB)", ARCHIVE_URL)
    archive = fetch_file(
        ARCHIVE_URL,
        folder=data_home,
        local_filename=ARCHIVE_NAME,
        sha256=ARCHIVE_SHA256,
        n_retries=n_retries,
        delay=delay,
    )
    frame = _read_archive(archive)
    write_whole(data_home / CACHE_NAME, partial(frame.to_parquet, index=False))
    archive.unlink(missing_ok=True)
    return frame


def _read_archive(path):
    """Return the sorted reviews of the archive; raise if it holds anything unsafe."""
    rows = []
    n_bytes = 0
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            n_bytes += member.size
            _check_member(member, n_bytes)
            if match := REVIEW_PATH.fullmatch(member.name):
                subset, name, number, stars = match.groups()
                text = archive.extractfile(member).read().decode("utf-8")
                target = TARGET_NAMES.index(name)
                rows.append((text, target, int(stars), subset, int(number)))
    if not rows:
        raise ValueError(f"{path.name} holds no reviews.")
    columns = ["text", "target", "stars", "subset", "number"]
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.sort_values(
        ["subset", "target", "number"], ascending=[False, True, True]
    )
    return frame.drop(columns="number").reset_index(drop=True)


def _check_member(member, n_bytes):
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        raise ValueError(f"{member.name!r} is a path outside the archive's folder.")
    if not (member.isfile() or member.isdir()):
        raise ValueError(f"{member.name!r} is neither a file nor a folder.")
    if REVIEW_PATH.fullmatch(member.name) and member.size > MAX_REVIEW_BYTES:
        raise ValueError(f"{member.name!r} is too large for a review.")
    if n_bytes > MAX_TOTAL_BYTES:
        raise ValueError(f"The archive holds more than {MAX_TOTAL_BYTES} bytes.")
