"""A study of generated texts that no model wrote, for tests: predictions in its folders, and their data set."""

import functools
import json
from dataclasses import replace

import numpy as np
from datasets import Dataset, DatasetDict, Features, List, Value

from pielab.data import datasets, generation
from pielab.store import paths, predictions
from pielab.store.text_answers import GoldTexts, TextAnswers

NAMES = ("Alimentum", "Cotto", "Fitzbillies", "Giraffe", "Zizzi", "Loch Fyne")
FOODS = ("Italian", "French", "Indian", "English", "Chinese")
FEATURES = Features({"text": Value("string"), "targets": List(Value("string")), "group": Value("string")})


def sentences(name, food):
    """What may be written of a place, from the fullest to the emptiest."""
    return [
        f"{name} is a family-friendly place that serves {food} food.",
        f"{name} serves {food} food and is family friendly",
        f"There is a place called {name} with {food} food, and children are welcome.",
        f"{name} serves food.",
        f"The place {name}.",
    ]


def data(train=60, validation=20, test=60):
    """A data set of sources of a restaurant, with one or two targets each, as datasets.load gives it."""
    random, splits = np.random.default_rng(0), {}
    for split, number in {"train": train, "validation": validation, "test": test}.items():
        rows = []
        for place in range(number):
            name, food = f"{random.choice(NAMES)} {place}", str(random.choice(FOODS))
            written = sentences(name, food)[: 1 + place % 2]
            source = f"name[{name}] food[{food}] <b>"
            rows.append({"text": source, "targets": written, "group": "river" if place % 3 else "city"})
        splits[split] = Dataset.from_list(rows, features=FEATURES)
        splits[split].info.description = json.dumps({"classes": list(generation.CLASSES)})
    return DatasetDict(splits)


@functools.cache
def of_source(source, targets):
    """What may be written of a source, and the nearness of each."""
    written = sentences(*(part.split("]")[0] for part in source.split("[")[1:]))
    return written, generation.nearness(written, GoldTexts((targets,) * len(written)))


def draw(split, law, seeds, random):
    """Texts of models that write each sentence with these chances, (seeds, examples) TextAnswers."""
    # Each source has chances of its own, so that models agree on some of them.
    chances = np.random.default_rng(1).dirichlet(3 * np.array(law), len(split))
    texts, near = np.empty((seeds, len(split)), dtype=object), np.empty((seeds, len(split)), np.float32)
    for place, (source, chance) in enumerate(zip(split, chances, strict=True)):
        written, nearness = of_source(source["text"], tuple(source["targets"]))
        chosen = random.choice(len(written), seeds, p=chance)
        texts[:, place], near[:, place] = np.array(written, dtype=object)[chosen], nearness[chosen]
    scores = random.normal(-1, 0.1, (2, *texts.shape)).astype(np.float32)
    return TextAnswers(texts, near, *scores)


UNPRUNED, DAMAGED = (3, 3, 2, 1, 1), (1, 1, 1, 3, 4)


def write(folder, laws, seeds=6, dataset="texts", model="t5"):
    """Predictions of every configuration, by name, in the folders of a study; the first one is the unpruned models.

    laws: the chances of the sentences, by (method, setting).
    """
    splits, random = data(), np.random.default_rng(2)
    digest = datasets.digest(splits)
    for (method, setting), law in laws.items():
        configuration = paths.Configuration(dataset, model, method, setting)
        drawn = {split: draw(splits[split], law, seeds, random) for split in ("test", "train", "validation")}
        if method == "unpruned":
            drawn["early"] = draw(splits["train"], law, seeds, random)
            drawn["test-batch-size"] = replace(drawn["test"], texts=drawn["test"].texts.copy())
        for seed in range(seeds):
            threshold = float(np.median(drawn["validation"].nearness[seed])) if method == "unpruned" else None
            record = configuration.record | {"data": digest, "metric": "chrF", "task": "generation", "seed": seed}
            record |= {"decision_threshold": threshold, "test": float(drawn["test"].nearness[seed].mean())}
            target = paths.seed(configuration.folder(folder), seed)
            target.mkdir(parents=True)
            (target / "metrics.json").write_text(json.dumps(record))
            for split, answers in drawn.items():
                norms = random.uniform(0, 1.4, answers.shape[1]) if split in ("early", "test") else None
                predictions.write_answers(
                    target / f"{split}.parquet", answers[seed], record | {"split": split}, error_norms=norms
                )
    return splits
