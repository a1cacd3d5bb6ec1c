"""What the classifier chooses by the size of its training data."""

import numpy as np

COOCCURRENCE = "cooccurrence"
# max_epochs="auto" makes this many steps, in this many epochs at least and at most. The
# second of a pair is for word vectors that are frozen, and so not learned by heart:
# held out by film, IMDb had 0.903 with three and 0.906 with five. Of 1,600 long movie
# reviews the log loss of the LSTM was 0.474 with 12 and 0.450 with 20; of 960 app
# reviews, free to be learned by heart, that of the mean 0.783 with 12, 0.803 with 20.
_AUTO_STEPS = 1000
_FEWEST_EPOCHS = (3, 5)
_MOST_EPOCHS = (12, 20)
# Too few to learn anything by heart: 240 app reviews, eight batches, had 0.930 with 12
# epochs, 0.910 with 20 and 0.981 with 30; 480 had 0.842 with 12, 0.839 with 16 and
# 0.855 with 20.
_FEW_STEPS = 240
# batch_size="auto": small data sets need more steps, not larger ones.
_FEW_ROWS = 5000
_AUTO_BATCH_SIZES = (32, 64)
# From here on the vectors that are learned from the texts stay as they are, and each
# word is read too few times to be learned by heart. On a fold of the app reviews, with
# 420,000 words, the log loss of the LSTM was 0.864 so and 0.866 as with fewer words; on
# one of SST-5, with 130,000, that of the mean of both branches was 1.385 and 1.271.
# Few long texts are taken for many words, too: from 1,000 reviews of IMDb the LSTM
# learned nothing with random vectors and adversarial training (accuracy 0.501), 0.793
# without the latter, and 0.831 with vectors of these texts.
_MANY_WORDS = 300_000
_LONG_TEXTS = 100
# Vectors that are frozen cannot be learned by heart, however long they are: with 200
# numbers instead of 100 the LSTM of IMDb had 0.899, not 0.895, for a third more time.
_EMBEDDING_DIMS = (100, 200)
# As vectors that are frozen cannot be learned by heart, they need to lose less: in each
# of four folds of the app reviews the log loss of the mean was lower with half as much,
# by 0.001 to 0.005, while on IMDb (0.213 and 0.215) and on long movie reviews (0.400
# and 0.396) it hardly moved. TREC, whose vectors are free, had 0.372 and 0.377.
_EMBEDDING_DROPOUTS = (0.3, 0.15)
# Of random vectors, and of those that were learned from these texts, which are three
# times as large: the network can follow a larger move less. With 0.1 the second had a
# log loss of 1.299 on a fold of SST-5, with 0.05 1.271, with 0.025 1.307.
_AUTO_ADVERSARIAL = (0.1, 0.05)
# Weight of the wide branch in the mean. Long texts have few labels for their words if
# there are few of them: a fifth of the weight was enough for the LSTM with 1,280 long
# movie reviews (accuracies 0.867 and, with half of it, 0.834), and no worse than half
# with 500 and 1,500 reviews of IMDb. Elsewhere folds liked 0.4 to 0.6 best.
_NGRAM_WEIGHTS = (0.5, 0.8)


def choose_batch_size(batch_size, n_rows):
    """Return the number of rows in a step."""
    if batch_size != "auto":
        return batch_size
    return _AUTO_BATCH_SIZES[n_rows >= _FEW_ROWS]


def choose_max_epochs(max_epochs, n_batches, n_rows, n_words):
    """Return the number of passes over the rows, at most."""
    if max_epochs != "auto":
        return max_epochs
    n_batches = max(1, n_batches)
    much = _has_much_text(n_rows, n_words)
    most = _MOST_EPOCHS[much]
    if not much:
        most = np.clip(-(-_FEW_STEPS // n_batches), *_MOST_EPOCHS)
    return int(np.clip(-(-_AUTO_STEPS // n_batches), _FEWEST_EPOCHS[much], most))


def choose_word_vectors(word_vectors, pretrained, n_rows):
    """Return where the word vectors come from; None is a random start."""
    if word_vectors != "auto":
        return word_vectors
    # A first `partial_fit` does not know what will come.
    return COOCCURRENCE if pretrained is None and n_rows else None


def choose_embedding_dim(embedding_dim, word_vectors=None):
    """Return the size of the word vectors that do not bring their own."""
    if embedding_dim != "auto":
        return embedding_dim
    return _EMBEDDING_DIMS[word_vectors == COOCCURRENCE]


def choose_embedding_dropout(embedding_dropout, word_vectors, n_rows, n_words):
    """Return the share of the channels of the word vectors that are dropped."""
    if embedding_dropout != "auto":
        return embedding_dropout
    return _EMBEDDING_DROPOUTS[_are_fixed(word_vectors, n_rows, n_words)]


def choose_learned_dim(embedding_dim, n_rows, n_words):
    """Return how many numbers of a word vector are learned from the texts."""
    return embedding_dim if _has_much_text(n_rows, n_words) else -(-embedding_dim // 2)


def choose_freeze(freeze_embeddings, word_vectors, max_epochs, n_rows, n_words):
    """Return for how many epochs the word vectors stay as they start, or True."""
    if freeze_embeddings != "auto":
        return freeze_embeddings
    return max_epochs - 1 if _are_fixed(word_vectors, n_rows, n_words) else 0


def choose_adversarial(adversarial, word_vectors, n_rows, n_words):
    """Return the size of the perturbation in adversarial training."""
    if adversarial != "auto":
        return adversarial
    if _has_much_text(n_rows, n_words):
        return 0.0
    return _AUTO_ADVERSARIAL[word_vectors == COOCCURRENCE]


def choose_ngram_weight(ngram_weight, n_rows, n_words):
    """Return the weight of the wide branch in the mean of both."""
    if ngram_weight != "auto":
        return ngram_weight
    return _NGRAM_WEIGHTS[n_rows < _FEW_ROWS and _has_long_texts(n_rows, n_words)]


def _are_fixed(word_vectors, n_rows, n_words):
    return word_vectors == COOCCURRENCE and _has_much_text(n_rows, n_words)


def _has_much_text(n_rows, n_words):
    return n_words >= _MANY_WORDS or _has_long_texts(n_rows, n_words)


def _has_long_texts(n_rows, n_words):
    return 0 < n_rows <= n_words / _LONG_TEXTS  # a first `partial_fit` knows no rows
