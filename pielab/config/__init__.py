"""What may be asked for: the parameters of each notebook and of a study, checked by name and value."""
