"""Recipe: all automatic choices of LSTMClassifier, made in one place."""

from dataclasses import asdict, dataclass, fields

import numpy as np
import pandas as pd

COOCCURRENCE, PRETRAINED, RANDOM = "cooccurrence", "pretrained", "random"

# A pair of sizes is a range in which choices move from their first value to their
# second; benchmarks/notes/defaults.md has the experiments. Trained embeddings overfit
# below the first number of words and need no regularisation above the second.
_MUCH_TEXT = 150_000, 450_000
# Long texts, in words: an LSTM learns little from few of them without good embeddings.
_LONG_TEXTS = 50, 100
_FEW_LONG_TEXTS = 2_500, 10_000
_BATCH_SAMPLES = 4_000, 8_000
_BATCH_SIZES = 32, 64
_STEPS = 1_000
_FEWEST_EPOCHS = 3, 5
_MOST_EPOCHS = 12, 20
# Data with fewer steps than this in 12 epochs get up to 20 epochs.
_FEWEST_STEPS = 240
_EMBEDDING_DIM, _LEARNED_EMBEDDING_DIM = 100, 200
_EMBEDDING_DROPOUT = 0.3, 0.15
_WORD_DROPOUT = 0.1
# PPMI vectors are three times as large as random ones and need half the perturbation.
_ADVERSARIAL = {COOCCURRENCE: 0.05, PRETRAINED: 0.1, RANDOM: 0.1}
_NGRAM_WEIGHT = 0.5, 0.8
_VALIDATION_FRACTION = 0.1
# From this vocabulary size on, an Adam step over all embeddings takes longer than one
# over those of the batch (200,000 words: 58 ms against 13 ms).
_LARGE_VOCABULARY = 50_000
# Options that the lazy updates of LazyAdam follow. Others, and other optimizers, get
# dense gradients.
_LAZY_OPTIONS = {"optimizer__betas", "optimizer__eps", "optimizer__weight_decay"}


@dataclass(frozen=True)
class Recipe:
    """The settings that a fit has used, with the reason for each.

    Attributes
    ----------
    n_samples : int
        Number of distinct training samples; copies made by a resampler do not count.
    n_words : int
        Number of words in them; punctuation does not count where the ids carry their
        words.
    batch_size : int
        Number of samples in an optimizer step.
    max_epochs : int
        Number of epochs.
    validation_fraction : float or None
        Share of the distinct samples that is held out.
    class_weight : str, dict or None
        Weights of the classes in the loss.
    word_vectors : {'cooccurrence', 'pretrained', 'random'}
        Initial word vectors.
    embedding_dim : int
        Dimension of the word vectors.
    learned_dim : int
        Number of the dimensions that come from co-occurrences; the others are random.
    frozen_epochs : int
        Number of epochs in which the word vectors do not train.
    embedding_dropout : float
        Dropout of whole embedding dimensions.
    word_dropout : float
        Share of the words that become unknown in training.
    adversarial : float
        Norm of the adversarial perturbation, as a share of the embeddings' norm.
    ngram_weight : float
        Weight of the n-gram model in the average of the two models' logits.
    sparse : bool
        Whether the optimizer only updates the embeddings of the batch; on a CPU alone.
    why : dict of str
        The reason for each setting.
    """

    n_samples: int
    n_words: int
    batch_size: int
    max_epochs: int
    validation_fraction: float | None
    class_weight: str | dict | None
    word_vectors: str
    embedding_dim: int
    learned_dim: int
    frozen_epochs: int
    embedding_dropout: float
    word_dropout: float
    adversarial: float
    ngram_weight: float
    sparse: bool
    why: dict

    def to_frame(self):
        """Return the settings.

        Returns
        -------
        frame : DataFrame of shape (n_settings, 3)
            The columns ``name``, ``value`` and ``why``.
        """
        names = [field.name for field in fields(self) if field.name != "why"]
        values = [getattr(self, name) for name in names]
        whys = [self.why[name] for name in names]
        values = pd.Series(values, dtype=object)
        return pd.DataFrame({"name": names, "value": values, "why": whys})

    def to_dict(self):
        """Return the settings and reasons as a dict."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings):
        """Return the recipe of such a dict."""
        return cls(**settings)

    def __str__(self):
        return self.to_frame().to_string(index=False, header=False)


def make_recipe(params, n_samples, n_words, n_tokens, pretrained_dim=None):
    """Choose all settings of a fit from the parameters and the size of the data.

    Every choice is a continuous or finely stepped function of the size, so that 80 % of
    the samples get almost the recipe of all.

    Parameters
    ----------
    params : dict
        Parameters of the `LSTMClassifier`.
    n_samples, n_words : int
        Distinct samples and their words; zeros in a first `partial_fit`, which does
        not know how many will follow.
    n_tokens : int
        Number of token ids.
    pretrained_dim : int or None, default=None
        Dimension of the given word vectors, if there are any.

    Returns
    -------
    recipe : Recipe
    """
    net_params = params["net_params"] or {}
    values, why = {}, {}

    def choose(name, value, reason, given="auto"):
        if not (isinstance(given, str) and given == "auto"):
            value, reason = given, "set by the user"
        values[name], why[name] = value, reason
        return value

    mean_length = n_words / max(1, n_samples)
    is_long = _locate(mean_length, _LONG_TEXTS)
    # From 0, little text, to 1, much text.
    amount = max(_locate(n_words, _MUCH_TEXT), is_long)
    size = f"{n_words:,} words, {mean_length:,.0f} per text"
    choose("n_samples", n_samples, "distinct samples")
    choose("n_words", n_words, "words of the distinct samples")

    low, high = _BATCH_SIZES
    # In proportion to the samples, so that more of them do not train for more epochs.
    exact = low * (high / low) ** _locate(n_samples, _BATCH_SAMPLES)
    batch_size = choose(
        "batch_size",
        2 * round(exact / 2),
        "smaller data need more steps",
        params["batch_size"],
    )
    is_auto = params["batch_size"] == "auto"
    n_batches = max(1.0, n_samples / (exact if is_auto else batch_size))
    epochs, reason = _choose_epochs(n_batches, amount)
    if not n_samples:
        epochs, reason = 1, "partial_fit trains one epoch"
    max_epochs = choose("max_epochs", epochs, reason, params["max_epochs"])
    early = params["early_stopping"]
    choose(
        "validation_fraction",
        _VALIDATION_FRACTION if early else None,
        "for early stopping" if early else "all samples train",
        params["validation_fraction"],
    )
    is_mode = params["decision"] == "mode"
    choose(
        "class_weight",
        "sqrt" if is_mode and n_samples else None,
        "rare classes gain most for the least accuracy"
        if is_mode
        else "the median needs unweighted probabilities",
        params["class_weight"],
    )

    kind = choose("word_vectors", *_choose_kind(params["word_vectors"], n_samples))
    is_learned = kind == COOCCURRENCE
    if kind == PRETRAINED:
        dim = choose("embedding_dim", pretrained_dim, "dimension of the given vectors")
    else:
        dim = choose(
            "embedding_dim",
            _LEARNED_EMBEDDING_DIM if is_learned else _EMBEDDING_DIM,
            f"default of {kind} word vectors",
            params["embedding_dim"],
        )
    choose(
        "learned_dim",
        int(np.ceil(dim * (1 + amount) / 2)) if is_learned else 0,
        f"half of them for little text, all for much: {size}",
    )
    share = amount if is_learned else 0.0
    freeze = params["freeze_embeddings"]
    if isinstance(freeze, bool | np.bool_):
        freeze = max_epochs if freeze else 0
    choose(
        "frozen_epochs",
        round(share * (max_epochs - 1)),
        f"all but the last for much text, none for little: {size}",
        freeze,
    )
    choose(
        "embedding_dropout",
        _interpolate(_EMBEDDING_DROPOUT, share),
        "frozen embeddings overfit less",
        net_params.get("module__embedding_dropout", "auto"),
    )
    choose(
        "word_dropout",
        _WORD_DROPOUT,
        "the unknown word is trained",
        net_params.get("module__word_dropout", "auto"),
    )
    choose(
        "adversarial",
        _interpolate((_ADVERSARIAL[kind], 0.0), amount) if n_samples else 0.0,
        f"regularises where there is little text: {size}"
        if n_samples
        else "one epoch does not overfit",
        net_params.get("adversarial", "auto"),
    )
    few_and_long = is_long * (1 - _locate(n_samples, _FEW_LONG_TEXTS))
    if params["ngrams"] is None:
        choose("ngram_weight", 0.0, "there is no n-gram model")
    else:
        choose(
            "ngram_weight",
            _interpolate(_NGRAM_WEIGHT, few_and_long),
            f"more for few long texts: {n_samples:,} samples of {mean_length:,.0f} "
            "words",
            params["ngram_weight"],
        )
    options = {name for name in net_params if name.startswith("optimizer")}
    choose(
        "sparse",
        n_tokens > _LARGE_VOCABULARY and options <= _LAZY_OPTIONS,
        f"faster above {_LARGE_VOCABULARY:,} words, on a CPU and with LazyAdam",
        net_params.get("module__sparse", "auto"),
    )
    return Recipe(**values, why=why)


def measure(rows, words):
    """Return the number of distinct samples, and the number of words in them.

    Parameters
    ----------
    rows : TokenRows
    words : tuple of str or None
        The vocabulary. Tokens without a letter or digit are not counted. None counts
        all tokens.
    """
    _, first = np.unique(rows.fingerprints(), return_index=True)
    if words is None:
        return len(first), int(rows.lengths[first].sum())
    is_word = [False, True, *(any(map(str.isalnum, word)) for word in words)]
    counted = np.array(is_word)[rows.ids]
    per_row = np.add.reduceat(counted, rows.offsets[:-1], dtype=np.int64)
    return len(first), int(per_row[first].sum())


def _choose_epochs(n_batches, amount):
    fewest = _interpolate(_FEWEST_EPOCHS, amount)
    most = _interpolate(_MOST_EPOCHS, amount)
    most = max(most, min(_MOST_EPOCHS[1], _FEWEST_STEPS / n_batches))
    epochs = int(np.ceil(np.clip(_STEPS / n_batches, fewest, most) - 1e-6))
    return epochs, (
        f"{_STEPS:,} steps of {np.ceil(n_batches):,.0f} an epoch, at least "
        f"{np.ceil(fewest):.0f} and at most {np.ceil(most):.0f} epochs"
    )


def _choose_kind(word_vectors, n_samples):
    if isinstance(word_vectors, str) and word_vectors == "auto":
        if n_samples:
            return COOCCURRENCE, "learned from the training texts"
        return RANDOM, "partial_fit does not know all texts"
    if word_vectors is None:
        return RANDOM, "set by the user"
    if isinstance(word_vectors, str):
        return word_vectors, "set by the user"
    return PRETRAINED, "set by the user"


def _locate(size, ends):
    """Return where a size lies between two ends, on a log scale, in [0, 1]."""
    low, high = ends
    if size <= 0:
        return 0.0
    return float(np.clip(np.log(size / low) / np.log(high / low), 0, 1))


def _interpolate(values, position):
    """Return the value at a position in [0, 1], rounded to three digits."""
    first, second = values
    return round(first + (second - first) * position, 3)
