"""What is removed from a model, in which order and how far."""
