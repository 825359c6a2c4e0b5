"""Overhead of pruning during training: ten steps of BERT-base with GMP, PINS-CE and PINS, and without.

    .venv/bin/python benchmarks/gradual.py [--small] [--repeats 3] [--json FILE]

Ten steps are one window: the importance is summed ten times, averaged, ranked and applied once. The batch is as short
as SNLI's, where a step costs least and pruning relatively most. Random weights; one thread, because seeds share cores.
"""

import copy
from functools import partial

import common
import masks
import torch
from torch import nn

from pielab.compression import gradual, pruners
from pielab.compression.schedules import Schedule
from pielab.training import distillation

STEPS, LEARNING_RATE, SPARSITY = 10, 2e-5, 0.8
SCHEDULE = Schedule(initial_phase=0.05, final_phase=0.3, window=STEPS, importance_beta=0.85, uncertainty_beta=0.99)


def prepare(name: str | None, small: bool) -> tuple:
    """A model with its optimizer and a batch; its pruner, halfway through the run; and a teacher."""
    model, optimizer, batch, weights, _ = masks.step(small)
    if name is None:
        return model, optimizer, batch, None, None
    doing = gradual.Gradual(weights, pruners.pruner(name), SPARSITY, 100 * STEPS, SCHEDULE)
    doing.step = 50 * STEPS
    teacher = copy.deepcopy(model).eval() if pruners.pruner(name).self_regularised else None
    return model, optimizer, batch, doing, teacher


def train(given: tuple) -> None:
    model, optimizer, batch, doing, teacher = given
    model.train()
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        output = model(**batch)
        loss = output.loss
        if teacher:
            with torch.no_grad():
                taught = teacher(**batch).logits
            loss = distillation.loss(output.logits, taught, batch["labels"])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if doing:
            doing.before_step(LEARNING_RATE)
        optimizer.step()
        if doing:
            doing.after_step()


def run(small: bool, repeats: int) -> list[dict]:
    common.use_cores(1)
    names = {"plain training": None} | {name: name for name in pruners.GRADUAL}
    prepared = {side: partial(prepare, name, small) for side, name in names.items()}
    case = f"{STEPS} steps of {masks.BATCH} x {masks.TOKENS} tokens"
    sides = dict.fromkeys(names, train)
    return common.measure("gradual", case, sides, prepare=prepared, repeats=repeats, alone=not small)


if __name__ == "__main__":
    common.main(run, __doc__.splitlines()[0], repeats=3)
