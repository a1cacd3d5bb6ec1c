"""What a model says of texts, and what is to be said of each text."""

import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.utils.validation import check_is_fitted

from skreviews.decision import decide
from skreviews.io._freed_memory import return_freed_memory
from skreviews.persistence import load
from skreviews.pipeline import find_steps
from skreviews.preprocessing import check_texts
from skreviews.preprocessing._token_ids import FIRST_WORD, PADDING

# A status is the place in this list until it is written.
STATUSES = (
    "ok",
    "empty",
    "missing",
    "all_unknown",
    "too_long_truncated",
    "unreadable",
)
OK, EMPTY, MISSING, ALL_UNKNOWN, TOO_LONG, UNREADABLE = range(len(STATUSES))


def open_model(model, device):
    """Return the fitted pipeline; a file is opened, a pipeline stays as it is."""
    if isinstance(model, (str, os.PathLike)):
        if Path(model).suffix != ".skr":
            raise ValueError(
                f"{model} is no .skr file: open it yourself, if you trust it, and pass "
                "the pipeline."
            )
        return load(model, device=device)
    if device != "auto":
        raise ValueError(
            f"device={device!r} is for a model that is given as a file: set the device "
            "of the pipeline's classifier."
        )
    find_steps(model)  # or else TypeError
    check_is_fitted(model)
    return model


class Scorer:
    """The steps of a fitted pipeline, for batches of texts of which some are broken.

    Parameters
    ----------
    pipe : Pipeline
    """

    def __init__(self, pipe):
        *cleaning, (_, self.vectorizer), (_, self.classifier) = find_steps(pipe)
        self.cleaning = [step for _, step in cleaning]
        self.classes = self.classifier.classes_
        self.decide(np.zeros((0, len(self.classes))))  # can it?

    def decide(self, probabilities):
        """Return the labels, as the classifier's `predict` does."""
        return decide(probabilities, self.classes, self.classifier.decision)

    def score(self, texts):
        """Return what there is to say about the texts.

        Parameters
        ----------
        texts : pyarrow.StringArray of shape (n_samples,)
            Null where one is missing.

        Returns
        -------
        codes : ndarray of int8 of shape (n_samples,)
            Places in `STATUSES`.
        probabilities : ndarray of float32 of shape (n_samples, n_classes)
            NaN in rows without a text.
        reasons : dict
            Number of a row that the pipeline refuses -> why.
        """
        codes = np.zeros(len(texts), np.int8)
        probabilities = np.full((len(texts), len(self.classes)), np.nan, np.float32)
        is_blank = pc.equal(pc.utf8_trim_whitespace(texts), "").fill_null(False)
        codes[is_blank.to_numpy(zero_copy_only=False)] = EMPTY
        codes[texts.is_null().to_numpy(zero_copy_only=False)] = MISSING
        rows = np.flatnonzero(codes == OK)
        errors = {}
        self._score_parts(texts, rows, codes, probabilities, errors)
        return_freed_memory()
        if errors and len(errors) == len(rows):
            raise next(iter(errors.values()))  # the fault is not that of single texts
        reasons = {
            row: f"{type(error).__name__}: {error}" for row, error in errors.items()
        }
        return codes, probabilities, reasons

    def fingerprint(self):
        """Return a number of what the predictions depend on, str."""
        digest = hashlib.sha256()
        steps = [*self.cleaning, self.vectorizer]
        about = [step.get_params() for step in steps]
        about += [self.classes.tolist(), self.classifier.decision]
        about += [self.vectorizer.max_len_, self.vectorizer._words]
        about += [self.classifier.net_.get_params_for("module")]
        # Where an object lies in memory changes from one process to the next.
        digest.update(re.sub(r" at 0x[0-9a-f]+", "", repr(about)).encode())
        for name, weight in self.classifier.net_.module_.state_dict().items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(weight.cpu().numpy()))
        return digest.hexdigest()

    def _score_parts(self, texts, rows, codes, probabilities, errors):
        """Score the rows, or both halves of them, so that one row fails alone."""
        if not len(rows):
            return
        try:
            found = self._score_all(texts.take(pa.array(rows)))
        except Exception as error:  # of a tokenizer of the user's, say
            if len(rows) == 1:
                codes[rows], errors[int(rows[0])] = UNREADABLE, error
                return
            for part in np.array_split(rows, 2):
                self._score_parts(texts, part, codes, probabilities, errors)
        else:
            codes[rows], probabilities[rows] = found

    def _score_all(self, texts):
        # What a step has freed is returned before the next: or in one of the many
        # batches of a long run it adds up to a peak that a short run does not have.
        for step in self.cleaning:
            texts = step.transform(texts)
            return_freed_memory()
        texts = check_texts(texts)
        ids = self.vectorizer.transform(texts)
        return_freed_memory()
        probabilities = self.classifier.predict_proba(ids)
        codes = np.zeros(len(texts), np.int8)
        ids = np.asarray(ids)
        full = np.flatnonzero((ids != PADDING).all(axis=1))
        if len(full):
            _, offsets, _ = self.vectorizer._split(texts.take(pa.array(full)))
            codes[full[np.diff(offsets) > self.vectorizer.max_len_]] = TOO_LONG
        codes[(ids < FIRST_WORD).all(axis=1)] = ALL_UNKNOWN
        return codes, probabilities
