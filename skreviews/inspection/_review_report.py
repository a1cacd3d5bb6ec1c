"""ReviewReport: the result of evaluate, for terminal, notebook, page and program."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skreviews._atomic import save_page
from skreviews._labels import show_label
from skreviews.inspection._calibration_display import CalibrationDisplay
from skreviews.inspection._pages import draw, render, render_page
from skreviews.inspection._rating_confusion_display import RatingConfusionDisplay
from skreviews.inspection._rating_distribution_display import RatingDistributionDisplay
from skreviews.inspection._training_display import TrainingDisplay

# The name of the evaluated estimator among the predictors.
MODEL = "this model"

_SHORT = ["accuracy", "macro_f1", "mean_absolute_error"]
# Sections, their titles, and the scores in the columns. None puts the scores in the
# rows and the groups, which are compared, in the columns.
_SECTIONS = [
    ("overall", "Scores", None),
    ("difference", "Difference to baselines", None),
    ("decision", "Mode and median of the probabilities", None),
    ("label", "Scores by label", ["precision", "recall", "f1"]),
    ("length", "Scores by length", _SHORT),
    ("OOV words", "Scores by share of OOV words", _SHORT),
    ("seen in training", "Scores by presence in the training data", _SHORT),
]


@dataclass(kw_only=True, repr=False, eq=False)
class ReviewReport:
    """Result of `evaluate`.

    ``print(report)`` prints it, and a notebook shows it with tables and plots.

    Parameters
    ----------
    scores : DataFrame
        All scores, as returned by `to_frame`.
    confusion : RatingConfusionDisplay
        Confusion matrix, not drawn yet.
    distribution : RatingDistributionDisplay
        True and predicted labels, not drawn yet.
    calibration : CalibrationDisplay or None
        Accuracy against confidence, not drawn yet. None without probabilities.
    training : TrainingDisplay or None
        Training of an `LSTMClassifier`, not drawn yet. None for other classifiers.
    recipe : DataFrame or None
        Settings of an `LSTMClassifier`: ``name``, ``value`` and ``why``. None for other
        classifiers.
    errors : DataFrame or None
        The most confident errors: ``row`` in the test data, ``text``, ``true`` and
        ``predicted`` label, ``confidence``. None without probabilities.
    notes : list of str
        Warnings about the data.
    n_samples : int
        Number of reviews in the test data.
    n_bootstrap : int
        Number of bootstrap samples of each interval.
    n_repeated : int
        Number of reviews that repeat another review of the test data.
    n_seen : int or None
        Number of reviews whose text is in the training data. None without training
        data.

    See Also
    --------
    evaluate : Creates the report.

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
    recipe: pd.DataFrame | None
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
        names = list(map(show_label, self.confusion.labels))
        rows = [
            [name, *(f"{count:,}" for count in counts)]
            for name, counts in zip(names, self.confusion.matrix, strict=True)
        ]
        title = "Confusion matrix (rows: true, columns: predicted)"
        return "\n\n".join([*parts, f"{title}\n{_align([['', *names], *rows])}"])

    def _repr_html_(self):
        return render("report.html", **self._page_content())

    def to_frame(self):
        """Return all scores.

        Returns
        -------
        frame : DataFrame
            One row for each score: ``section`` of the report, ``group`` in the section
            (a predictor, a label, a part of the reviews), ``n_samples`` of the group,
            name of the ``score``, its ``value``, and the bounds ``low`` and ``high`` of
            its 95 % interval.
        """
        return self.scores.copy()

    def to_dict(self):
        """Return the report without its plots, as types that JSON supports.

        Returns
        -------
        report : dict
            ``scores`` by section, group and name, ``confusion``, ``calibration``,
            ``recipe``, ``errors``, ``notes`` and the numbers of reviews. NaN becomes
            None. Labels that are neither numbers nor strings become strings.
        """
        calibration = None if self.calibration is None else self.calibration.frame()
        return {
            "n_samples": self.n_samples,
            "n_bootstrap": self.n_bootstrap,
            "n_repeated": self.n_repeated,
            "n_seen": self.n_seen,
            "notes": list(self.notes),
            "labels": _to_json(pd.Series(self.confusion.labels)),
            "scores": _to_json(self.scores),
            "confusion": self.confusion.matrix.tolist(),
            "calibration": _to_json(calibration),
            "recipe": _to_json(self.recipe),
            "errors": _to_json(self.errors),
        }

    def save_html(self, path):
        """Write the report as one HTML page without scripts or external resources.

        The page quotes reviews, with their markup escaped.

        Parameters
        ----------
        path : str or path-like
            The file, which is written atomically.

        Raises
        ------
        ValueError
            If its folder does not exist.
        """
        title = f"Report on {self.n_samples:,} reviews"
        save_page(path, render_page("report.html", title, **self._page_content()))

    def summarise(self):
        """Return the main result as one or two sentences.

        Returns
        -------
        summary : str
        """
        is_accuracy = self.scores[["section", "score"]].eq(["overall", "accuracy"])
        accuracy = self.scores[is_accuracy.all(axis=1)].set_index("group")
        model = accuracy.loc[MODEL]
        summary = (
            f"The accuracy on {self.n_samples:,} reviews is {model['value']:.1%} "
            f"(95% interval {model['low']:.1%} to {model['high']:.1%})."
        )
        others = [
            f"{name} {value:.1%}"
            for name, value in accuracy["value"].drop(MODEL).items()
        ]
        return f"{summary} Baselines: {', '.join(others)}." if others else summary

    def tables(self):
        """Return the scores as formatted tables.

        Returns
        -------
        tables : dict of str to list of list of str
            Rows of strings by the title of the table. The first row is the header.
        """
        tables = {}
        for section, title, names in _SECTIONS:
            part = self.scores[self.scores["section"] == section]
            if len(part):
                cells = {
                    (row.group, row.score): _format(row) for row in part.itertuples()
                }
                tables[title] = _tabulate(part, names, cells)
        return tables

    def _page_content(self):
        displays = {
            "Confusion matrix": self.confusion,
            "Label distribution": self.distribution,
            "Calibration": self.calibration,
            "Training": self.training,
        }
        plots = {title: draw(plot) for title, plot in displays.items() if plot}
        return {"report": self, "plots": plots}


def _tabulate(part, names, cells):
    if names is None:
        groups = part["group"].unique()
        return [["", *map(show_label, groups)]] + [
            [_show_name(name), *(cells.get((group, name), "-") for group in groups)]
            for name in part["score"].unique()
        ]
    names = [name for name in names if name in set(part["score"])]
    sizes = part.groupby("group", sort=False)["n_samples"].first()
    return [["", "reviews", *map(_show_name, names)]] + [
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
    return f"{round(number, 3) + 0.0:.3f}"  # adding 0.0 turns -0.0 into 0.0


def _align(rows):
    """Return a table as text: the first column left, the others right aligned."""
    (_, *head), *body = rows
    names, cells = [row[0] for row in body], [row[1:] for row in body]
    return pd.DataFrame(cells, names, head).to_string()


def _to_json(frame):
    """Return a DataFrame or Series as a list of what JSON supports."""
    if frame is None:
        return None
    options = {"orient": "records", "double_precision": 15, "default_handler": str}
    return json.loads(frame.to_json(**options))
