"""Train and prune the seeds of a configuration, and search for hyperparameters."""

from pielab._moved import forward

__getattr__, __dir__ = forward("training")
