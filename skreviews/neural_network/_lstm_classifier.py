"""LSTMClassifier: an LSTM as a scikit-learn classifier."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context, clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import validate_data

from skreviews._class_weight import weigh_samples
from skreviews._labels import encode_known_labels
from skreviews._splits import hold_out
from skreviews.decision import DECISIONS, check_order, decide
from skreviews.neural_network._batches import TokenDataset
from skreviews.neural_network._embedding_start import (
    check_word_vectors,
    copy_weights,
    initialize_net,
)
from skreviews.neural_network._net_builder import (
    build_net,
    check_net_params,
    make_history,
    make_module_params,
    pack_net,
    unpack_net,
)
from skreviews.neural_network._precision import find_precision
from skreviews.neural_network._recipe import make_recipe, measure
from skreviews.neural_network._runtime import (
    find_device,
    flushed_denormals,
    seeded,
    training_settings,
)
from skreviews.preprocessing._token_classifier import TokenClassifier
from skreviews.preprocessing._token_ids import TokenIds, words_of
from skreviews.preprocessing._token_rows import (
    TokenRows,
    arrange_rows,
    check_all_classes,
    check_same_classes,
    check_same_words,
    check_training_data,
    count_tokens,
)


class LSTMClassifier(TokenClassifier):
    """Classify rows of token ids with an LSTM or GRU.

    A skorch net (`net_`) around an `LSTMModule`. With `ngrams` its decision function is
    averaged with that of an n-gram model, which is more accurate than either [1]_.
    Parameters that are 'auto' follow the size of the data, and stand in `recipe_`
    with their reasons. The fit does not depend on the order of the samples.

    Parameters
    ----------
    embedding_dim : 'auto' or int, default='auto'
        Dimension of the word vectors. 'auto' is 200 for vectors learned from the
        training texts, else 100. Given vectors have their own.
    hidden_size : int, default=64
        Dimension of the hidden state of each direction.
    num_layers : int, default=1
        Number of stacked recurrent layers.
    bidirectional : bool, default=True
        Whether a second LSTM processes each row from its end.
    cell : {'lstm', 'gru'}, default='lstm'
        Recurrent cell.
    pooling : {'last', 'mean', 'max', 'mean_max', 'attention'}, default='max'
        How the states of a row become one vector; see `LSTMModule`.
    dropout : float in [0, 1), default=0.5
        Dropout between the layers and before the head.
    max_len : int or None, default=400
        Maximum number of tokens that the LSTM processes. Longer rows keep the first
        quarter of it from their head and the rest from their tail, as in
        `SequenceVectorizer`. The n-gram model gets whole rows.
    word_vectors : 'auto', 'cooccurrence', WordVectors, dict, gensim KeyedVectors or \
            None, default='auto'
        Initial word vectors. 'cooccurrence' learns them from the training texts by
        PPMI and a truncated SVD [2]_. Given vectors need ids that carry their words, as
        those of a `SequenceVectorizer` do. None draws random ones. 'auto' is
        'cooccurrence', or None in a first `partial_fit`.
    freeze_embeddings : 'auto', bool or int, default='auto'
        Number of first epochs in which the word vectors do not train; True is all of
        them. 'auto' freezes vectors learned from much text in all epochs but the last.
    ngrams : NgramClassifier or None, default=None
        The n-gram model; a clone of it is fitted to the same samples and weights.
    ngram_weight : 'auto' or float in [0, 1], default='auto'
        Weight of the n-gram model in the average. 'auto' is 0.5, and up to 0.8 for few
        long texts.
    decision : {'mode', 'median'}, default='mode'
        Which label `predict` returns: the most probable one, or the median of ordered
        labels, which minimises the expected absolute error. It can be set after `fit`.
    class_weight : 'balanced', 'sqrt', 'auto', dict of {label: weight} or None, \
            default=None
        Weights of the classes in the loss. 'balanced' is inversely proportional to the
        class sizes, 'sqrt' to their square roots. 'auto' is 'sqrt' for
        ``decision="mode"``, else None.
    max_epochs : 'auto' or int, default='auto'
        Number of epochs. 'auto' makes 1,000 steps in 3 to 20 epochs.
    batch_size : 'auto' or int, default='auto'
        Number of samples in an optimizer step. 'auto' is 32 to 64.
    lr : float, default=4e-3
        Peak learning rate of Adam. It rises linearly for a fifth of the steps, at most
        one epoch, and then falls linearly to zero. `partial_fit` keeps it constant.
    weight_decay : float, default=0.0
        L2 penalty of the optimizer.
    validation_fraction : 'auto', float in (0, 1) or None, default='auto'
        Share of the distinct samples of each class that is held out, to record their
        loss and accuracy in `history_`. 'auto' is 0.1 with early stopping, else None.
    early_stopping : bool, default=False
        Whether to stop when the held-out accuracy has not risen for `n_iter_no_change`
        epochs, and to restore the weights of the best epoch.
    n_iter_no_change : int, default=10
        Patience of early stopping, in epochs.
    callbacks : list of skorch callbacks or None, default=None
        Further callbacks of the net. They see labels as codes, the positions in
        `classes_`. Unfitted copies of them are used.
    net_params : dict or None, default=None
        Further arguments of the skorch net, such as ``{"optimizer__amsgrad": True}``,
        ``{"module__word_dropout": 0.2}``, ``{"module__embedding_dropout": 0.1}``,
        ``{"criterion__label_smoothing": 0.1}`` or ``{"adversarial": 0.0}``.
    device : str, default='auto'
        'cpu', 'cuda', 'cuda:0' or 'mps'. 'auto' is CUDA if available, then MPS, then
        the CPU. A model trained on a device that another machine lacks predicts on the
        CPU there, with a warning.
    precision : {'auto', 'fp32', 'bf16'}, default='auto'
        Number format of the computation. 'auto' trains in bf16 where a short trial is
        faster than fp32, and predicts in fp32. 'bf16' predicts in bf16 too, and changes
        probabilities by up to 0.02.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the last one.
    random_state : int, RandomState instance or None, default=None
        Seed of weights, dropout, held-out samples and batches. The same int gives the
        same model on the same machine with the same number of threads. torch's global
        generators are restored.
    verbose : int, default=0
        1 prints a line for each epoch and, on a terminal or in a notebook, shows a
        progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The sorted labels.
    net_ : skorch.NeuralNetClassifier
        The fitted net. Its labels are codes.
    ngrams_ : NgramClassifier or None
        The fitted n-gram model.
    recipe_ : Recipe
        All automatic choices with their reasons; ``recipe_.to_frame()`` lists them.
    history_ : DataFrame
        One row for each epoch of the LSTM: ``epoch``, ``train_loss``,
        ``train_accuracy`` and, with held-out samples, ``valid_loss`` and
        ``valid_accuracy``; ``padding_share`` of the training batches; ``dur`` in
        seconds. The n-gram model is not part of it.
    n_features_in_ : int
        Length of the rows.
    n_tokens_ : int
        Number of token ids. Larger ids count as unknown.

    See Also
    --------
    make_review_pipeline : The pipeline from raw texts to labels.
    SequenceVectorizer : Makes the token ids.
    NgramClassifier : The n-gram model.

    References
    ----------
    .. [1] H.-T. Cheng et al., "Wide & deep learning for recommender systems", DLRS
       2016.
    .. [2] O. Levy, Y. Goldberg, I. Dagan, "Improving distributional similarity with
       lessons learned from word embeddings", TACL 3, 2015.

    Examples
    --------
    >>> from skreviews import LSTMClassifier
    >>> X = [[2, 3, 0], [4, 5, 3], [2, 5, 0], [4, 2, 0]] * 10
    >>> y = ["short", "long", "short", "long"] * 10
    >>> classifier = LSTMClassifier(hidden_size=8, lr=0.05, random_state=0)
    >>> classifier.fit(X, y).predict([[2, 3, 5], [4, 4, 4]])
    array(['short', 'long'], dtype='<U5')
    """

    _parameter_constraints: dict = {
        "embedding_dim": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "hidden_size": [Interval(Integral, 1, None, closed="left")],
        "num_layers": [Interval(Integral, 1, None, closed="left")],
        "bidirectional": ["boolean"],
        "cell": [StrOptions({"lstm", "gru"})],
        "pooling": [StrOptions({"last", "mean", "max", "mean_max", "attention"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "max_len": [Interval(Integral, 1, None, closed="left"), None],
        "word_vectors": "no_validation",
        "freeze_embeddings": [
            StrOptions({"auto"}),
            "boolean",
            Interval(Integral, 0, None, closed="left"),
        ],
        "ngrams": [HasMethods(["fit", "decision_function"]), None],
        "ngram_weight": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "decision": [StrOptions(set(DECISIONS))],
        "class_weight": [StrOptions({"balanced", "sqrt", "auto"}), dict, None],
        "max_epochs": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "validation_fraction": [
            StrOptions({"auto"}),
            Interval(Real, 0, 1, closed="neither"),
            None,
        ],
        "early_stopping": ["boolean"],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "device": [str],
        "precision": [StrOptions({"auto", "fp32", "bf16"})],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        embedding_dim="auto",
        hidden_size=64,
        num_layers=1,
        bidirectional=True,
        cell="lstm",
        pooling="max",
        dropout=0.5,
        max_len=400,
        word_vectors="auto",
        freeze_embeddings="auto",
        ngrams=None,
        ngram_weight="auto",
        decision="mode",
        class_weight=None,
        max_epochs="auto",
        batch_size="auto",
        lr=4e-3,
        weight_decay=0.0,
        validation_fraction="auto",
        early_stopping=False,
        n_iter_no_change=10,
        callbacks=None,
        net_params=None,
        device="auto",
        precision="auto",
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.embedding_dim = embedding_dim
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.cell = cell
        self.pooling = pooling
        self.dropout = dropout
        self.max_len = max_len
        self.word_vectors = word_vectors
        self.freeze_embeddings = freeze_embeddings
        self.ngrams = ngrams
        self.ngram_weight = ngram_weight
        self.decision = decision
        self.class_weight = class_weight
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.net_params = net_params
        self.device = device
        self.precision = precision
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Fit the n-gram model, if there is one, and train the LSTM.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids: 0 is padding, 1 is unknown. Those of a `SequenceVectorizer` carry
            the size of the vocabulary; otherwise the highest id sets it.
        y : array-like of shape (n_samples,)
            Labels: numbers, strings, or any hashable objects.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples. Whole numbers repeat them: a weight of 2 is the
            sample twice, 0 leaves it out. Fractions, or whole numbers with a mean
            above 10, scale the loss.

        Returns
        -------
        self : LSTMClassifier

        Raises
        ------
        ValueError
            If ids are negative or not whole, if a label is missing, if there is only
            one class, if the median of unordered labels is requested, if given
            `word_vectors` meet ids without words, if early stopping finds no samples to
            hold out, or if the device is not available.
        """
        device, ids, classes, codes, weights = self._check(X, y, sample_weight)
        check_order(classes, self.decision)
        words = words_of(X)
        previous = self.net_ if self.warm_start and hasattr(self, "net_") else None
        if previous is None:
            n_tokens = count_tokens(ids, words)
        else:
            check_same_classes(self.classes_, classes)
            check_same_words(self._words, words)
            n_tokens = self.n_tokens_
        rows = TokenRows.from_padded(ids, n_tokens)
        rows, codes, weights = arrange_rows(rows, codes, weights)
        n_samples, n_words = measure(rows, words)
        given = None
        if previous is None:
            given = check_word_vectors(
                self.word_vectors, self.freeze_embeddings, words, n_samples
            )
        recipe = self._choose_recipe(n_samples, n_words, n_tokens, given, previous)
        weights = weigh_samples(codes, weights, recipe.class_weight, classes)
        if weights is not None:
            weights = (weights / weights.mean()).astype(np.float32)
        dataset = TokenDataset(rows, codes, weights)
        module = make_module_params(self, recipe, n_tokens, len(classes), device)
        with (
            seeded(self.random_state, device) as random_state,
            training_settings(device),
        ):
            train, valid = self._hold_out(dataset, recipe, random_state)
            valid = None if valid is None else self._shorten(valid).to(device)
            net = build_net(self, recipe, module, device, len(train), valid)
            # What may be refused comes before what takes time.
            if previous is not None:
                copy_weights(previous, net)
            ngrams = self._fit_ngrams(train, classes, words, ids.shape[1])
            if previous is None:
                initialize_net(net, recipe, given, rows, words, random_state)
            net.train_on(self._shorten(train).to(net.device))
            net.forget_training()
        self._keep(X, classes, n_tokens, words, net, ngrams)
        self.recipe_ = recipe
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch on these samples, at the constant rate `lr`.

        The n-gram model is updated by its own `partial_fit`. An error or Ctrl-C leaves
        the optimizer steps that were made.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,) or None, default=None
            All labels that will ever occur; required in the first call.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the samples, as in `fit`.

        Returns
        -------
        self : LSTMClassifier
        """
        device, ids, _, _, weights = self._check(X, y, sample_weight, min_classes=1)
        class_weight = None if self.class_weight == "auto" else self.class_weight
        self._check_class_weight(class_weight)
        words = words_of(X)
        is_first = not hasattr(self, "net_")
        if is_first:
            all_classes = check_all_classes(classes)
            n_tokens, n_epochs = count_tokens(ids, words), 0
            given = check_word_vectors(
                self.word_vectors, self.freeze_embeddings, words, n_samples=0
            )
            recipe = self._choose_recipe(0, 0, n_tokens, given)
        else:
            words = self._check_continued(X, classes)
            all_classes, n_tokens = self.classes_, self.n_tokens_
            n_epochs, recipe = len(self.history_), self.recipe_
        check_order(all_classes, self.decision)
        codes = encode_known_labels(y, all_classes)
        rows = TokenRows.from_padded(ids, n_tokens)
        rows, codes, weights = arrange_rows(rows, codes, weights)
        weights = weigh_samples(codes, weights, class_weight, all_classes)
        if weights is not None:
            weights = weights.astype(np.float32)
        dataset = TokenDataset(rows, codes, weights)
        with (
            seeded(self.random_state, device, n_epochs) as random_state,
            training_settings(device),
        ):
            if is_first:
                module = make_module_params(
                    self, recipe, n_tokens, len(all_classes), device
                )
                net = build_net(self, recipe, module, device)
                initialize_net(net, recipe, given, rows, words, random_state)
                ngrams = None if self.ngrams is None else clone(self.ngrams)
            else:
                net = self.net_.move_to(device, self.precision)
                ngrams = self.ngrams_
            if ngrams is not None:  # first, as it may refuse its own parameters
                X_rows = TokenIds(rows.to_padded(ids.shape[1]), words)
                ngrams.partial_fit(X_rows, all_classes[codes], all_classes, weights)
            # One epoch over each sample does not overfit.
            net.adversarial = (self.net_params or {}).get("adversarial", 0.0)
            net.train_on(self._shorten(dataset).to(device), epochs=1)
        self._keep(X, all_classes, n_tokens, words, net, ngrams)
        self.recipe_ = recipe
        return self

    def predict(self, X):
        """Return the label of each row, the most probable one by default.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids. Those that `fit` has not seen count as unknown.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        probabilities = self.predict_proba(X)
        return decide(probabilities, self.classes_, self.decision)

    def decision_function(self, X):
        """Return the logits of each row.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids.

        Returns
        -------
        scores : ndarray of float32 of shape (n_samples,) or (n_samples, n_classes)
            With two classes the logit of ``classes_[1]``; otherwise one logit for each
            class. With an n-gram model, the weighted average of both models.
        """
        ids, words = self._check_new_ids(X), words_of(X)
        device = find_device(self.device, or_cpu=True)
        precision = find_precision(self.precision, device, or_fp32=True)
        dataset = TokenDataset(TokenRows.from_padded(ids, self.n_tokens_))
        with flushed_denormals():
            net = self.net_.move_to(device, precision)
            scores = net.logits(self._shorten(dataset))
        if len(self.classes_) == 2:
            scores = scores[:, 1] - scores[:, 0]
        if self.ngrams_ is None:
            return scores
        weight = np.float32(self.recipe_.ngram_weight)
        ngram_scores = self.ngrams_.decision_function(TokenIds(ids, words))
        return (1 - weight) * scores + weight * ngram_scores

    def __sklearn_is_fitted__(self):
        return hasattr(self, "net_")

    def __getstate__(self):
        state = dict(super().__getstate__())
        if "net_" in state:
            state["_net_state"] = pack_net(state.pop("net_"))
        return state

    def __setstate__(self, state):
        state = dict(state)
        net_state = state.pop("_net_state", None)
        super().__setstate__(state)
        if net_state is not None:
            self.net_ = unpack_net(net_state, self)

    def _check(self, X, y, sample_weight, min_classes=2):
        """Check parameters and data; return the device and the encoded data."""
        if self.early_stopping and self.validation_fraction is None:
            raise ValueError(
                "early_stopping=True needs held-out samples; set validation_fraction."
            )
        check_net_params(self.net_params)
        device = find_device(self.device)
        find_precision(self.precision, device)
        return device, *check_training_data(self, X, y, sample_weight, min_classes)

    def _choose_recipe(self, n_samples, n_words, n_tokens, given, previous=None):
        params = self.get_params(deep=False)
        given_dim = None if given is None else given.dim
        if previous is not None:
            given_dim = previous.module_.embedding.embedding_dim
            if self.embedding_dim == "auto":
                params["embedding_dim"] = given_dim
        return make_recipe(params, n_samples, n_words, n_tokens, given_dim)

    def _hold_out(self, dataset, recipe, random_state):
        """Return the training data, and the held-out data or None."""
        if recipe.validation_fraction is None:
            return dataset, None
        held_out = hold_out(
            dataset.rows.fingerprints(),
            dataset.y,
            recipe.validation_fraction,
            random_state,
        )
        if held_out.any():
            parts = (~held_out, held_out)
            return [dataset.take(np.flatnonzero(part)) for part in parts]
        if self.early_stopping:
            raise ValueError(
                "early_stopping=True needs samples to hold out, but each class has one "
                "distinct sample only. Set early_stopping=False."
            )
        return dataset, None

    def _shorten(self, dataset):
        if self.max_len is None:
            return dataset
        rows = dataset.rows.shorten(self.max_len)
        return TokenDataset(rows, dataset.y, dataset.sample_weight)

    def _fit_ngrams(self, train, classes, words, width):
        if self.ngrams is None:
            return None
        X, codes, weights = train.rows.to_padded(width), train.y, train.sample_weight
        # Classes whose samples all have weight 0 are dropped here, but are in classes_.
        absent = np.setdiff1d(np.arange(len(classes)), codes)
        if len(absent):
            weights = np.ones(len(codes)) if weights is None else weights
            weights = np.append(weights, np.zeros(len(absent)))
            X = np.pad(X, ((0, len(absent)), (0, 0)))
            codes = np.append(codes, absent)
        if classes.dtype == object:
            # Labels without an order are sorted by appearance, which must be that of
            # classes_ here.
            first = np.unique(codes, return_index=True)[1]
            order = np.append(first, np.delete(np.arange(len(codes)), first))
            X, codes = X[order], codes[order]
            weights = None if weights is None else weights[order]
        return clone(self.ngrams).fit(TokenIds(X, words), classes[codes], weights)

    def _keep(self, X, classes, n_tokens, words, net, ngrams):
        validate_data(self, X, skip_check_array=True)
        self._words = words
        self.classes_ = classes
        self.n_tokens_ = n_tokens
        self.history_ = make_history(net)
        self.net_ = net
        self.ngrams_ = ngrams
