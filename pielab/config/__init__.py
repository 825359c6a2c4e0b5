"""The parameters of each notebook and of a study, checked by name and value."""
