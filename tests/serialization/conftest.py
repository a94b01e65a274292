"""Helpers of these tests that are scripts or watch the interpreter, loaded by path."""

import importlib.util
import sys
from pathlib import Path

import pytest


def by_path(name):
    """The module in a file of this folder, loaded once."""
    key = f"jtorch_tests_{name}"
    if key not in sys.modules:
        spec = importlib.util.spec_from_file_location(key, Path(__file__).parent / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[key] = module
        spec.loader.exec_module(module)
    return sys.modules[key]


@pytest.fixture
def canary():
    """``watched()``: what a load must not do."""
    return by_path("canary")


@pytest.fixture
def fuzzer():
    """Mutations of files and their measurement."""
    return by_path("fuzz")
