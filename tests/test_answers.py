"""The sentence that closes each notebook, and the pictures of what it does."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import make_texts

import pielab
from pielab.analysis import answers, null
from pielab.analysis import summary as summaries
from pielab.data import datasets
from pielab.report import figures
from pielab.store.predictions import Predictions

CONFIGURATION = {"dataset": "topics", "model": "bilstm", "pruner": "IMP-FT", "threshold": 90.0}


def test_the_effect_of_pruning_is_that_of_the_same_seeds():
    unpruned, pruned = pd.Series([0.80, 0.90, 0.85, 0.70]), pd.Series([0.79, 0.89, 0.84, 0.69])
    said = answers.of_pruning(unpruned, pruned, "accuracy", "IMP-FT at 90 %")
    assert said.startswith(
        "IMP-FT at 90 % changes mean test accuracy from 0.812 to 0.802, that is, by -1.0 [-1.0, -1.0] points (4 seeds)."
    )
    assert "(2 seeds; an interval takes three seeds)" in answers.of_pruning(unpruned[:2], pruned[:2], "accuracy", "x")
    mean, low, high = null.seed_interval(unpruned.to_numpy())
    assert answers.of_training(unpruned, "accuracy") == (
        f"Mean test accuracy of 4 unpruned models: {mean:.3f} [{low:.3f}, {high:.3f}], from 0.700 to 0.900."
    )
    assert "unpruned model: 0.800; an interval takes" in answers.of_training(unpruned[:1], "accuracy")


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0.4, 2.0, "so not all of them are retraining"),
        (-0.4, 2.0, "so they cannot be told from retraining"),
        (-2.0, -0.4, "fewer than retraining makes"),
        (math.nan, math.nan, "there is no interval below four seeds"),
    ],
)
def test_pies_are_told_from_retraining_by_the_interval(low, high, told):
    halved = {"halved_pies_percent": 3.5, "null_percent": 2.5, "excess_percent": (low + high) / 2}
    counts = {"pies": 30, "examples": 1000, "pies_percent": 3.0}
    said = answers.of_pies(counts | halved | {"excess_low": low, "excess_high": high})
    assert said.startswith(
        "30 of 1,000 test texts (3.0 %) are PIEs. Between halves of the seeds they are 3.5 %, where "
    )
    assert said.endswith(f", {told}.")


def test_the_last_bin_and_the_length_are_told_for_each_configuration():
    bins = pd.DataFrame({"bin": [1, 2], "examples": 20, "p_pie": [0.0, 0.3], "p_null": [0.0, 0.2]})
    bins = bins.assign(excess=bins["p_pie"] - bins["p_null"], low=-0.05, high=0.25, **CONFIGURATION)
    assert answers.of_el2n(bins) == [
        "IMP-FT at 90 %: of the 20 training examples with the highest EL2N 30.0 % are PIEs between halves of the "
        "seeds, 20.0 % by retraining alone: an excess of 10.0 [-5.0, 25.0] points."
    ]
    ratios = {"ratio": [1.2, 9], "low": [1.1, 9], "high": [1.3, 9], "halved": [1.18, 9], "null": [1.15, 9]}
    ratios |= {"more": [0.03, 9], "more_low": [-0.1, 9], "more_high": [0.16, 9]}
    table = pd.DataFrame({"score": ["length in tokens", "Dale-Chall"], **ratios}).assign(**CONFIGURATION)
    assert answers.of_readability(table) == [
        "IMP-FT at 90 %: PIEs are 1.20 [1.10, 1.30] times as long as all test texts; between halves of the seeds 1.18 "
        "times, where those that retraining alone changes are 1.15 times: a difference of 0.03 [-0.10, 0.16]."
    ]


@pytest.fixture(scope="module", params=["one label", "several"])
def data(request, tmp_path_factory):
    file = tmp_path_factory.mktemp("answers") / "texts.csv"
    texts = make_texts(120)
    several = request.param == "several"
    if several:
        texts["label"] = [f"{label};<b>more</b>" if place % 3 else label for place, label in enumerate(texts["label"])]
    texts.to_csv(file, index=False)
    return datasets.load(str(file), label_separator=";" if several else None)


def test_the_example_is_the_clearest_pie_and_its_votes_are_the_models(data):
    split, names = data["test"], datasets.class_names(data)
    thresholds = np.full(4, 0.5) if datasets.is_multi_label(data) else None
    logits = np.full((4, len(split), len(names)), -5.0, dtype=np.float32)
    logits[..., 0] = 5
    changed = logits.copy()
    changed[:, 7] = -logits[:, 7]
    changed[:1, 3] = -logits[:1, 3]
    dense, pruned = (Predictions(values, tuple(range(4)), thresholds) for values in (logits, changed))
    found = null.estimate(dense.classes, pruned.classes, n_splits=20, n_bootstrap=20)
    examples = summaries.examples(split, dense, pruned, found)
    text, shown = summaries.votes_of_one(examples, split, names, "RTN at 4 bits", dense, pruned)
    assert text == split["text"][7] and shown["answers"]["unpruned"] == [names[0]] * 4
    assert shown["answers"]["RTN at 4 bits"] == [shown["majorities"]["RTN at 4 bits"]] * 4 != [names[0]] * 4
    figures.vote_of_seeds(**shown).canvas.draw()
    # Where nothing changes there is an example too.
    examples = summaries.examples(split, dense, dense, null.estimate(dense.classes, dense.classes, n_splits=20))
    assert summaries.votes_of_one(examples, split, names, "x", dense, dense)[0] in split["text"]


def test_the_extremes_of_el2n_are_texts_with_their_labels(data):
    scores = np.random.default_rng(0).permutation(len(data["train"])) / 100
    table = pielab.el2n.extremes(scores, data["train"], 2, characters=10)
    assert table["EL2N"].tolist() == [0.0, 0.01, (len(scores) - 2) / 100, (len(scores) - 1) / 100]
    assert table["text"].tolist()[0] == data["train"]["text"][int(scores.argmin())][:10]
    known = set(datasets.class_names(data))
    assert all(set(label.split(", ")) <= known for label in table["label"])


def test_the_histogram_shows_every_weight_kept_or_pruned():
    values = {f"layer.{place}.weight": torch.randn(20 + place, 10) for place in range(8)}
    masks = pielab.masks.prune(pielab.masks.magnitude(values), pielab.masks.dense_masks(values), 0.7)
    figure = figures.weights(values, masks)
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    assert len(drawn) == 6 and drawn[0].get_title() == "layer.7.weight: 270, 70% pruned"
    counts = [sum(bar.get_height() for bar in bars) for bars in drawn[0].containers]
    # A thousandth at each end is beyond the axis.
    assert counts[1] == 189 and counts[0] in range(78, 82)
    one = figures.weights({"w": torch.randn(5, 5)}, {"w": torch.ones(5, 5, dtype=torch.bool)})
    assert len(one.axes) == 1


def test_the_half_split_is_drawn_of_any_number_of_seeds():
    for seeds in (2, 8, 30):
        figure = figures.half_split(seeds)
        assert {"null", "halved\nPIEs"} <= {text.get_text() for text in figure.axes[0].texts}
