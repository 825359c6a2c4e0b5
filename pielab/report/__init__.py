"""Numbers in, pictures and pages out."""

from pielab._moved import forward

__getattr__ = forward("report")
