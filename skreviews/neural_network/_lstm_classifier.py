"""LSTMClassifier: the scikit-learn classifier around the net."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skreviews._class_weight import choose_class_weight, weigh_classes
from skreviews._labels import encode_known_labels, encode_labels
from skreviews.decision import (
    CRITERIA,
    DECISIONS,
    check_order,
    decide,
)
from skreviews.embeddings._ppmi import learn_word_vectors
from skreviews.neural_network._batches import TokenDataset, hold_out, make_dataset
from skreviews.neural_network._build import build_net, choose_module
from skreviews.neural_network._checks import (
    check_rows,
    check_same_classes,
    check_same_words,
    count_tokens,
)
from skreviews.neural_network._device import find_device, seeded
from skreviews.neural_network._language_model import LanguageModel
from skreviews.neural_network._logistic import fit_ngrams
from skreviews.neural_network._net import STOPPING, make_frame
from skreviews.neural_network._ngrams import check_ngram_range
from skreviews.neural_network._precision import find_precision
from skreviews.neural_network._recipe import (
    COOCCURRENCE,
    choose_adversarial,
    choose_learned_dim,
)
from skreviews.neural_network._runtime import (
    flushed_denormals,
    limited_threads,
    training_settings,
)
from skreviews.neural_network._start import find_start, initialize
from skreviews.neural_network._state import pack_net, unpack_net
from skreviews.preprocessing._token_ids import check_ids, words_of

_AUTO_VALIDATION_FRACTION = 0.1


class LSTMClassifier(ClassifierMixin, BaseEstimator):
    """Classify rows of token ids with an LSTM or GRU.

    A scikit-learn classifier that holds a skorch net (`net_`) around an `LSTMModule`.
    Ids may be padded with 0 on either side. The result of `fit` does not depend on
    the order of the rows.

    Parameters
    ----------
    embedding_dim : 'auto' or int, default='auto'
        Size of the word vectors; pretrained ones have their own. 'auto' is 200 for
        those of 'cooccurrence', else 100.
    hidden_size : int, default=64
        Size of the hidden state of each direction.
    num_layers : int, default=1
        Number of recurrent layers, one on top of the other.
    bidirectional : bool, default=True
        Read each review from both ends.
    cell : {'lstm', 'gru'}, default='lstm'
        Kind of recurrent cell.
    pooling : {'last', 'mean', 'max', 'mean_max', 'attention'}, default='max'
        How the states of a review become one vector; see `LSTMModule`.
    dropout : float in [0, 1), default=0.5
        Dropout between the layers and before the head.
    embedding_dropout : 'auto' or float in [0, 1), default='auto'
        Dropout of whole channels of the embedding. 'auto' is 0.3, and 0.15 for vectors
        of 'cooccurrence' for 300,000 words or more in all rows, or 100 in the mean row.
    word_dropout : float in [0, 1), default=0.1
        Share of the words that become unknown in training [2]_. A review never loses
        all of its words.
    weight_dropout : float in [0, 1), default=0.0
        Dropout of the weights between the hidden states of one step and the next,
        drawn anew for each batch [3]_.
    segment_len : int or None, default=None
        Cut each review into segments of this many tokens, which the layers read
        independently, side by side, before the pooling joins them again. That makes
        fewer steps, each with more to do at once; on two CPU cores it takes as long.
        A segment knows nothing of the one before.
    max_tokens : int or None, default=400
        Most tokens of a review that the LSTM reads, which sets its time: of a longer
        one the first quarter of so many and the rest from its end. The wide branch
        reads reviews whole.
    word_vectors : 'auto', 'cooccurrence', WordVectors, dict, gensim KeyedVectors or \
            None, default='auto'
        Where the vectors of the words start. 'cooccurrence' learns them from the
        training texts before all else: words that stand among the same words get
        similar ones [11]_. With fewer than 300,000 words in all rows and 100 in the
        mean row it learns half of their numbers, and draws the others. `WordVectors`,
        a dict or KeyedVectors are pretrained ones; they set the `embedding_dim`, the
        ids in `X` must know their words, as those of a `SequenceVectorizer` do, and
        words without a vector start as random ones among the known; see
        `WordVectors.align`. `clone` copies a dict or KeyedVectors, but not
        `WordVectors`. None starts from random vectors. 'auto' is 'cooccurrence', but
        None beside something `pretrained` and in `partial_fit` without a `fit`.
    freeze_embeddings : 'auto', bool or int, default='auto'
        Keep the vectors of all words, known or not, as they start: True in all
        epochs, an int in so many, after which they train with the rest. 'auto' keeps
        those of 'cooccurrence' in all epochs but the last for 300,000 words or more
        in all rows, or 100 in the mean row, and others in none.
    pretrained : LanguageModel or None, default=None
        What `pretrain` has learned from texts without labels: the word vectors and
        the weights of the first recurrent layer start from it [10]_. The ids in `X`
        must know their words. `clone` does not copy it.
    ngram_range : tuple of (int, int) or None, default=(1, 2)
        Lengths of the n-grams in the wide branch, a linear classifier of words and
        n-grams whose logits are averaged with those of the LSTM, each having learned
        alone: the one sees which words are there, the other what they mean together
        (wide and deep [8]_, bag of tricks [9]_). `fit` solves it before the first
        epoch: it is a logistic regression, with a penalty that held-out rows choose.
        All that is said here of steps, rates, losses and dropout is of the LSTM.
        None leaves the wide branch out.
    ngram_buckets : int, default=2 ** 18
        Number of weights for each class that n-grams of two words and more share.
    ngram_weight : 'auto' or float in [0, 1], default='auto'
        Weight of the wide branch in the mean. 'auto' is 0.5, and 0.8 for fewer than
        5,000 rows of 100 words and more in the mean: long texts give an LSTM more to
        learn than so few labels teach.
    objective : {'nominal', 'ordinal'}, default='nominal'
        What the loss knows of the labels. 'nominal' takes them as names:
        cross-entropy. 'ordinal' takes them as ordered, such as stars, and makes a far
        miss cost more than a near one: cross-entropy plus the squared earth mover's
        distance [4]_. With two classes they are the same; more must be numbers,
        which have an order.
    decision : {'mode', 'median'}, default='mode'
        Which label `predict` makes of the probabilities: the most probable one, or
        the first one, in the order of `classes_`, up to which they sum to a half. The
        mode is right most often, the median is off by the fewest places in the mean;
        more than two labels must be numbers. It may be set after `fit` as well. The
        accuracies in `history_` are those of the mode.
    class_weight : 'balanced', 'sqrt', 'auto', dict of {label: weight} or None, \
            default=None
        Weights of the classes in the loss; 'balanced' makes them inversely
        proportional to the class sizes, 'sqrt' to their square roots. 'auto' is 'sqrt'
        for the decision by mode, and None for `partial_fit` and for the median, which
        errs least with the probabilities of the data.
    max_epochs : 'auto' or int, default='auto'
        Number of passes over the training rows, at most. 'auto' takes as many as make
        1,000 steps, but 3 at least and 12 at most, or up to 20 that make 240 steps; for
        300,000 words or more in all rows, or 100 in the mean row, 5 and 20. Rows that
        are held out count as well.
    batch_size : 'auto' or int, default='auto'
        Number of rows in a step. 'auto' is 32 for less than 5,000 rows, else 64.
    lr : float, default=4e-3
        Peak of Adam's learning rate: it rises linearly over a fifth of the steps, but
        at most one epoch, and falls linearly to zero. `partial_fit` keeps it constant,
        and teaches the wide branch at two and a half times of it, unless `net_params`
        set an optimizer or its parameters.
    weight_decay : float, default=0.0
        L2 penalty of the optimizer. In the wide branch, and with more than 50,000 words
        in the other one too, it falls on the words of each batch only.
    label_smoothing : float in [0, 1), default=0.0
        Share of the probability that the loss asks to be spread over all classes, the
        right one among them [5]_. The losses in `history_` are the smoothed ones.
    ema_decay : float in [0, 1), default=0.0
        Keep an exponential moving average of the weights, in which each step leaves
        this share of what was, such as 0.99; early steps leave less [6]_. The average
        is what is validated after each epoch, and kept.
    adversarial : 'auto' or float of 0 or more, default='auto'
        Learn each batch a second time, with the word vectors of each review moved by
        this share of their norm in the direction that raises the loss most [7]_. It
        nearly doubles the time of training. 'auto' is 0 for 300,000 words or more in
        all rows, or 100 in the mean row. Fewer are learned by heart else: 0.05 for
        vectors of 'cooccurrence', and 0.1 for others. The losses in `history_` are
        those of the reviews as they are.
    validation_fraction : 'auto', float in (0, 1) or None, default='auto'
        Share of the distinct rows that is held out, to follow the training by their
        loss and accuracy in `history_`. Each class gives its share, and equal rows all
        stay on one side, so that copies made by over-sampling leak nothing. None
        trains on all rows. 'auto' is 0.1 with early stopping, else None.
    early_stopping : bool or 'refit', default=False
        Stop when the held-out accuracy has not risen for `n_iter_no_change` epochs,
        and keep the weights of the best epoch. 'refit' then trains anew on all rows,
        for as many epochs as were best: up to twice the time, but no row is wasted, and
        `history_` has no held-out scores. The default goes through the whole schedule,
        which ends with small steps, and keeps the last weights.
    n_iter_no_change : int, default=10
        Number of epochs without a higher validation accuracy before early stopping.
    callbacks : list of skorch callbacks or None, default=None
        Further callbacks of the net. They see the labels as codes: the places in
        `classes_`. New ones with the same parameters are used, and stand in
        ``net_.callbacks_``.
    net_params : dict or None, default=None
        Further arguments of the skorch net, such as ``{"optimizer__amsgrad": True}``.
    device : str, default='auto'
        Where to compute: 'cpu', 'cuda', 'cuda:0', 'mps'. 'auto' takes CUDA, then
        MPS, then the CPU. A model trained on a device that another machine lacks
        predicts on the CPU there, with a warning.
    precision : {'auto', 'fp32', 'bf16'}, default='auto'
        Numbers to compute with. 'auto' trains in bf16 where a short trial shows that
        this machine does so right and faster, and predicts in fp32, so that a
        probability depends on nothing but its text. 'bf16' does both in bf16:
        probabilities are off by up to 0.02, and change by as much with the rows beside
        them. The weights are of fp32 in any case.
    n_threads : int or None, default=None
        Number of CPU threads in `fit` and `predict`. None takes torch's own: the
        number of cores, or the share of them that joblib gives its worker processes.
        For joblib's threading backend, set 1.
    warm_start : bool, default=False
        Let `fit` go on from the weights of the last one.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, dropout, held-out rows and batches. Two fits with the
        same int on the same machine with the same number of threads and the same
        precision are bit-equal.
        The global random generators of torch are left as they were.
    verbose : int, default=0
        1 shows a line for each epoch and, on a terminal or in a notebook, a progress
        bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted, as `predict` returns them.
    net_ : skorch.NeuralNetClassifier
        The fitted net; it speaks in codes of the labels.
    history_ : DataFrame
        One row for each epoch: ``epoch``, ``train_loss``, ``train_accuracy`` and, if
        rows are held out, ``valid_loss``, ``valid_accuracy``; ``padding_share``, the
        share of padding in the training batches; ``dur`` in seconds. Losses and
        accuracies are those of the LSTM alone, which the epochs teach.
    n_features_in_ : int
        Length of the rows.
    n_tokens_ : int
        Number of token ids; ids from here on count as unknown.

    See Also
    --------
    make_review_pipeline : The pipeline from raw texts to labels.
    SequenceVectorizer : Makes the token ids.
    pretrain : Learns from texts without labels.

    References
    ----------
    .. [1] S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation
       9(8), 1997.
    .. [2] M. Iyyer et al., "Deep unordered composition rivals syntactic methods for
       text classification", ACL 2015.
    .. [3] S. Merity, N. S. Keskar, R. Socher, "Regularizing and optimizing LSTM
       language models", ICLR 2018.
    .. [4] L. Hou, C.-P. Yu, D. Samaras, "Squared earth mover's distance-based loss for
       training deep neural networks", arXiv:1611.05916, 2016.
    .. [5] C. Szegedy et al., "Rethinking the Inception architecture for computer
       vision", CVPR 2016.
    .. [6] B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by
       averaging", SIAM Journal on Control and Optimization 30(4), 1992.
    .. [7] T. Miyato, A. M. Dai, I. Goodfellow, "Adversarial training methods for
       semi-supervised text classification", ICLR 2017.
    .. [8] H.-T. Cheng et al., "Wide & deep learning for recommender systems", DLRS
       2016.
    .. [9] A. Joulin, E. Grave, P. Bojanowski, T. Mikolov, "Bag of tricks for efficient
       text classification", EACL 2017.
    .. [10] A. M. Dai, Q. V. Le, "Semi-supervised sequence learning", NIPS 2015.
    .. [11] O. Levy, Y. Goldberg, I. Dagan, "Improving distributional similarity with
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
        "embedding_dropout": [
            StrOptions({"auto"}),
            Interval(Real, 0, 1, closed="left"),
        ],
        "word_dropout": [Interval(Real, 0, 1, closed="left")],
        "weight_dropout": [Interval(Real, 0, 1, closed="left")],
        "segment_len": [Interval(Integral, 1, None, closed="left"), None],
        "max_tokens": [Interval(Integral, 1, None, closed="left"), None],
        "word_vectors": "no_validation",
        "freeze_embeddings": [
            StrOptions({"auto"}),
            "boolean",
            Interval(Integral, 0, None, closed="left"),
        ],
        "pretrained": [LanguageModel, None],
        "ngram_range": [tuple, list, None],
        "ngram_buckets": [Interval(Integral, 1, None, closed="left")],
        "ngram_weight": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "objective": [StrOptions(set(CRITERIA))],
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
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "ema_decay": [Interval(Real, 0, 1, closed="left")],
        "adversarial": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="left"),
        ],
        "validation_fraction": [
            StrOptions({"auto"}),
            Interval(Real, 0, 1, closed="neither"),
            None,
        ],
        "early_stopping": ["boolean", StrOptions({"refit"})],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [list, None],
        "net_params": [dict, None],
        "device": [str],
        "precision": [StrOptions({"auto", "fp32", "bf16"})],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
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
        embedding_dropout="auto",
        word_dropout=0.1,
        weight_dropout=0.0,
        segment_len=None,
        max_tokens=400,
        word_vectors="auto",
        freeze_embeddings="auto",
        pretrained=None,
        ngram_range=(1, 2),
        ngram_buckets=2**18,
        ngram_weight="auto",
        objective="nominal",
        decision="mode",
        class_weight=None,
        max_epochs="auto",
        batch_size="auto",
        lr=4e-3,
        weight_decay=0.0,
        label_smoothing=0.0,
        ema_decay=0.0,
        adversarial="auto",
        validation_fraction="auto",
        early_stopping=False,
        n_iter_no_change=10,
        callbacks=None,
        net_params=None,
        device="auto",
        precision="auto",
        n_threads=None,
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
        self.embedding_dropout = embedding_dropout
        self.word_dropout = word_dropout
        self.weight_dropout = weight_dropout
        self.segment_len = segment_len
        self.max_tokens = max_tokens
        self.word_vectors = word_vectors
        self.freeze_embeddings = freeze_embeddings
        self.pretrained = pretrained
        self.ngram_range = ngram_range
        self.ngram_buckets = ngram_buckets
        self.ngram_weight = ngram_weight
        self.objective = objective
        self.decision = decision
        self.class_weight = class_weight
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.ema_decay = ema_decay
        self.adversarial = adversarial
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.net_params = net_params
        self.device = device
        self.precision = precision
        self.n_threads = n_threads
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Train on token ids and labels.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids: 0 is padding, 1 unknown. Those of a `SequenceVectorizer` bring
            the size of the vocabulary along; otherwise the highest id tells it.
        y : array-like of shape (n_samples,)
            Labels: numbers, strings, or any hashable objects.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the rows. Whole numbers repeat them: a weight of 2 is the row
            twice, 0 leaves it out. Fractions, or whole numbers that sum to more than
            ten times the rows, weigh the loss instead.

        Returns
        -------
        self : LSTMClassifier

        Raises
        ------
        ValueError
            If ids are negative or no whole numbers, if a label is missing, if there
            is one class only, if labels have no order that `objective` or `decision`
            goes by, if `ngram_range` is no range, if there are `word_vectors` or
            something `pretrained` but no words, if that is of another size, if early
            stopping finds no rows to hold out, or if the device is not there.
        """
        if self.early_stopping and self.validation_fraction is None:
            raise ValueError(
                f"early_stopping={self.early_stopping!r} needs held-out rows; set "
                "validation_fraction."
            )
        device = find_device(self.device)
        find_precision(self.precision, device)
        ids, classes, codes, weights = check_rows(self, X, y, sample_weight)
        check_order(classes, self.objective, self.decision)
        check_ngram_range(self.ngram_range)
        words = words_of(X)
        previous = self.net_ if self.warm_start and hasattr(self, "net_") else None
        if previous is None:
            n_tokens = count_tokens(ids, words)
        else:
            check_same_classes(self.classes_, classes)
            check_same_words(self._words, words)
            n_tokens = self.n_tokens_
        dataset = make_dataset(ids, n_tokens, codes, weights)
        size = (len(dataset), len(dataset.ids))
        start = find_start(self, words, size, goes_on=previous is not None)
        module = choose_module(self, n_tokens, len(classes), size, start)
        no_size = self.embedding_dim == "auto" and start in (None, COOCCURRENCE)
        if previous is not None and no_size:
            # As it was, whatever the number of words is now.
            module["embedding_dim"] = previous.module_.embedding.embedding_dim
        class_weight = choose_class_weight(self.class_weight, self.decision)
        weights = weigh_classes(dataset, class_weight, classes)
        if weights is not None:
            dataset.sample_weight = weights / weights.mean()
        with (
            training_settings(device, self.n_threads),
            seeded(self.random_state, device) as random_state,
        ):
            train, valid = self._hold_out(dataset, device, random_state)
            if previous is not None:
                start = previous
            elif start == COOCCURRENCE:
                dim = module["embedding_dim"]
                n_learned = choose_learned_dim(dim, *size)
                start = learn_word_vectors(
                    dataset, n_tokens, dim, n_learned, random_state
                )
            net = build_net(self, module, size, device, train, valid)
            initialize(net, start, words, random_state)
            _train(net, train)
            if self.early_stopping == "refit":
                n_epochs = dict(net.callbacks_)[STOPPING].best_epoch_
                net = build_net(self, module, size, device, dataset)
                initialize(net, start, words, random_state)
                _train(net, dataset, n_epochs)
            net.forget_training()
        self._keep(net, X, classes, n_tokens, words, size)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch on these rows, all of them, at the constant rate `lr`.

        The wide branch learns by the same steps, at two and a half times the rate,
        unless `net_params` set an optimizer or its parameters.

        An error or interrupt in the middle leaves the steps that were made.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids.
        y : array-like of shape (n_samples,)
            Labels.
        classes : array-like of shape (n_classes,) or None, default=None
            All labels there will ever be; needed in the first call.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the rows, as in `fit`.

        Returns
        -------
        self : LSTMClassifier
        """
        device = find_device(self.device)
        find_precision(self.precision, device)
        first = not hasattr(self, "net_")
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        ids, _, _, weights = check_rows(self, X, y, sample_weight, min_classes=1)
        class_weight = None if self.class_weight == "auto" else self.class_weight
        if isinstance(class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} needs all rows at once; pass "
                "partial_fit a dict of weights."
            )
        words = words_of(X)
        if first:
            all_classes, _ = encode_labels(classes)
            if len(all_classes) < 2:
                raise ValueError(
                    f"classes has one label only, {all_classes.tolist()[0]!r}; at "
                    "least 2 classes are needed."
                )
            size, n_epochs = (0, 0), 0
            start = find_start(self, words, size)
            n_tokens = count_tokens(ids, words)
            module = choose_module(self, n_tokens, len(all_classes), size, start)
        else:
            validate_data(self, X, skip_check_array=True, reset=False)
            check_same_words(self._words, words)
            if words is None:
                words = self._words
            if classes is not None:
                check_same_classes(self.classes_, encode_labels(classes)[0])
            all_classes, n_tokens = self.classes_, self.n_tokens_
            size, n_epochs = self._size, len(self.history_)
        check_order(all_classes, self.objective, self.decision)
        check_ngram_range(self.ngram_range)
        codes = encode_known_labels(y, all_classes)
        dataset = make_dataset(ids, n_tokens, codes, weights)
        dataset.sample_weight = weigh_classes(dataset, class_weight, all_classes)
        with (
            training_settings(device, self.n_threads),
            seeded(self.random_state, device, n_epochs) as random_state,
        ):
            if first:
                net = build_net(self, module, size, device)
                initialize(net, start, words, random_state)
            else:
                net = self.net_.move_to(device, self.precision)
            # It reads each row once, as if there were any number of words.
            net.adversarial = choose_adversarial(self.adversarial, None, 0, np.inf)
            net.train_on(dataset.to(device), epochs=1)
        self._keep(net, X, all_classes, n_tokens, words, size)
        return self

    def predict(self, X):
        """Return the label of each row: by default the most probable one.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids; those that were not there in training count as unknown.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        probabilities = self.predict_proba(X)
        return decide(probabilities, self.classes_, self.decision)

    def predict_proba(self, X):
        """Return the probability of each label for each row.

        Parameters
        ----------
        X : array-like of int of shape (n_samples, max_len)
            Token ids; those that were not there in training count as unknown. A row
            of padding only counts as one unknown token.

        Returns
        -------
        probabilities : ndarray of float32 of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        check_is_fitted(self)
        ids = check_ids(X, self)
        validate_data(self, X, skip_check_array=True, reset=False)
        check_same_words(self._words, words_of(X))
        device = find_device(self.device, or_cpu=True)
        precision = find_precision(self.precision, device, or_fp32=True)
        dataset = TokenDataset.from_rows(ids, self.n_tokens_)
        with limited_threads(self.n_threads), flushed_denormals():
            return self.net_.move_to(device, precision).predict_proba(dataset)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.positive_only = True
        return tags

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
            self.net_ = unpack_net(net_state, self, self._size)

    def _hold_out(self, dataset, device, random_state):
        """Return the rows to train on, and those to validate with, or None."""
        fraction = self.validation_fraction
        if fraction == "auto":
            fraction = _AUTO_VALIDATION_FRACTION if self.early_stopping else None
        if fraction is None:
            return dataset, None
        train, valid = hold_out(dataset, fraction, random_state)
        if valid is not None:
            valid.to(device)
        elif self.early_stopping:
            raise ValueError(
                f"early_stopping={self.early_stopping!r} needs rows to hold out, but "
                "each class has one distinct row only. Set early_stopping=False."
            )
        return train, valid

    def _keep(self, net, X, classes, n_tokens, words, size):
        validate_data(self, X, skip_check_array=True)
        self._words = words
        self._size = size
        self.classes_ = classes
        self.n_tokens_ = n_tokens
        self.history_ = make_frame(net.history)
        self.net_ = net


def _train(net, dataset, n_epochs=None):
    """Solve the wide branch, and train the deep one."""
    wide = net.module_.wide
    if wide is not None:
        fit_ngrams(wide, dataset)
        wide.requires_grad_(False)
    net.train_on(dataset.to(net.device), epochs=n_epochs)
    if wide is not None:
        wide.requires_grad_(True)
