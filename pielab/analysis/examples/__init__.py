"""Properties of PIEs: their influence on generalisation (EL2N), their readability, and their classes."""
