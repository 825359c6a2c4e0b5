"""Train and prune the seeds of a configuration.

`runs` finds the seeds that are missing, `workers` distributes them over processes, and `pruned_seed` prunes one
seed. It trains with `loop`, on the encoded texts of an `experiment`, and evaluates and writes the model with `seed`.
`tuning` searches for the hyperparameters of unpruned models.
"""

from pielab._moved import forward

__getattr__, __dir__ = forward("training")
