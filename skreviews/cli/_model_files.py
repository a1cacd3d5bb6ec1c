"""The door for model files, in and out, shared by the commands."""

import skreviews
from skreviews._atomic import write_whole


def open_model(path, device):
    """Open a model that `train` or `search` has saved.

    Parameters
    ----------
    path : Path
        The file: a ``.skr``, or else one of joblib, which can run code.
    device : str
        Where the LSTM computes.

    Returns
    -------
    pipe : Pipeline
        Fitted; it ends with a `SequenceVectorizer` and a `LSTMClassifier`.

    Raises
    ------
    ValueError
        If it is no such file, or if the device is not there.
    """
    import joblib

    from skreviews.neural_network._runtime import find_device
    from skreviews.pipeline import find_steps

    if not path.is_file():
        raise ValueError(f"the model {path} is not there.")
    find_device(device)  # before the file is read
    if path.suffix == ".skr":
        return skreviews.load(path, device)
    try:
        pipe = joblib.load(path)
        pipe.predict_proba  # noqa: B018 (is it a fitted classifier?)
    except Exception as error:  # a broken pickle can raise anything
        raise ValueError(f"{path} holds no model saved by train ({error}).") from error
    try:
        *_, (lstm, _) = find_steps(pipe)
    except TypeError as error:
        raise ValueError(f"{path}: {error}") from None
    return pipe.set_params(**{f"{lstm}__device": device})


def save_model(pipe, path):
    """Save a fitted pipeline as a ``.skr`` or, by any other name, with joblib."""
    import joblib

    if path.suffix == ".skr":
        skreviews.save(pipe, path)
    else:
        write_whole(path, lambda name: joblib.dump(pipe, name))
