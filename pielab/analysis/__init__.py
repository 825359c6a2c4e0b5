"""Predictions in, numbers out: PIEs, their null, and pruners side by side. Nothing here needs torch."""

from pielab._moved import forward

__getattr__ = forward("analysis")
