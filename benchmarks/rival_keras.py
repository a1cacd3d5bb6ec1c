"""The BiLSTM in Keras on TensorFlow, in an environment of its own.

    python -m venv keras && keras/bin/pip install tensorflow-cpu
    export SKREVIEWS_KERAS_PYTHON=$PWD/keras/bin/python

The benchmarks start this script and ask it for seconds. An untimed trial traces the
graphs and finds the fastest variant, which is the rival.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from functools import partial
from itertools import product

import keras
import numpy as np
import tensorflow as tf
from common import median_in_turns, time_call
from keras import layers
from worker import serve

TRIAL_ROWS = 256

rival = {}  # state from `prepare_...` to the timed functions


def prepare_fit(ids, y, n_tokens, n_threads, size):
    """Keep the faster of mask_zero=True and False; return which."""
    use_threads(n_threads)
    ids, y = np.array(ids, dtype=np.int32), np.array(y)
    batch_size = size["batch_size"]

    def fit(mask_zero, rows=slice(None)):
        models[mask_zero].fit(ids[rows], y[rows], batch_size=batch_size, verbose=0)

    models = {mask: make_model(n_tokens, mask, size) for mask in (True, False)}
    # Two steps of a full batch, and one of the shape of the last batch.
    few = slice(2 * batch_size + len(ids) % batch_size)
    fastest = find_fastest({mask: partial(fit, mask, few) for mask in models})
    rival["fit"] = partial(fit, fastest)
    return f"mask_zero={fastest}"


def prepare_predict(train, test, n_threads, size):
    """Learn the vocabulary; keep the fastest variant; return which.

    The weights stay as they were drawn: the speed does not hang on them.
    """
    use_threads(n_threads)
    vectorize = layers.TextVectorization(
        max_tokens=size["n_words"], output_sequence_length=size["max_len"]
    )
    vectorize.adapt(train, batch_size=512)

    def predict(mask_zero, batch_size, texts=test):
        data = tf.data.Dataset.from_tensor_slices(texts).batch(batch_size)
        data = data.map(vectorize, num_parallel_calls=tf.data.AUTOTUNE)
        models[mask_zero].predict(data.prefetch(tf.data.AUTOTUNE), verbose=0)

    models = {mask: make_model(size["n_words"], mask, size) for mask in (True, False)}
    variants = list(product(models, (32, 128)))
    few = test[:TRIAL_ROWS]
    fastest = find_fastest({v: partial(predict, *v, few) for v in variants})
    rival["predict"] = partial(predict, *fastest)
    return "mask_zero={}, batch_size={}".format(*fastest)


def find_fastest(trials):
    """Return the name of the fastest; the first run, which traces, is not timed."""
    cases = {name: partial(time_call, call) for name, call in trials.items()}
    median_in_turns(cases, 1)
    seconds = median_in_turns(cases, 3)
    return min(seconds, key=seconds.get)


def make_model(n_tokens, mask_zero, size):
    model = keras.Sequential(
        [
            keras.Input((size["max_len"],), dtype="int32"),
            layers.Embedding(n_tokens, size["embedding_dim"], mask_zero=mask_zero),
            layers.Bidirectional(layers.LSTM(size["hidden_size"])),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model


def use_threads(n_threads):
    tf.config.threading.set_intra_op_parallelism_threads(n_threads)
    tf.config.threading.set_inter_op_parallelism_threads(n_threads)


if __name__ == "__main__":
    serve(
        f"tensorflow {tf.__version__}, keras {keras.__version__}",
        prepare_fit=prepare_fit,
        prepare_predict=prepare_predict,
        fit=lambda: time_call(rival["fit"]),
        predict=lambda: time_call(rival["predict"]),
    )
