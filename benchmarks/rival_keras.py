"""The BiLSTM in Keras on TensorFlow, in an environment of its own.

    python -m venv keras && keras/bin/pip install tensorflow-cpu
    export SKREVIEWS_KERAS_PYTHON=$PWD/keras/bin/python

The benchmarks start this script and ask it for seconds. A trial that is not counted
traces the graphs and finds the fastest of the variants, which then is the rival.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from common import time_call
from keras import layers
from worker import serve

rival = {}  # what `prepare_...` leaves for the timed functions


def prepare_fit(ids, y, n_tokens, n_threads, size):
    """Keep the faster of mask_zero=True and False; return which."""
    use_threads(n_threads)
    ids, y = np.array(ids, dtype=np.int32), np.array(y)
    batch_size = size["batch_size"]
    # Two steps of a whole batch, and one of the last batch's shape.
    few = slice(2 * batch_size + len(ids) % batch_size)
    seconds = {}
    for mask_zero in (True, False):
        model = make_model(n_tokens, mask_zero, size)

        def fit(rows=slice(None), model=model):
            model.fit(ids[rows], y[rows], batch_size=batch_size, verbose=0)

        fit(few)
        seconds[mask_zero] = min(time_call(fit, few) for _ in range(3)), fit
    mask_zero = min(seconds, key=lambda key: seconds[key][0])
    rival["fit"] = seconds[mask_zero][1]
    return f"mask_zero={mask_zero}"


def prepare_predict(train, test, n_threads, size):
    """Learn the vocabulary; keep the fastest variant; return which.

    The weights stay as they were drawn: the speed does not hang on them.
    """
    use_threads(n_threads)
    vectorize = layers.TextVectorization(
        max_tokens=size["n_words"], output_sequence_length=size["max_len"]
    )
    vectorize.adapt(train, batch_size=512)
    seconds = {}
    for mask_zero in (True, False):
        model = make_model(size["n_words"], mask_zero, size)
        for batch_size in (32, 128):

            def predict(texts=test, model=model, batch_size=batch_size):
                data = tf.data.Dataset.from_tensor_slices(texts).batch(batch_size)
                data = data.map(vectorize, num_parallel_calls=tf.data.AUTOTUNE)
                model.predict(data.prefetch(tf.data.AUTOTUNE), verbose=0)

            few = test[:256]
            predict(few)
            key = f"mask_zero={mask_zero}, batch_size={batch_size}"
            seconds[key] = min(time_call(predict, few) for _ in range(3)), predict
    key = min(seconds, key=lambda key: seconds[key][0])
    rival["predict"] = seconds[key][1]
    return key


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
