"""model_card: describe a model, its training data, scores and limits in Markdown."""

import html
import re
from datetime import UTC, datetime
from importlib.metadata import version

from sklearn.utils.validation import check_is_fitted

from skreviews.persistence._params import is_training_input
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
- It may be less accurate on texts of another kind, language or time than its training
  data. `drift_report` reports how texts differ.
- Its probabilities may be too high or too low. `evaluate` on your own reviews reports
  how they compare with the share of correct labels.
- It classifies texts, not people. Do not let it decide about people on its own."""


def model_card(pipe, report=None):
    """Write a model card: data, scores with intervals, limits.

    Parameters
    ----------
    pipe : Pipeline
        Fitted. Its last two steps are a `SequenceVectorizer` and an `LSTMClassifier`.
    report : ReviewReport or None, default=None
        Result of `evaluate` on reviews outside the training data. The card quotes its
        scores, intervals and notes, but no review.

    Returns
    -------
    card : str
        Markdown.

    Raises
    ------
    TypeError
        If the last two steps are others.
    NotFittedError
        If the pipeline is not fitted.

    See Also
    --------
    save : Stores the card in the model file.
    evaluate : Computes the report.

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
            f"- {len(vectorizer.vocabulary_):,} words, at most {vectorizer.max_len_} "
            "tokens a text",
        ],
        "Training data": [
            f"- distinct samples: {about['samples']:,}",
            f"- words: {about['words']:,}",
            f"- epochs: {len(classifier.history_)}",
            *(f"- {note}" for note in _list_training_inputs(pipe)),
        ],
        "Recipe": [
            f"- {setting.name}: {_to_line(setting.value)} ({_to_line(setting.why)})"
            for setting in classifier.recipe_.to_frame().itertuples()
        ],
        "Scores": ["Not evaluated: pass the `report` that `evaluate` returns."],
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
    """Return the size of the training data and its classes.

    The date is that of today: a pipeline does not keep the date of `fit`.
    """
    recipe = classifier.recipe_
    return {
        "samples": int(recipe.n_samples),
        "words": int(recipe.n_words),
        "classes": [str(label) for label in classifier.classes_.tolist()],
        "date": datetime.now(UTC).date().isoformat(),
    }


def find_versions():
    """Return the versions of the packages that write and run a model."""
    return {name: version(name) for name in _PACKAGES}


def _list_training_inputs(pipe):
    for name, step in pipe.steps:
        if step is None or isinstance(step, str):
            continue
        for param, value in step.get_params(deep=False).items():
            if is_training_input(param, value):
                yield (
                    f"{_to_line(f'{name}__{param}')} was {_to_line(value)}. A model "
                    "file does not store it: set it again before another fit"
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
    """Return a value as one line, without markup of Markdown or HTML."""
    line = " ".join(str(value).split())
    return html.escape(re.sub(r"([|`*_\[\]\\])", r"\\\1", line), quote=False)
