"""Texts to token ids, and a classifier in its initial state."""

from pielab._moved import forward

__getattr__ = forward("models")
