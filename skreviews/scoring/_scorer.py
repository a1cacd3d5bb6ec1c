"""Scorer: the statuses and probabilities of texts."""

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

# A status is a position in this tuple until it is written.
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
    """Return a fitted pipeline; a file is loaded."""
    if isinstance(model, (str, os.PathLike)):
        if Path(model).suffix != ".skr":
            raise ValueError(
                f"{model} is not a .skr file. If you trust it, load it yourself and "
                "pass the pipeline."
            )
        return load(model, device=device)
    if device != "auto":
        raise ValueError(
            f"device={device!r} applies to a model file only: set the device of the "
            "pipeline's classifier."
        )
    find_steps(model)  # raises TypeError for other estimators
    check_is_fitted(model)
    return model


class Scorer:
    """The steps of a fitted pipeline, applied to batches with some broken texts.

    Parameters
    ----------
    pipe : Pipeline
    """

    def __init__(self, pipe):
        *cleaning, (_, self.vectorizer), (_, self.classifier) = find_steps(pipe)
        self.cleaning = [step for _, step in cleaning]
        self.classes = self.classifier.classes_
        self.decide(np.zeros((0, len(self.classes))))  # raises if it is impossible

    def decide(self, probabilities):
        """Return the labels, as `predict` of the classifier does."""
        return decide(probabilities, self.classes, self.classifier.decision)

    def score(self, texts):
        """Return the status and the probabilities of each text.

        Parameters
        ----------
        texts : pyarrow.StringArray of shape (n_samples,)
            Null where a text is missing.

        Returns
        -------
        codes : ndarray of int8 of shape (n_samples,)
            Positions in `STATUSES`.
        probabilities : ndarray of float32 of shape (n_samples, n_classes)
            NaN where no text is scored.
        reasons : dict of int to str
            Why the pipeline refuses texts, by their position.
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
            raise next(iter(errors.values()))  # the model fails, not single texts
        reasons = {
            row: f"{type(error).__name__}: {error}" for row, error in errors.items()
        }
        return codes, probabilities, reasons

    def fingerprint(self):
        """Return a hash of all that the predictions depend on, str."""
        classifier = self.classifier
        ngrams = getattr(classifier, "ngrams_", None)
        recipe = getattr(classifier, "recipe_", None)
        about = [step.get_params() for step in [*self.cleaning, self.vectorizer]]
        about += [self.vectorizer.max_len_, sorted(self.vectorizer.vocabulary_.items())]
        about += [self.classes.tolist(), classifier.decision]
        about += [classifier.net_.get_params_for("module")]
        about += [getattr(recipe, "ngram_weight", None), ngrams and ngrams.get_params()]
        digest = hashlib.sha256()
        # The addresses of objects change from one process to the next.
        digest.update(re.sub(r" at 0x[0-9a-f]+", "", repr(about)).encode())
        arrays = {
            name: weight.cpu().numpy()
            for name, weight in classifier.net_.module_.state_dict().items()
        }
        if ngrams is not None:
            arrays |= {"weights": ngrams.weights_, "intercept": ngrams.intercept_}
        for name, array in arrays.items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()

    def _score_parts(self, texts, rows, codes, probabilities, errors):
        """Score the rows; on an error each half of them, until one row fails alone."""
        if not len(rows):
            return
        try:
            found = self._score_all(texts.take(pa.array(rows)))
        except Exception as error:  # such as one of a user's tokenizer
            if len(rows) == 1:
                codes[rows], errors[int(rows[0])] = UNREADABLE, error
                return
            for part in np.array_split(rows, 2):
                self._score_parts(texts, part, codes, probabilities, errors)
        else:
            codes[rows], probabilities[rows] = found

    def _score_all(self, texts):
        # Memory is returned after each step, or the peak grows with the run.
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
