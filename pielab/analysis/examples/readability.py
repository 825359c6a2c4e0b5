"""Readability of texts: seven scores and the length (Section 4.3), for PIEs compared with all examples."""

import functools
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version

import numpy as np
import pandas as pd
from scipy import stats

from pielab.analysis import results
from pielab.config.parameters import ReadabilityParameters
from pielab.data.words import words
from pielab.errors import PielabError
from pielab.progress import Progress, end_with_parent
from pielab.store.cache import derived

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
# Scoring this many characters takes about as long as starting a second process and sharing the work with it.
PARALLEL_FROM = 2_000_000


def scores(texts: Sequence[str], processes: int = 1, cache: bool = True) -> pd.DataFrame:
    """The seven scores of textstat and the length in words (eight columns), one row for each text.

    Scores differ between versions of textstat, so its version is part of the cache key.
    processes: the number of worker processes.
    """
    make = functools.partial(_score_all, list(texts), processes)
    if not cache:
        return make()
    return derived("readability/{}.parquet", texts, version("textstat"), make, pd.read_parquet, pd.DataFrame.to_parquet)


def ratios(table: pd.DataFrame, is_pie: np.ndarray, n_bootstrap: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How PIEs compare with all examples: one row for each column of `table` (Figure 5).

    table: scores of all examples. is_pie: which of them are PIEs, bool (examples,).

    Columns: score; ratio, the mean over PIEs divided by the mean over all examples, with a 95 % bootstrap interval over
    examples, low to high; p of Welch's t-test between PIEs and the rest; matched, the ratio at equal length as
    `matched_ratios` gives it, with its interval over PIEs, matched_low to matched_high. NaN for fewer than two PIEs or
    fewer than two other examples.
    """
    random = np.random.default_rng(seed)
    values = table.to_numpy(dtype=float)
    draws, of_pies = [], values[is_pie]
    for _ in range(n_bootstrap if is_pie.any() else 0):
        # Counts of draws per example, because gathering the drawn rows takes six times as long.
        drawn = np.bincount(random.integers(len(values), size=len(values)), minlength=len(values)).astype(float)
        weights = drawn[is_pie]
        if weights.any():
            draws.append((weights @ of_pies / weights.sum()) / (drawn @ values / len(values)))
    rows = pd.DataFrame({"score": table.columns})
    rows["ratio"] = of_pies.mean(axis=0) / values.mean(axis=0) if is_pie.any() else np.nan
    rows["low"], rows["high"] = np.quantile(draws, [0.025, 0.975], axis=0) if draws else (np.nan, np.nan)
    enough = min(is_pie.sum(), (~is_pie).sum()) > 1
    rows["p"] = stats.ttest_ind(of_pies, values[~is_pie], equal_var=False).pvalue if enough else np.nan
    matched = matched_ratios(table, is_pie, n_bootstrap, seed) if enough else [np.nan] * 3
    rows["matched"], rows["matched_low"], rows["matched_high"] = matched
    return rows


def matched_ratios(
    table: pd.DataFrame, weights: np.ndarray, n_bootstrap: int = 0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratios at equal length: the mean over PIEs divided by the mean over other examples of the same length.

    Each PIE is compared with the mean of the examples whose length is within 5 % of its own; PIEs without such examples
    are left out. weights: (examples,) from 0 to 1: 1 for a PIE, or for the null, how often unpruned models disagree.

    Gives ratio, low and high, (columns,) each; the 95 % bootstrap interval is over PIEs, NaN without `n_bootstrap`.
    """
    values, lengths, weights = table.to_numpy(dtype=float), table[LENGTH].to_numpy(), np.asarray(weights, dtype=float)
    others = _means_of_equal_length(values, lengths, 1 - weights)
    matched = (weights > 0) & np.isfinite(others).all(axis=1)
    missing = np.full(values.shape[1], np.nan)
    if not matched.any():
        return missing, missing, missing
    own, others, weights = values[matched], others[matched], weights[matched]
    random, number = np.random.default_rng((seed, 2)), int(matched.sum())
    draws = []
    # Some scores, such as difficult words, can be zero in all other examples.
    with np.errstate(invalid="ignore", divide="ignore"):
        for _ in range(n_bootstrap):
            drawn = weights * random.multinomial(number, np.full(number, 1 / number))
            draws.append((drawn @ own) / (drawn @ others))
        low, high = np.quantile(draws, [0.025, 0.975], axis=0) if draws else (missing, missing)
        return (weights @ own) / (weights @ others), low, high


def by_configuration(p: ReadabilityParameters, scores: pd.DataFrame) -> pd.DataFrame:
    """How the PIEs of each configuration compare with all test examples, for each score (Figure 5).

    scores: of all test examples, as `scores` gives them. One row for each configuration and score, as
    `ratios` gives them, with p_corrected over all rows (Benjamini and Hochberg 1995), and null and
    null_matched: the ratios of the examples on which unpruned models disagree, weighted by P(null).
    """
    study, parts = results.read(p.study_folder), []
    for folder, summary in results.pair_configurations(p, study):
        frame, _ = study.pies(folder)
        if len(frame) != len(scores):
            raise PielabError(
                "scores-of-other-texts",
                f"{folder} has PIEs of {len(frame)} texts, and {len(scores)} were scored",
                "give the same limit",
            )
        is_pie, weights = frame["pie"].to_numpy(), frame["p_null"].to_numpy()
        null = np.average(scores, axis=0, weights=weights) / scores.mean() if weights.any() else np.nan
        null_matched, _, _ = matched_ratios(scores, weights)
        table = ratios(scores, is_pie, p.n_bootstrap).assign(null=np.asarray(null), null_matched=null_matched)
        table = table.assign(pies=int(is_pie.sum()), examples=len(frame))
        parts.append(table.assign(**results.configuration_of(summary)))
    whole = pd.concat(parts, ignore_index=True)
    tested = whole["p"].notna()
    whole.loc[tested, "p_corrected"] = stats.false_discovery_control(whole.loc[tested, "p"])
    return whole


def _means_of_equal_length(values: np.ndarray, lengths: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """For each example the weighted mean of all within 5 % of its length, (examples, columns); NaN for no weight."""
    order = np.argsort(lengths, kind="stable")
    weighted = np.c_[values, np.ones(len(values))][order] * weights[order, None]
    sums = np.vstack([np.zeros(values.shape[1] + 1), np.cumsum(weighted, axis=0)])
    first = np.searchsorted(lengths[order], 0.95 * lengths, side="left")
    last = np.searchsorted(lengths[order], 1.05 * lengths, side="right")
    within = sums[last] - sums[first]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Differences of long cumulative sums are not exactly zero where no weight is.
        return np.where(within[:, -1:] > 1e-6, within[:, :-1] / within[:, -1:], np.nan)


def _score_all(texts: list[str], processes: int) -> pd.DataFrame:
    chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
    with Progress("readability", len(chunks)) as progress:
        rows = []
        for chunk in _map(chunks, processes):
            rows += chunk
            progress.step(f"{len(rows):,} texts")
    return pd.DataFrame(rows, columns=[*SCORES, LENGTH])


def _map(chunks: list[list[str]], processes: int):
    if processes == 1 or sum(len(text) for chunk in chunks for text in chunk) < PARALLEL_FROM:
        yield from map(_score_chunk, chunks)
        return
    # A child forked from a process with threads can hang, so the workers are spawned.
    options = {"mp_context": multiprocessing.get_context("spawn"), "initializer": end_with_parent}
    with ProcessPoolExecutor(processes, **options) as pool:
        yield from pool.map(_score_chunk, chunks)


def _score_chunk(texts: list[str]) -> list[tuple[float, ...]]:
    from textstat import textstat

    functions = [getattr(textstat, name) for name in SCORES.values()]
    return [(*(float(function(text)) for function in functions), len(words(text))) for text in texts]
