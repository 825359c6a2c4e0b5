"""Readability of as many texts as in IMDB's test set, and the ratios of PIEs to all of them.

    .venv/bin/python benchmarks/readability.py [--small] [--repeats 5] [--json FILE]

Uses IMDB's own reviews if $PIELAB_DATA has them, otherwise BBC news passages of the same length. The other sides:
textstat's functions one after another in one process; a bootstrap that gathers the rows of each sample.
"""

import os
import tempfile
from functools import partial
from pathlib import Path

import common
import numpy as np
import pandas as pd

from pielab.analysis.examples import readability
from pielab.data.words import words
from pielab.errors import PielabError

TEXTS, RESAMPLES = 25_000, 1000


def make(folder: Path, number: int) -> str:
    """Write the texts to a file of the folder and return their description."""
    import lengths  # imported here, because each process that scores texts imports this module

    from pielab.data import datasets

    try:
        texts, kind = datasets.joined_texts(datasets.load("imdb", os.environ["PIELAB_DATA"])["test"]), "IMDB's reviews"
    except (KeyError, PielabError):
        news, kind = datasets.load("bbc-news"), "BBC passages of IMDB's lengths"
        random = np.random.default_rng(0)
        stream = " ".join(text for split in news.values() for text in datasets.joined_texts(split)).split(" ")
        numbers = lengths.draw(lengths.WORDS["imdb"], number, random)
        starts = random.integers(len(stream) - numbers)
        texts = [" ".join(stream[start : start + length]) for start, length in zip(starts, numbers, strict=True)]
    texts = [texts[index] for index in np.random.default_rng(0).permutation(len(texts))[:number]]
    pd.DataFrame({"text": texts}).to_parquet(folder / "texts.parquet")
    return kind


def read(folder: Path, warm: bool) -> list[str]:
    """Read the texts; warm: with their scores in a cache of this benchmark's own."""
    os.environ["PIELAB_CACHE"] = str(folder)
    texts = pd.read_parquet(folder / "texts.parquet")["text"].tolist()
    if warm:
        readability.scores(texts, common.CORES)
    return texts


def pielab_side(texts: list[str]) -> np.ndarray:
    return readability.scores(texts, common.CORES, cache=False).to_numpy()


def cached_side(texts: list[str]) -> np.ndarray:
    return readability.scores(texts).to_numpy()


def textstat_side(texts: list[str]) -> np.ndarray:
    from textstat import textstat

    rows = [
        (
            textstat.automated_readability_index(text),
            textstat.coleman_liau_index(text),
            textstat.flesch_kincaid_grade(text),
            textstat.linsear_write_formula(text),
            textstat.gunning_fog(text),
            textstat.dale_chall_readability_score(text),
            textstat.difficult_words(text),
            len(words(text)),
        )
        for text in texts
    ]
    return np.array(rows, dtype=float)


def made_scores(number: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Scores of synthetic texts, and which are PIEs."""
    random = np.random.default_rng(0)
    lengths = random.integers(20, 800, size=number).astype(float)
    table = pd.DataFrame({name: random.normal(10, 2, size=number) + lengths / 100 for name in readability.SCORES})
    return table.assign(**{readability.LENGTH: lengths}), random.random(number) < 0.05


def pielab_ratios(resamples: int, given: tuple) -> pd.DataFrame:
    return readability.ratios(*given, resamples)


def numpy_ratios(resamples: int, given: tuple) -> pd.DataFrame:
    table, found = given
    random, values, draws = np.random.default_rng(0), table.to_numpy(), []
    for _ in range(resamples):
        drawn = random.integers(len(values), size=len(values))
        draws.append(values[drawn][found[drawn]].mean(axis=0) / values[drawn].mean(axis=0))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    _, matched_low, matched_high = readability.matched_ratios(table, found.astype(float), resamples)
    return pd.DataFrame({"low": low, "high": high, "matched_low": matched_low, "matched_high": matched_high})


def intervals(table: pd.DataFrame) -> np.ndarray:
    return table[["low", "high", "matched_low", "matched_high"]].to_numpy()


def itself(values: np.ndarray) -> np.ndarray:
    return values


def run(small: bool, repeats: int) -> list[dict]:
    common.use_cores(1)
    rows = []
    options = {"alone": not small}
    # All texts once, because textstat takes minutes; a part of them several times.
    for number, times in [(30, repeats)] if small else [(TEXTS // 25, repeats), (TEXTS, 1)]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            kind = make(folder, number)
            sides = {"pielab": pielab_side, "textstat in one process": textstat_side}
            if number < TEXTS:
                sides["pielab's cache"] = cached_side
            case = f"eight scores of {number:,} of {kind}"
            told = options | {"prepare": partial(read, folder, number < TEXTS), "children": {"pielab": common.CORES}}
            found = common.measure(
                "readability", case, sides, summary=itself, same=np.array_equal, repeats=times, **told
            )
            rows += [row | {"compared": row["side"] != "pielab's cache"} for row in found]
    number, resamples = (200, 20) if small else (TEXTS, RESAMPLES)
    sides = {"pielab": partial(pielab_ratios, resamples), "numpy": partial(numpy_ratios, resamples)}
    case = f"ratios of {number:,} examples, {resamples:,} resamples"
    prepare = partial(made_scores, number)
    told = options | {"prepare": prepare, "summary": intervals, "same": np.allclose}
    return rows + common.measure("readability", case, sides, repeats=repeats, **told)


if __name__ == "__main__":
    common.main(run, __doc__.splitlines()[0])
