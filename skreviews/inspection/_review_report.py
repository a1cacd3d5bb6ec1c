"""ReviewReport: what evaluate found, for terminal, notebook, page and program."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
import pandas as pd

from skreviews._atomic import save_page
from skreviews.inspection._calibration_display import CalibrationDisplay
from skreviews.inspection._rating_confusion_display import RatingConfusionDisplay
from skreviews.inspection._rating_distribution_display import RatingDistributionDisplay
from skreviews.inspection._shown_labels import show_label
from skreviews.inspection._training_display import TrainingDisplay

# The estimator itself, among the predictors of a report.
MODEL = "this model"


@dataclass(kw_only=True, repr=False, eq=False)
class ReviewReport:
    """What `evaluate` found.

    ``print(report)`` shows it in a terminal, a notebook as tables and plots.

    Parameters
    ----------
    scores : DataFrame
        All scores, as `to_frame` returns them.
    confusion : RatingConfusionDisplay
        Which label is taken for which, not drawn yet.
    distribution : RatingDistributionDisplay
        How often each label is true and predicted, not drawn yet.
    calibration : CalibrationDisplay or None
        Accuracy against confidence, not drawn yet; None without probabilities.
    training : TrainingDisplay or None
        The training of an `LSTMClassifier`, not drawn yet; None of others.
    errors : DataFrame or None
        The errors that the model was surest of: ``row`` in the test part, ``text``,
        ``true`` and ``predicted`` label, ``confidence``. None without probabilities.
    notes : list of str
        What to know before the scores are trusted.
    n_samples : int
        Number of reviews in the test part.
    n_bootstrap : int
        Number of resamples behind each interval.
    n_repeated : int
        Reviews whose text stands in the test part already.
    n_seen : int or None
        Reviews whose text stands in the training data; None if that is not known.

    See Also
    --------
    evaluate : Makes the report.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from skreviews import evaluate
    >>> model = DummyClassifier(strategy="prior").fit(["a", "b", "c"], [5, 5, 1])
    >>> report = evaluate(model, ["Love it", "Crashes"], [5, 1], random_state=0)
    >>> report
    <ReviewReport of 2 reviews: accuracy 0.500 [0.000, 1.000]>
    >>> report.n_repeated
    0
    """

    scores: pd.DataFrame
    confusion: RatingConfusionDisplay
    distribution: RatingDistributionDisplay
    calibration: CalibrationDisplay | None
    training: TrainingDisplay | None
    errors: pd.DataFrame | None
    notes: list
    n_samples: int
    n_bootstrap: int
    n_repeated: int
    n_seen: int | None

    def __repr__(self):
        accuracy = _format(self.scores.iloc[0])  # of the model itself
        return f"<ReviewReport of {self.n_samples:,} reviews: accuracy {accuracy}>"

    def __str__(self):
        parts = [self.summarise()]
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        for title, rows in self.tables().items():
            parts.append(f"{title}\n{_align(rows)}")
        return "\n\n".join(parts)

    def _repr_html_(self):
        from skreviews.inspection._page import make_body

        return make_body(self)

    def to_frame(self):
        """Return all scores.

        Returns
        -------
        frame : DataFrame
            One row for each score: ``section`` of the report, ``group`` in it (a
            predictor, a label, a part of the reviews), its ``n_samples``, the name of
            the ``score``, its ``value``, and the bounds ``low`` and ``high`` of its
            95 % interval.
        """
        return self.scores.copy()

    def to_dict(self):
        """Return all of the report but the plots, as JSON can hold it.

        Returns
        -------
        report : dict
            ``scores`` by section, group and name, ``confusion``, ``calibration``,
            ``errors``, ``notes`` and the numbers of reviews. NaN becomes None, and a
            label that is neither number nor string a string.
        """
        calibration = None if self.calibration is None else self.calibration.frame()
        return {
            "n_samples": self.n_samples,
            "n_bootstrap": self.n_bootstrap,
            "n_repeated": self.n_repeated,
            "n_seen": self.n_seen,
            "notes": list(self.notes),
            "labels": [_to_json(label) for label in self.confusion.labels],
            "scores": _to_records(self.scores),
            "confusion": self.confusion.matrix.tolist(),
            "calibration": _to_records(calibration),
            "errors": _to_records(self.errors),
        }

    def save_html(self, path):
        """Write the report as one page that needs no other file and no network.

        It has no script, and shows the texts of the reviews as they are, their markup
        included. It quotes some of the reviews: mind who may read them.

        Parameters
        ----------
        path : str or path-like
            The file. It is written whole or not at all.

        Raises
        ------
        ValueError
            If its folder is not there.
        """
        from skreviews.inspection._page import make_page

        save_page(path, make_page(self))

    def summarise(self):
        """Return the main result as a sentence or two.

        Returns
        -------
        summary : str
        """
        overall = self.scores[self.scores["section"] == "overall"]
        accuracy = overall[overall["score"] == "accuracy"].set_index("group")
        model = accuracy.loc[MODEL]
        summary = (
            f"The model gives {model['value']:.1%} of {self.n_samples:,} reviews their "
            f"own label (95% interval {model['low']:.1%} to {model['high']:.1%})."
        )
        others = [
            f"{name} {value:.1%}"
            for name, value in accuracy["value"].drop(MODEL).items()
        ]
        if others:
            summary += f" For comparison: {', '.join(others)}."
        return summary

    def tables(self):
        """Return the scores as they are shown: rows of strings, by title.

        Returns
        -------
        tables : dict of str to list of list of str
            The first row of each table is its head.
        """
        tables = {}
        for section, title, names in _SECTIONS:
            part = self.scores[self.scores["section"] == section]
            if len(part):
                make = _tabulate_scores if names is None else _tabulate_groups
                tables[title] = make(part, names)
        return tables


# Sections, their titles, and the scores that head the columns. With None it is the
# groups that do, as their scores are compared.
_SHORT = ["accuracy", "macro_f1", "mean_absolute_error"]
_SECTIONS = [
    ("overall", "Scores", None),
    ("difference", "The model less the simple ones", None),
    ("decision", "The most probable label, or the median", None),
    ("label", "By label", ["precision", "recall", "f1"]),
    ("length", "By length", _SHORT),
    ("unknown words", "By share of unknown words", _SHORT),
    ("seen in training", "By whether training had the same text", _SHORT),
]


def _tabulate_scores(part, _):
    """One row for each score, one column for each group."""
    groups = part["group"].unique()
    cells = {(row.group, row.score): _format(row) for row in part.itertuples()}
    head = ["", *map(show_label, groups)]
    return [head] + [
        [_show_name(name), *(cells.get((group, name), "-") for group in groups)]
        for name in part["score"].unique()
    ]


def _tabulate_groups(part, names):
    """One row for each group, one column for each score."""
    names = [name for name in names if name in set(part["score"])]
    cells = {(row.group, row.score): _format(row) for row in part.itertuples()}
    sizes = dict(zip(part["group"], part["n_samples"], strict=True))
    head = ["", "reviews", *map(_show_name, names)]
    return [head] + [
        [show_label(group), f"{size:,}", *(cells[group, name] for name in names)]
        for group, size in sizes.items()
    ]


def _show_name(name):
    return name.replace("_", " ").replace("f1", "F1")


def _format(row):
    if np.isnan(row.value):
        return "-"
    value, low, high = (_round(x) for x in (row.value, row.low, row.high))
    return value if np.isnan(row.low) else f"{value} [{low}, {high}]"


def _round(number):
    return f"{round(number, 3) + 0.0:.3f}"  # 0.0 is for -0.0, which would show its sign


def _align(rows):
    """Return a table as text: names to the left, the rest to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [c.rjust(w) for c, w in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _to_records(frame):
    if frame is None:
        return None
    return [
        {name: _to_json(value) for name, value in record.items()}
        for record in frame.to_dict("records")
    ]


def _to_json(value):
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return None if np.isnan(value) else float(value)
    return str(value)
