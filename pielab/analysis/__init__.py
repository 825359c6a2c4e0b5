"""From predictions to numbers: PIEs, their null, and comparisons of pruners. Nothing here needs torch."""

from pielab._moved import forward

__getattr__, __dir__ = forward("analysis")
