"""How hard a text is to read: seven scores and its length (Section 4.3), and how PIEs compare with all examples."""

import hashlib
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version

import numpy as np
import pandas as pd
from scipy import stats

from pielab import assets, encoding
from pielab.progress import Progress

# Name in the paper: name in textstat.
SCORES = {
    "automated readability index": "automated_readability_index",
    "Coleman-Liau": "coleman_liau_index",
    "Flesch-Kincaid grade": "flesch_kincaid_grade",
    "Linsear Write": "linsear_write_formula",
    "Gunning Fog": "gunning_fog",
    "Dale-Chall": "dale_chall_readability_score",
    "difficult words": "difficult_words",
}
LENGTH = "length in tokens"
CHUNK = 500


def scores(texts: Sequence[str], processes: int = 1, cache: bool = True) -> pd.DataFrame:
    """Eight columns, the seven scores of textstat and the length in words, and one row for each text.

    Scores differ between versions of textstat, so its version is part of what the cache knows a text by.
    processes: how many to share the work among.
    """
    whole = hashlib.sha256(version("textstat").encode())
    for text in texts:
        whole.update(text.encode("utf-8", "surrogatepass") + b"\0")
    stored = assets.cache_folder() / "readability" / f"{whole.hexdigest()[:32]}.parquet"
    if cache and stored.exists():
        return pd.read_parquet(stored)
    table = _score_all(list(texts), processes)
    if cache:
        stored.parent.mkdir(parents=True, exist_ok=True)
        partial = stored.with_suffix(f".{os.getpid()}.partial")
        table.to_parquet(partial)
        partial.replace(stored)
    return table


def ratios(table: pd.DataFrame, found: np.ndarray, resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How PIEs compare with all examples: one row for each column of `table` (Figure 5).

    table: scores of all examples. found: which of them are PIEs, bool (examples,).

    score; ratio, the mean over PIEs divided by the mean over all examples, with a 95 % bootstrap interval over
    examples, low to high; p, of Welch's t-test between PIEs and the rest; matched, the mean over PIEs divided by the
    mean over other examples weighted so that they have the PIEs' lengths (twenty bins): what is left of the ratio
    when length is taken away. NaN where there are too few PIEs, or too few others.
    """
    random = np.random.default_rng(seed)
    values = table.to_numpy(dtype=float)
    draws = []
    for _ in range(resamples if found.any() else 0):
        drawn = random.integers(len(values), size=len(values))
        if found[drawn].any():
            draws.append(values[drawn][found[drawn]].mean(axis=0) / values[drawn].mean(axis=0))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0) if draws else np.full((2, values.shape[1]), np.nan)
    enough = min(found.sum(), (~found).sum()) > 1
    missing = np.full(values.shape[1], np.nan)
    return pd.DataFrame(
        {
            "score": table.columns,
            "ratio": values[found].mean(axis=0) / values.mean(axis=0) if found.any() else missing,
            "low": low,
            "high": high,
            "p": stats.ttest_ind(values[found], values[~found], equal_var=False).pvalue if enough else missing,
            "matched": _matched_ratio(values, table[LENGTH].to_numpy(), found) if enough else missing,
        }
    )


def _matched_ratio(values: np.ndarray, lengths: np.ndarray, found: np.ndarray, bins: int = 20) -> np.ndarray:
    """Mean of PIEs over mean of others with the same lengths, (columns,); PIEs of a bin without others are left out."""
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, lengths, side="right")
    of_pies, of_others = (np.bincount(place[each], minlength=len(edges) + 1) for each in (found, ~found))
    kept = found & (of_others[place] > 0)
    if not kept.any():
        return np.full(values.shape[1], np.nan)
    weights = (of_pies / np.maximum(of_others, 1))[place[~found]]
    return values[kept].mean(axis=0) / np.average(values[~found], axis=0, weights=weights)


def _score_all(texts: list[str], processes: int) -> pd.DataFrame:
    chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
    with Progress("readability", len(chunks)) as progress:
        done = []
        for part in _map(chunks, processes):
            done.append(part)
            progress.step(f"{sum(map(len, done)):,} texts")
    return pd.DataFrame([row for part in done for row in part], columns=[*SCORES, LENGTH])


def _map(chunks: list[list[str]], processes: int):
    if processes == 1 or len(chunks) < 2:
        yield from map(_score_chunk, chunks)
        return
    # A forked child of a process with threads of its own can hang, so the children start afresh.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_score_chunk, chunks)


def _score_chunk(texts: list[str]) -> list[tuple[float, ...]]:
    from textstat import textstat

    functions = [getattr(textstat, name) for name in SCORES.values()]
    return [(*(float(function(text)) for function in functions), len(encoding.words(text))) for text in texts]
