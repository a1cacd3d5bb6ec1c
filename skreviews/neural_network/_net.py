"""The skorch net inside the classifier."""

from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, EpochTimer, PassthroughScoring, PrintLog

# Names of the callbacks that belong to one call of fit.
SCHEDULE = "schedule"
STOPPING = "stopping"


class WeightedNet(NeuralNetClassifier):
    """A skorch classifier that weighs its rows and keeps accuracies per epoch.

    Its batches are those of `BucketedBatches`; its labels are codes.
    """

    @property
    def _default_callbacks(self):
        return [
            ("epoch_timer", EpochTimer()),
            ("accuracy", _BatchAccuracy()),
            ("train_loss", PassthroughScoring("train_loss", on_train=True)),
            ("train_accuracy", PassthroughScoring("train_accuracy", on_train=True)),
            ("valid_loss", PassthroughScoring("valid_loss")),
            ("valid_accuracy", PassthroughScoring("valid_accuracy")),
            ("print_log", PrintLog()),
        ]

    def train_on(self, dataset, epochs=None):
        """Train, and stop early where a callback asks for it.

        skorch's callbacks stop training by a KeyboardInterrupt, which `partial_fit`
        swallows; here the user's own Ctrl-C goes through.
        """
        self.notify("on_train_begin", X=dataset, y=None)
        try:
            self.fit_loop(dataset, epochs=epochs)
        except _StopTraining:
            pass
        self.notify("on_train_end", X=dataset, y=None)

    def forget_training(self):
        """Drop what only `fit` needs: held-out rows, schedule, optimizer state.

        A later `partial_fit` then starts as it does after unpickling.
        """
        self.train_split = None
        self.callbacks_ = [
            (name, callback)
            for name, callback in self.callbacks_
            if name not in (SCHEDULE, STOPPING)
        ]
        self.initialize_optimizer()

    def notify(self, method_name, **kwargs):
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt:
            if method_name != "on_epoch_end":
                raise
            raise _StopTraining from None

    def infer(self, x, **fit_params):
        return super().infer({"ids": x["ids"]}, **fit_params)

    def get_loss(self, y_pred, y_true, X=None, *args, **kwargs):
        losses = self.criterion_(y_pred, y_true.to(y_pred.device))
        if X is not None and "sample_weight" in X:
            losses = losses * X["sample_weight"].to(losses.device)
        return losses.mean()


class _StopTraining(Exception):
    """A callback has asked for the end of the training."""


class _BatchAccuracy(Callback):
    def on_batch_end(self, net, batch, training, y_pred, **kwargs):
        _, y = batch
        right = (y_pred.argmax(1) == y.to(y_pred.device)).float().mean()
        prefix = "train" if training else "valid"
        net.history.record_batch(f"{prefix}_accuracy", right.item())
