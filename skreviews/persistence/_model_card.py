"""model_card: what a model is, where it comes from, and how far it goes."""

import html
import re
from datetime import UTC, datetime
from importlib.metadata import version

from sklearn.utils.validation import check_is_fitted

from skreviews.persistence._params import is_start
from skreviews.pipeline import find_steps

_PACKAGES = (
    "skreviews",
    "torch",
    "numpy",
    "scikit-learn",
    "imbalanced-learn",
    "skorch",
    "pyarrow",
    "nltk",
    "safetensors",
)
_LIMITS = """\
- It knows what the texts it was trained on say: those of another kind, of another
  language or of a later time may fare worse. `drift_report` tells how they differ.
- A probability is no certainty: `evaluate` with reviews of your own tells how often the
  model is as right as it is sure.
- It judges texts, not people; do not let it decide about persons alone."""


def model_card(pipe, report=None):
    """Write a card for a model: data, scores with intervals, limits.

    Parameters
    ----------
    pipe : Pipeline
        Fitted; a `SequenceVectorizer` and a `LSTMClassifier` come last.
    report : ReviewReport or None, default=None
        What `evaluate` has found on reviews that the model was not trained on. It is
        quoted with its intervals and notes, but without any review.

    Returns
    -------
    card : str
        Markdown.

    Raises
    ------
    TypeError
        If it is no such pipeline.
    NotFittedError
        If it is not fitted.

    See Also
    --------
    save : Puts the card into the model file.
    evaluate : Makes the report.

    Examples
    --------
    >>> from skreviews import make_review_pipeline, make_reviews, model_card
    >>> pipe = make_review_pipeline(lstm__hidden_size=4, lstm__max_epochs=1)
    >>> print(model_card(pipe.fit(*make_reviews(50, random_state=0))))
    # Model card
    <BLANKLINE>
    A classifier of texts with the labels 1, 2, 3, 4, 5.
    ...
    """
    *_, (_, vectorizer), (_, classifier) = find_steps(pipe)
    check_is_fitted(pipe)
    about = describe_training(classifier)
    sections = {
        "Model": [
            *(f"- {_to_line(name)}: {_to_line(step)}" for name, step in pipe.steps),
            f"- {len(vectorizer.vocabulary_):,} words, rows of {vectorizer.max_len_} "
            "tokens",
        ],
        "Training data": [
            f"- rows, after any resampling: {about['rows']:,}",
            f"- words: {about['words']:,}",
            f"- epochs: {len(classifier.history_)}",
            *(f"- {note}" for note in _list_starts(pipe)),
        ],
        "Scores": ["Not judged: pass the `report` that `evaluate` returns."],
        "Limits": [_LIMITS],
        "Made with": [f"- {name} {number}" for name, number in find_versions().items()],
    }
    if report is not None:
        sections["Scores"] = list(_show_report(report))
    labels = ", ".join(_to_line(label) for label in classifier.classes_.tolist())
    card = f"# Model card\n\nA classifier of texts with the labels {labels}.\n"
    card += f"This card was written on {about['date']}.\n"
    for title, lines in sections.items():
        card += f"\n## {title}\n\n" + "\n".join(lines) + "\n"
    return card


def describe_training(classifier):
    """Return what a fitted classifier knows of its training data.

    The day is today: it is not kept when a pipeline is fitted.
    """
    n_rows, n_words = classifier._size
    return {
        "rows": int(n_rows),
        "words": int(n_words),
        "classes": [str(label) for label in classifier.classes_.tolist()],
        "date": datetime.now(UTC).date().isoformat(),
    }


def find_versions():
    """Return the versions of the packages that a model is made with."""
    return {name: version(name) for name in _PACKAGES}


def _list_starts(pipe):
    for name, step in pipe.steps:
        if step is None or isinstance(step, str):
            continue
        for param, value in step.get_params(deep=False).items():
            if is_start(param, value):
                yield (
                    f"{_to_line(f'{name}__{param}')} was {_to_line(value)}; a model "
                    "file does not keep it: set it again to fit anew"
                )


def _show_report(report):
    yield f"{report.n_samples:,} reviews, with 95 % intervals.\n"
    for title, (head, *rows) in report.tables().items():
        yield f"### {title}\n"
        yield _to_row(head)
        yield "|" + "---|" * len(head)
        yield from map(_to_row, rows)
        yield ""
    yield from (f"- {_to_line(note)}" for note in report.notes)


def _to_row(cells):
    return "| " + " | ".join(map(_to_line, cells)) + " |"


def _to_line(value):
    """Return a value as one line that is no markup of Markdown nor of HTML."""
    line = " ".join(str(value).split())
    return html.escape(re.sub(r"([|`*_\[\]\\])", r"\\\1", line), quote=False)
