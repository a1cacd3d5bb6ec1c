"""What the classifier chooses by the size of its training data."""

import numpy as np

COOCCURRENCE = "cooccurrence"
# max_epochs="auto" makes this many steps, in this many epochs at least and at most.
# With many words it takes five, for frozen word vectors are not learned by heart: held
# out by film, IMDb had 0.903 with three and 0.906 with five.
_AUTO_STEPS = 1000
_FEWEST_EPOCHS = (3, 5)
_MOST_EPOCHS = 20
# batch_size="auto": small data sets need more steps, not larger ones.
_FEW_ROWS = 5000
_AUTO_BATCH_SIZES = (32, 64)
# From here on each word is read too few times to be learned by heart: with 0.05 in
# three epochs the LSTM fell from 0.897 to 0.870 on a fold of IMDb (4 million words).
_MANY_WORDS = 1_000_000
# With 0.05 folds of four sets of 10,000 to 400,000 words gained 0.002 to 0.019 of
# accuracy; 0.1, with word dropout of 0.1, added 0.003 to 0.031 on three of them.
_AUTO_ADVERSARIAL = 0.1
# In rates of the LSTM; the second from many words on. On IMDb, held out by film, the
# wide branch alone reached 0.881 with 2.5 and 0.886 with 0.75 (0.891 where repetitions
# count once). Short texts need the higher one: TREC had 0.860 and 0.850 with 2.5 and
# 1.25 times the same rate.
_WIDE_RATES = (2.5, 0.75)


def choose_batch_size(batch_size, n_rows):
    """Return the number of rows in a step."""
    if batch_size != "auto":
        return batch_size
    return _AUTO_BATCH_SIZES[n_rows >= _FEW_ROWS]


def choose_max_epochs(max_epochs, n_batches, n_words):
    """Return the number of passes over the rows, at most."""
    if max_epochs != "auto":
        return max_epochs
    fewest = _FEWEST_EPOCHS[n_words >= _MANY_WORDS]
    return int(np.clip(-(-_AUTO_STEPS // max(1, n_batches)), fewest, _MOST_EPOCHS))


def choose_word_vectors(word_vectors, n_words, pretrained):
    """Return where the word vectors come from; None is a random start."""
    if word_vectors != "auto":
        return word_vectors
    return COOCCURRENCE if n_words >= _MANY_WORDS and pretrained is None else None


def choose_freeze(freeze_embeddings, word_vectors, max_epochs):
    """Return for how many epochs the word vectors stay as they start, or True."""
    if freeze_embeddings != "auto":
        return freeze_embeddings
    return max_epochs - 1 if word_vectors == COOCCURRENCE else 0


def choose_adversarial(adversarial, n_words):
    """Return the size of the perturbation in adversarial training."""
    if adversarial != "auto":
        return adversarial
    return _AUTO_ADVERSARIAL if n_words < _MANY_WORDS else 0.0


def choose_wide_rate(n_words):
    """Return the learning rate of the wide branch, as a multiple of the LSTM's."""
    return _WIDE_RATES[n_words >= _MANY_WORDS]
