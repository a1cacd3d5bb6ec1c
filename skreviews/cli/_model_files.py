"""Read and write model files."""

import skreviews
from skreviews._atomic import write_whole


def open_model(path, device):
    """Open a model saved by `train` or `search`.

    Parameters
    ----------
    path : Path
        A ``.skr`` file or a joblib file, which can run code.
    device : str
        Device of the LSTM.

    Returns
    -------
    pipe : Pipeline
        Fitted, with a `SequenceVectorizer` and an `LSTMClassifier` as its last steps.

    Raises
    ------
    ValueError
        If the file is not such a model, or if the device is not available.
    """
    import joblib

    from skreviews.neural_network._runtime import find_device
    from skreviews.pipeline import find_steps

    if not path.is_file():
        raise ValueError(f"the model {path} does not exist.")
    find_device(device)  # before the file is read
    if path.suffix == ".skr":
        return skreviews.load(path, device)
    try:
        pipe = joblib.load(path)
        pipe.predict_proba  # noqa: B018 (raises if it is not a fitted classifier)
    except Exception as error:  # a damaged pickle can raise any error
        raise ValueError(f"{path} is not a model saved by train ({error}).") from error
    try:
        *_, (lstm, _) = find_steps(pipe)
    except TypeError as error:
        raise ValueError(f"{path}: {error}") from None
    return pipe.set_params(**{f"{lstm}__device": device})


def save_model(pipe, path):
    """Save a fitted pipeline as a ``.skr`` file or, by any other name, with joblib."""
    import joblib

    if path.suffix == ".skr":
        skreviews.save(pipe, path)
    else:
        write_whole(path, lambda name: joblib.dump(pipe, name))


def save_page(result, page, quiet):
    """Save a report or an explanation as an HTML page, if there is a path."""
    if page is not None:
        result.save_html(page)
        if not quiet:
            print(f"\nSaved the page as {page}.")
