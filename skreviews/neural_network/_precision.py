"""Where bfloat16 works, and where it pays."""

import math
import warnings
from functools import cache
from time import perf_counter

import torch

# The trial is part of a usual step. On a Xeon with AMX it took 0.53 of the time of fp32
# on one thread and 0.79 on two, and 0.93 at most beside other programs; without AMX 1.2
# at least, so that chance does not decide there. A smaller one, of 32 texts and 64
# numbers a word, had 0.93 on two threads, where bf16 takes all of a fit on IMDb from
# 279 s to 183 s.
_LENGTH, _N_TEXTS, _EMBEDDING_DIM, _HIDDEN_SIZE = 32, 64, 200, 64
_REPEATS = 5
_TOLERANCE = 0.05


def find_precision(precision, device, or_fp32=False):
    """Return the precision of this name, if this device has it."""
    if precision != "bf16" or math.isfinite(_cost_of_bf16(device.type)):
        return precision
    message = f"precision='bf16' does not run on this machine's {device.type}"
    if or_fp32:
        warnings.warn(f"{message}: fp32 is used.", UserWarning, stacklevel=3)
        return "fp32"
    raise ValueError(f"{message}; pass precision='auto' or 'fp32'.")


def use_bf16(precision, device, training):
    """Tell whether to compute in bf16 there, in training or in prediction."""
    if precision == "auto":
        return training and _cost_of_bf16(device.type) < 1
    return precision == "bf16"


@cache
def _cost_of_bf16(device_type):
    """Return the time an LSTM takes in bf16, as a share of that in fp32.

    It is infinite where bf16 does not work.
    """
    if device_type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return 0.5 if native else math.inf
    if device_type != "cpu":
        return math.inf
    with torch.inference_mode(False), torch.enable_grad():
        return _time_bf16()


def _time_bf16():
    with torch.random.fork_rng(devices=[]):
        lstm = torch.nn.LSTM(_EMBEDDING_DIM, _HIDDEN_SIZE)
    shape = _LENGTH, _N_TEXTS, _EMBEDDING_DIM
    inputs = torch.linspace(-1, 1, math.prod(shape)).reshape(shape)
    seconds = {True: [], False: []}
    gradients = {}
    try:
        for _ in range(_REPEATS):
            for bf16 in (False, True):
                start = perf_counter()
                gradients[bf16] = _differentiate(lstm, inputs, bf16)
                seconds[bf16].append(perf_counter() - start)
    except RuntimeError:  # oneDNN: "could not create a primitive descriptor"
        return math.inf
    error = (gradients[True] - gradients[False]).norm() / gradients[False].norm()
    if not error.item() < _TOLERANCE:  # NaN is not either
        return math.inf
    return min(seconds[True]) / min(seconds[False])


def _differentiate(lstm, inputs, bf16):
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = lstm(inputs)[0].float().pow(2).mean()
    return torch.autograd.grad(loss, lstm.weight_hh_l0)[0]
