"""TokenNet: the skorch net inside LSTMClassifier."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochTimer, PassthroughScoring

from skreviews.neural_network._adversarial import learn_twice
from skreviews.neural_network._batches import SortedBatches, split_batch
from skreviews.neural_network._callbacks import EpochLines
from skreviews.neural_network._optimizer import clip_gradients
from skreviews.neural_network._precision import use_bf16
from skreviews.neural_network._runtime import limited_threads

# Names of the callbacks that belong to one call of fit.
SCHEDULE = "schedule"
STOPPING = "stopping"
# Names of callbacks that never request the end of the training.
_NEVER_STOPPING = {
    SCHEDULE,
    "epoch_timer",
    "train_loss",
    "train_accuracy",
    "valid_loss",
    "valid_accuracy",
    "EmbeddingFreezer",
    "ProgressBar",
    "print_log",
}


class TokenNet(NeuralNetClassifier):
    """A skorch classifier of `TokenDataset`s, with sample weights.

    Its labels are codes. Its history holds the accuracy and the loss of each epoch.

    Parameters
    ----------
    precision : {'auto', 'fp32', 'bf16'}, default='auto'
        Number format of the computation; see `LSTMClassifier`.
    adversarial : float, default=0.0
        Norm of the adversarial perturbation, as a share of the embeddings' norm.
    """

    def __init__(self, *args, precision="auto", adversarial=0.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.precision = precision
        self.adversarial = adversarial

    @property
    def _default_callbacks(self):
        return [
            ("epoch_timer", EpochTimer()),
            ("train_loss", PassthroughScoring("train_loss", on_train=True)),
            ("train_accuracy", PassthroughScoring("train_accuracy", on_train=True)),
            ("valid_loss", PassthroughScoring("valid_loss")),
            ("valid_accuracy", PassthroughScoring("valid_accuracy")),
            ("print_log", EpochLines(keys_ignored="padding_share")),
        ]

    def train_on(self, dataset, epochs=None):
        """Train, and stop early if a callback requests it.

        skorch's callbacks request it by a KeyboardInterrupt at the end of an epoch, and
        skorch's own `partial_fit` catches every KeyboardInterrupt. Here Ctrl-C ends the
        fit.
        """
        n_epochs = len(self.history)
        self.notify("on_train_begin", X=dataset, y=None)
        try:
            self.fit_loop(dataset, epochs=epochs)
        except _StopTraining:
            pass
        except BaseException:
            del self.history[n_epochs:]  # the last row is incomplete
            raise
        self.notify("on_train_end", X=dataset, y=None)

    def notify(self, method_name, **kwargs):
        if method_name != "on_epoch_end":
            super().notify(method_name, **kwargs)
            return
        self.on_epoch_end(self, **kwargs)
        for name, callback in self.callbacks_:
            try:
                callback.on_epoch_end(self, **kwargs)
            except KeyboardInterrupt:
                if name in _NEVER_STOPPING:  # so it is Ctrl-C
                    raise
                raise _StopTraining from None

    def move_to(self, device, precision):
        """Compute on this device and in this precision from now on; return self."""
        if torch.device(self.device) != device:
            self.device = str(device)
            self.module_.to(device)
            self.initialize_optimizer()  # its moments are on the old device
        self.precision = precision
        return self

    def forget_training(self):
        """Drop what only `fit` needs: held-out samples, schedule, optimizer state.

        A later `partial_fit` then starts as it does after unpickling.
        """
        self.train_split = None
        self.callbacks_ = [
            (name, callback)
            for name, callback in self.callbacks_
            if name not in (SCHEDULE, STOPPING)
        ]
        self.initialize_optimizer()

    def logits(self, dataset):
        """Return the logits of a dataset, ndarray of float32 of (n_rows, n_classes).

        On a CPU each thread processes batches of its own, because threads that share a
        batch wait for each other at each token.
        """
        batches = SortedBatches(dataset.to(self.device))
        groups = batches.groups()
        if self.module_.training:  # the check takes less time than the call
            self._set_training(False)
        n_threads = torch.get_num_threads() if dataset.device.type == "cpu" else 1
        score = partial(self._score, dataset)
        with limited_threads(1):
            if min(n_threads, len(groups)) == 1:
                scores = [score(rows) for rows in groups]
            else:
                with ThreadPoolExecutor(n_threads) as pool:
                    scores = list(pool.map(score, groups))
        scores = torch.cat(scores).cpu().numpy()
        logits = np.empty_like(scores)
        logits[np.concatenate(groups)] = scores
        return logits

    def _score(self, dataset, rows):
        inputs, _ = dataset.__getitems__(rows)
        with torch.inference_mode():
            return self.infer(inputs)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Process all batches once.

        As in skorch, but on a GPU the losses and accuracies are transferred after the
        epoch: each transfer waits for the GPU.
        """
        if iterator is None:
            return
        pending = []
        n_batches = n_positions = 0
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            inputs, y = batch
            right = (step["y_pred"].argmax(1) == y).float().mean()
            scores = torch.stack([step["loss"].detach(), right])
            pending.append((self.history[-1]["batches"][-1], scores))
            if scores.device.type == "cpu":
                _record(pending, prefix)
            self.history.record_batch(f"{prefix}_batch_size", len(y))
            n_batches += 1
            n_positions += inputs["ids"].numel()
            self.notify("on_batch_end", batch=batch, training=training, **step)
        _record(pending, prefix)
        self.history.record(f"{prefix}_batch_count", n_batches)
        if training:
            share = 1 - len(iterator.dataset.rows.ids) / n_positions
            self.history.record("padding_share", share)

    def train_step_single(self, batch, **fit_params):
        """Accumulate the gradients of the parts of a batch, and clip them."""
        self._set_training(True)
        inputs, y = batch
        steps = []
        for part, part_y in split_batch(inputs, y):
            share = len(part_y) / len(y)
            y_pred = self._learn(part, part_y, share)
            loss = self.get_loss(y_pred, part_y, X=part) * share
            steps.append((loss, y_pred))
        losses, y_pred = zip(*steps, strict=True)
        clip_gradients(self.module_)
        return {"loss": torch.stack(losses).sum(), "y_pred": torch.cat(y_pred)}

    def _learn(self, inputs, y, share):
        """Accumulate the gradients of one part, this share of a batch."""
        ids = inputs["ids"]

        def learn(*perturbation):
            y_pred = self._compute(ids, *perturbation)
            (self.get_loss(y_pred, y, X=inputs) * share).backward()
            return y_pred.detach()

        if self.adversarial:
            return learn_twice(learn, self.module_.embedding, ids, self.adversarial)
        return learn()

    def infer(self, x, **fit_params):
        return self._compute(x["ids"])

    def _compute(self, ids, *perturbation):
        if not use_bf16(self.precision, ids.device, self.module_.training):
            return self.module_(ids, *perturbation)
        with torch.autocast(ids.device.type, torch.bfloat16):
            return self.module_(ids, *perturbation).float()

    def get_loss(self, y_pred, y_true, X=None, *args, **kwargs):
        losses = self.criterion_(y_pred, y_true)
        if X is not None and "sample_weight" in X:
            losses = losses * X["sample_weight"]
        return losses.mean()


class _StopTraining(Exception):
    """A callback has requested the end of the training."""


def _record(pending, prefix):
    """Write scores into their rows of the history, and forget them."""
    if pending:
        rows, scores = zip(*pending, strict=True)
        for row, (loss, accuracy) in zip(
            rows, torch.stack(scores).tolist(), strict=True
        ):
            row |= {f"{prefix}_loss": loss, f"{prefix}_accuracy": accuracy}
        pending.clear()
