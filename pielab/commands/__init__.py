"""The commands of `pielab` that are more than one call of another package; `pielab/__main__.py` lists all."""
