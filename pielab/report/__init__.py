"""Figures, the paper's tables and HTML pages of a study's results."""

from pielab._moved import forward

__getattr__, __dir__ = forward("report")
