"""Decide between bfloat16 and float32."""

import math
import warnings
from functools import cache
from time import perf_counter

import torch

# A usual step: a smaller trial is dominated by overhead (see benchmarks/notes). On
# processors with AMX it takes 0.53 to 0.93 of the time of fp32, without AMX at least
# 1.2, so that noise does not decide.
_LENGTH, _N_TEXTS, _EMBEDDING_DIM, _HIDDEN_SIZE = 32, 64, 200, 64
_REPEATS = 5
_TOLERANCE = 0.05


def find_precision(precision, device, or_fp32=False):
    """Return the precision if the device supports it, else raise or warn."""
    if precision != "bf16" or math.isfinite(_cost_of_bf16(device.type)):
        return precision
    message = f"precision='bf16' is not available on this machine's {device.type}"
    if or_fp32:
        warnings.warn(f"{message}: fp32 is used.", UserWarning, stacklevel=3)
        return "fp32"
    raise ValueError(f"{message}; pass precision='auto' or 'fp32'.")


def use_bf16(precision, device, training):
    """Return whether to compute in bf16."""
    if precision == "auto":
        return training and _cost_of_bf16(device.type) < 1
    return precision == "bf16"


@cache
def _cost_of_bf16(device_type):
    """Return the time of an LSTM step in bf16 over that in fp32; inf if unsupported."""
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
    if not error.item() < _TOLERANCE:  # also if it is NaN
        return math.inf
    return min(seconds[True]) / min(seconds[False])


def _differentiate(lstm, inputs, bf16):
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = lstm(inputs)[0].float().pow(2).mean()
    return torch.autograd.grad(loss, lstm.weight_hh_l0)[0]
