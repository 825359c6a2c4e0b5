"""A study as notebooks to run: what it takes, how far it is, and one notebook as a job."""
