"""Encode texts as token ids, and build a classifier in its initial state."""

from pielab._moved import forward

__getattr__, __dir__ = forward("models")
