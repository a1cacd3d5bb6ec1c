"""The skorch net inside the classifier."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
import pandas as pd
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochTimer, PassthroughScoring

from skreviews.neural_network._adversarial import learn_twice
from skreviews.neural_network._batches import SortedBatches, split_batch
from skreviews.neural_network._callbacks import EpochLines
from skreviews.neural_network._precision import use_bf16
from skreviews.neural_network._runtime import limited_threads

# Names of the callbacks that belong to one call of fit.
SCHEDULE = "schedule"
STOPPING = "stopping"
_MAX_GRADIENT_NORM = 1.0


class WeightedNet(NeuralNetClassifier):
    """A skorch classifier that weighs its rows and keeps accuracies per epoch.

    Its data are `TokenDataset`s; its labels are codes.

    Parameters
    ----------
    precision : {'auto', 'fp32', 'bf16'}, default='auto'
        Numbers that the module computes with; see `LSTMClassifier`.
    adversarial : float, default=0.0
        Size of the perturbation in adversarial training; see `LSTMClassifier`.
    """

    _interrupts = ()  # of the user, while it trains

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
        """Train, and stop early where a callback asks for it.

        skorch's callbacks stop training by a KeyboardInterrupt, which `partial_fit`
        swallows; here the user's own Ctrl-C goes through.
        """
        with _noted_interrupts() as self._interrupts:
            self.notify("on_train_begin", X=dataset, y=None)
            try:
                self.fit_loop(dataset, epochs=epochs)
            except _StopTraining:
                pass
            self.notify("on_train_end", X=dataset, y=None)

    def move_to(self, device, precision):
        """Compute there from now on, in this precision; return self."""
        if torch.device(self.device) != device:
            self.device = str(device)
            self.module_.to(device)
            self.initialize_optimizer()  # its moments stay on the old device
        self.precision = precision
        return self

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

    def predict_proba(self, X):
        """Return the probabilities of the rows of a dataset, in their order.

        On a CPU each thread has batches of its own: threads that share a batch wait
        for one another at each token.
        """
        if "forward_iter" in vars(self):
            # An EpochScoring has put the outputs there that it saw in the epoch.
            return super().predict_proba(X)
        batches = SortedBatches(X.to(self.device), max_tokens=self.module_.max_tokens)
        groups = batches.groups()
        if self.module_.training:  # to ask takes less time than to set
            self._set_training(False)
        n_threads = torch.get_num_threads() if X.device.type == "cpu" else 1
        score = partial(self._score, X)
        with limited_threads(1):
            if min(n_threads, len(groups)) == 1:
                scores = [score(rows) for rows in groups]
            else:
                with ThreadPoolExecutor(n_threads) as pool:
                    scores = list(pool.map(score, groups))
        scores = torch.cat(scores).cpu().numpy()
        probabilities = np.empty_like(scores)
        probabilities[np.concatenate(groups)] = scores
        return probabilities

    def notify(self, method_name, **kwargs):
        try:
            super().notify(method_name, **kwargs)
        except KeyboardInterrupt:
            if method_name != "on_epoch_end" or self._interrupts:
                raise
            raise _StopTraining from None

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Go through the batches once.

        As skorch does, but from a GPU the losses and accuracies are read when the
        epoch is over: to read a number there is to wait for it.
        """
        if iterator is None:
            return
        unread = []
        n_batches = n_places = 0
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            inputs, y = batch
            right = (step["y_pred"].argmax(1) == y).float().mean()
            scores = torch.stack([step["loss"].detach(), right])
            unread.append((self.history[-1]["batches"][-1], scores))
            if scores.device.type == "cpu":
                _read(unread, prefix)
            self.history.record_batch(f"{prefix}_batch_size", len(y))
            n_batches += 1
            n_places += inputs["ids"].numel()
            self.notify("on_batch_end", batch=batch, training=training, **step)
        _read(unread, prefix)
        self.history.record(f"{prefix}_batch_count", n_batches)
        if training:
            share = 1 - len(iterator.dataset.ids) / n_places
            self.history.record("padding_share", share)

    def train_step_single(self, batch, **fit_params):
        """Add up the gradients of the parts of a batch, and clip them."""
        self._set_training(True)
        inputs, y = batch
        steps = []
        for part, part_y in split_batch(inputs, y, self.module_.max_tokens):
            share = len(part_y) / len(y)
            y_pred = self._learn(part, part_y, share)
            loss = self.get_loss(y_pred, part_y, X=part) * share
            steps.append((loss, y_pred))
        losses, y_pred = zip(*steps, strict=True)
        clip_gradients(self.module_)
        return {"loss": torch.stack(losses).sum(), "y_pred": torch.cat(y_pred)}

    def _learn(self, inputs, y, share):
        """Add up the gradients of one part, this share of a batch.

        Each branch learns alone, from its own error: the mean of two that have learned
        to do without each other errs less often than what they would learn together.
        A wide branch that needs no gradient has learned already.
        """
        module, ids = self.module_, inputs["ids"]

        def learn(branch, ids, *perturbation):
            y_pred = self._compute(branch, ids, *perturbation)
            (self.get_loss(y_pred, y, X=inputs) * share).backward()
            return y_pred.detach()

        if module.wide is not None and module.wide.weight.requires_grad:
            learn(module.wide, ids)
        ids = module.shorten(ids)
        learn_deep = partial(learn, module.deep, ids)
        if self.adversarial:
            return learn_twice(learn_deep, module.embedding, ids, self.adversarial)
        return learn_deep()

    def validation_step(self, batch, **fit_params):
        """Return the loss and the output of the deep branch, as a training step does.

        The wide one has nothing to learn in the epochs, and knows the training rows by
        heart.
        """
        self._set_training(False)
        inputs, y = batch
        with torch.no_grad():
            y_pred = self._compute(self.module_.deep, inputs["ids"])
            return {"loss": self.get_loss(y_pred, y, X=inputs), "y_pred": y_pred}

    def _score(self, dataset, rows):
        inputs, _ = dataset.__getitems__(rows)
        with torch.inference_mode():
            return self.infer(inputs).softmax(1)

    def infer(self, x, **fit_params):
        return self._compute(self.module_, x["ids"])

    def _compute(self, branch, ids, *perturbation):
        if not use_bf16(self.precision, ids.device, self.module_.training):
            return branch(ids, *perturbation)
        with torch.autocast(ids.device.type, torch.bfloat16):
            return branch(ids, *perturbation).float()

    def get_loss(self, y_pred, y_true, X=None, *args, **kwargs):
        losses = self.criterion_(y_pred, y_true)
        if X is not None and "sample_weight" in X:
            losses = losses * X["sample_weight"]
        return losses.mean()


class _StopTraining(Exception):
    """A callback has asked for the end of the training."""


@contextmanager
def _noted_interrupts():
    """Yield a list that holds something once the user has pressed Ctrl-C.

    Where another handler is set, or in another thread, which no signal reaches, it
    stays empty.
    """
    noted = []

    def note(*args):
        noted.append(True)
        signal.default_int_handler(*args)

    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if is_ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _read(unread, prefix):
    """Write scores into their rows of the history, and forget them."""
    if unread:
        rows, scores = zip(*unread, strict=True)
        for row, (loss, accuracy) in zip(
            rows, torch.stack(scores).tolist(), strict=True
        ):
            row |= {f"{prefix}_loss": loss, f"{prefix}_accuracy": accuracy}
        unread.clear()


def make_frame(history):
    """Return the columns of a history that `LSTMClassifier` shows."""
    columns = ["epoch", "train_loss", "train_accuracy", "valid_loss"]
    columns += ["valid_accuracy", "padding_share", "dur"]
    kept = [name for name in columns if name in history[-1]]
    return pd.DataFrame({name: history[:, name] for name in kept})


def clip_gradients(module):
    """Scale the deep branch's gradients down to a norm of _MAX_GRADIENT_NORM together.

    Those of the wide branch, which is linear, cannot explode.
    """
    gradients = []
    for name, parameter in module.named_parameters():
        if name.startswith("wide."):
            continue
        # `torch.nn.utils.clip_grad_norm_` refuses sparse ones.
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            gradients.append(parameter.grad.values())
        elif parameter.grad is not None:
            gradients.append(parameter.grad)
    norms = [torch.linalg.vector_norm(gradient) for gradient in gradients]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    scale = (_MAX_GRADIENT_NORM / (norm + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(scale)
