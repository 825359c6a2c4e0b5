"""The training loop, and a seed from its initial state to its folder."""

from pielab._moved import forward

__getattr__ = forward("training")
