"""The streams of PyTorch 2.13, from facts recorded with it: bytes of results, words drawn, states."""

import hashlib
import json
import math
from functools import partial
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from jtorch import rng

CASES = json.loads((Path(__file__).parent / "golden.json").read_text())["cases"]
DTYPES = {name: np.dtype(name) for name in ("f2", "f4", "f8", "c8", "i1", "i2", "i4", "i8", "u1", "b1")}
DTYPES["bf16"] = np.dtype(ml_dtypes.bfloat16)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def samplers(engine):
    def centred(shape, bound):
        return rng.uniform(engine, shape, DTYPES["f4"], -bound, bound)

    names = [
        "uniform",
        "normal",
        "integers",
        "randperm",
        "bernoulli",
        "dropout_mask",
        "exponential",
        "geometric",
        "cauchy",
        "log_normal",
    ]
    names += ["poisson", "standard_gamma", "multinomial"]
    numpy = {name: getattr(np, name) for name in ("arange", "array", "ones", "tile", "zeros")}
    drawing = {name: partial(getattr(rng, name), engine) for name in names}
    return {**numpy, **drawing, **DTYPES, "sqrt": math.sqrt, "centred": centred}


@pytest.mark.filterwarnings("ignore:to - 1 is out of bounds:UserWarning")  # of random_(0, 2**30) in float32
@pytest.mark.parametrize("case", [case for case in CASES if "draw" in case], ids=lambda case: case["call"])
def test_golden(case):
    engine = rng.MT19937(case["seed"])
    results = eval(case["draw"], samplers(engine))
    results = results if isinstance(results, list) else [results]
    for result, (shape, dtype, bits) in zip(results, case["tensors"], strict=True):
        assert list(result.shape) == shape
        assert result.dtype.name == dtype
        assert digest(np.ascontiguousarray(result).tobytes()) == bits

    assert engine.cached_normal == case["cached"]
    expected = rng.MT19937(case["seed"])
    expected.words(case["words"])
    expected.cached_normal = case["cached"]
    assert engine.get_state().tobytes() == expected.get_state().tobytes()
    assert digest(engine.get_state().tobytes()) == case["state"]
