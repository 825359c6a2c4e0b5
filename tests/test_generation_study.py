"""A study of generated texts, by the cells of the notebooks in one process, of a GPT-2 and a T5."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from conftest import write_generator
from test_tagged_study import run

from pielab.__main__ import main
from pielab.store import paths, predictions

RUNS = {"control-FT": 0, "IMP-FT": 90, "PINS": 80, "RTN": 4}
# A T5 trains for longer, so fewer of them; rounding is what differs between the two, by the rows of GPT-2's matrices.
KINDS = {"gpt2": (range(6), RUNS), "t5": (range(4), {name: at for name, at in RUNS.items() if name != "RTN"})}
FOODS = [
    f"{kind} {food}" for kind in ("cheap", "good", "hot", "old") for food in ("fish", "rice", "soup", "pies", "eggs")
]


def write_facts(path, number, random):
    """Facts with a text or two that say each; gives all texts, and the facts in order of first appearance."""
    rows = []
    for place in range(number):
        food, where = FOODS[place % len(FOODS)], random.choice(["", " in the city"])
        texts = [f"They sell {food}{where}.", f"You can eat {food}{where}."]
        rows += [(f"food {food}{where}", texts[index]) for index in random.permutation(2)[: random.integers(1, 3)]]
    pd.DataFrame(rows, columns=["source", "target"]).to_csv(path, index=False)
    return [text for row in rows for text in row], list(dict.fromkeys(source for source, _ in rows))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a study that has run, with its test sources."""
    folder, random = tmp_path_factory.mktemp("texts"), np.random.default_rng(0)
    (folder / "data").mkdir()
    numbers = {"train": 16, "validation": 8, "test": 40}
    written = {split: write_facts(folder / f"data/{split}.csv", each, random) for split, each in numbers.items()}
    given = {"study": "texts", "results": str(folder / "results"), "dataset": str(folder / "data")}
    given |= {"max_tokens": 24, "max_answer_tokens": 20, "epochs": 2, "batch_size": 8, "learning_rate": 1e-2}
    given |= {"device": "cpu", "n_splits": 10, "n_bootstrap": 10, "save_weights": True}
    for kind, (seeds, runs) in KINDS.items():
        (folder / kind).mkdir()
        write_generator(folder / kind, kind, [text for texts, _ in written.values() for text in texts], 48)
        of_kind = given | {"model": str(folder / kind), "seeds": f"{seeds[0]}-{seeds[-1]}"}
        run(of_kind, "01_train")
        for pruner, threshold in runs.items():
            own = {"pruner": pruner, "threshold": threshold, "prune_pooler": pruner != "PINS", "window": 2}
            for name in ("02_prune", "03_pies"):
                run(of_kind | own, name)
        for name in ("04_el2n", "05_readability"):
            run(of_kind, name)
    run(given, "06_report")
    return folder / "results/texts", written["test"][1]


@pytest.mark.parametrize("kind", KINDS)
def test_the_seeds_have_texts_and_the_unpruned_ones_a_threshold(study, kind):
    pair, (seeds, of_kind) = study[0] / f"data-{kind}", KINDS[kind]
    names = {name if name == "control-FT" else f"{name}-{at}": name for name, at in of_kind.items()} | {"dense": ""}
    for name, pruner in names.items():
        sparsity = {"IMP-FT": 0.9, "PINS": 0.8}.get(pruner, 0)
        folders = [paths.seed(pair / name, seed) for seed in seeds]
        records = [json.loads((folder / "metrics.json").read_text()) for folder in folders]
        runs = predictions.read_seeds(pair / name, seeds)
        assert all(record["sparsity"] == pytest.approx(sparsity, abs=5e-4) for record in records)
        assert {record["task"] for record in records} == {"generation"}
        given = [record["decision_threshold"] for record in records]
        if pruner:
            assert given == [None] * len(seeds) and runs.classes.threshold is None
        else:
            assert runs.classes.threshold == pytest.approx(np.median(given))
        assert runs.shape == (len(seeds), len(study[1]), 2) and runs.classes.texts.any()
        assert runs.error_norms.shape == runs.shape[:2]


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_of_an_exported_models_card_gives_the_answers_of_the_study(study, kind, tmp_path, capsys):
    folder, sources = study
    for name in ("dense", "IMP-FT-90", *(["RTN-4"] if "RTN" in KINDS[kind][1] else [])):
        seed = paths.seed(folder / f"data-{kind}" / name, 1)
        assert main(["export", str(seed), "--out", str(tmp_path / name)]) == 0
        card = (tmp_path / name / "README.md").read_text()
        assert "pipeline_tag: text-generation" in card
        code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1].replace(f'"{name}"', repr(str(tmp_path / name)))
        expected = predictions.read_file(seed / "test.parquet").classes.texts
        for source, text in list(zip(sources, expected, strict=True))[:6]:
            names: dict = {}
            exec(re.sub(r"text = .*", f"text = {source!r}", code), names)
            assert names["answer"] == text
    capsys.readouterr()
