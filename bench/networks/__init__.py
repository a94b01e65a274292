"""Networks of many kinds, trained and applied by every contender: step, first step and memory."""

from bench.networks._cases import CASES
from bench.networks._contenders import CONTENDERS
from bench.networks._page import main

__all__ = ["CASES", "CONTENDERS", "main"]
