"""A study as jobs: the plan of what it takes, its status, and running one of its notebooks."""
