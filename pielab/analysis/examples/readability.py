"""How hard a text is to read: seven scores and its length (Section 4.3), and how PIEs compare with all examples."""

import hashlib
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
from pielab.store import files
from pielab.store.cache import cache_folder

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
# So many characters take about as long as it takes to start a second process and share them.
PARALLEL_FROM = 2_000_000


def scores(texts: Sequence[str], processes: int = 1, cache: bool = True) -> pd.DataFrame:
    """Eight columns, the seven scores of textstat and the length in words, and one row for each text.

    Scores differ between versions of textstat, so its version is part of what the cache knows a text by.
    processes: how many to share the work among.
    """
    whole = hashlib.sha256(version("textstat").encode())
    for text in texts:
        whole.update(text.encode("utf-8", "surrogatepass") + b"\0")
    stored = cache_folder() / "readability" / f"{whole.hexdigest()[:32]}.parquet"
    if cache and stored.exists():
        return pd.read_parquet(stored)
    table = _score_all(list(texts), processes)
    if cache:
        with files.atomic_file(stored) as partial:
            table.to_parquet(partial)
    return table


def ratios(table: pd.DataFrame, found: np.ndarray, n_bootstrap: int = 1000, seed: int = 0) -> pd.DataFrame:
    """How PIEs compare with all examples: one row for each column of `table` (Figure 5).

    table: scores of all examples. found: which of them are PIEs, bool (examples,).

    score; ratio, the mean over PIEs divided by the mean over all examples, with a 95 % bootstrap interval over
    examples, low to high; p, of Welch's t-test between PIEs and the rest; matched, the same as ratio at equal length,
    as `matched_ratios` gives it, with its interval over PIEs, matched_low to matched_high. NaN where there are too few
    PIEs, or too few others.
    """
    random = np.random.default_rng(seed)
    values = table.to_numpy(dtype=float)
    draws, of_pies = [], values[found]
    for _ in range(n_bootstrap if found.any() else 0):
        # How often each example is drawn: to gather the rows takes six times as long.
        drawn = np.bincount(random.integers(len(values), size=len(values)), minlength=len(values)).astype(float)
        weights = drawn[found]
        if weights.any():
            draws.append((weights @ of_pies / weights.sum()) / (drawn @ values / len(values)))
    low, high = np.quantile(draws, [0.025, 0.975], axis=0) if draws else np.full((2, values.shape[1]), np.nan)
    enough = min(found.sum(), (~found).sum()) > 1
    missing = np.full(values.shape[1], np.nan)
    matched, matched_low, matched_high = matched_ratios(table, found.astype(float), n_bootstrap, seed)
    return pd.DataFrame(
        {
            "score": table.columns,
            "ratio": values[found].mean(axis=0) / values.mean(axis=0) if found.any() else missing,
            "low": low,
            "high": high,
            "p": stats.ttest_ind(values[found], values[~found], equal_var=False).pvalue if enough else missing,
            "matched": matched if enough else missing,
            "matched_low": matched_low if enough else missing,
            "matched_high": matched_high if enough else missing,
        }
    )


def matched_ratios(
    table: pd.DataFrame, weights: np.ndarray, n_bootstrap: int = 0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is left of the ratios when length is taken away: the mean over PIEs divided by that over others as long.

    Each PIE is compared with the mean of the examples whose length is within 5 % of its own; PIEs without any are left
    out. weights: (examples,) from 0 to 1, how much each is a PIE; for the null, how often unpruned models disagree.

    Gives ratio, low and high, (columns,) each; the 95 % bootstrap interval is over PIEs, NaN without `n_bootstrap`.
    """
    values, lengths, weights = table.to_numpy(dtype=float), table[LENGTH].to_numpy(), np.asarray(weights)
    others = _means_of_equal_length(values, lengths, 1 - weights)
    kept = (weights > 0) & np.isfinite(others).all(axis=1)
    missing = np.full(values.shape[1], np.nan)
    if not kept.any():
        return missing, missing, missing
    own, others, weights = values[kept], others[kept], weights[kept]
    random, number = np.random.default_rng((seed, 2)), int(kept.sum())
    draws = []
    with np.errstate(
        invalid="ignore", divide="ignore"
    ):  # a score can be zero in all the others, such as difficult words
        for _ in range(n_bootstrap):
            drawn = weights * random.multinomial(number, np.full(number, 1 / number))
            draws.append((drawn @ own) / (drawn @ others))
        low, high = np.quantile(draws, [0.025, 0.975], axis=0) if draws else (missing, missing)
        return (weights @ own) / (weights @ others), low, high


def by_configuration(p: ReadabilityParameters, scores: pd.DataFrame) -> pd.DataFrame:
    """How the PIEs of each configuration compare with all test examples, for each score (Figure 5).

    scores: of all test examples, as `scores` gives them. One row for each configuration and score, as
    `ratios` gives them, with p_corrected over all of them (Benjamini and Hochberg 1995), and null and
    null_matched: the ratios of the examples on which unpruned models disagree, each as much as it is one of them.
    """
    parts = []
    for folder, summary in results.pair_configurations(p):
        frame, _ = results.read_pies(folder / "pies.parquet")
        if len(frame) != len(scores):
            raise PielabError(
                f"{folder} has PIEs of {len(frame)} texts, and {len(scores)} were scored: give the same limit."
            )
        table = ratios(scores, frame["pie"].to_numpy(), p.n_bootstrap)
        weights = frame["p_null"].to_numpy()
        null = np.average(scores, axis=0, weights=weights) / scores.mean() if weights.any() else np.nan
        null_matched, _, _ = matched_ratios(scores, weights)
        table = table.assign(null=np.asarray(null), null_matched=null_matched)
        parts.append(
            table.assign(pies=int(frame["pie"].sum()), examples=len(frame), **results.configuration_of(summary))
        )
    whole = pd.concat(parts, ignore_index=True)
    tested = whole["p"].notna()
    whole.loc[tested, "p_corrected"] = stats.false_discovery_control(whole.loc[tested, "p"])
    return whole


def _means_of_equal_length(values: np.ndarray, lengths: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """For each example the weighted mean of those within 5 % of its length, (examples, columns); NaN without any."""
    order = np.argsort(lengths, kind="stable")
    weighted = np.c_[values, np.ones(len(values))][order] * weights[order, None]
    sums = np.vstack([np.zeros(values.shape[1] + 1), np.cumsum(weighted, axis=0)])
    first = np.searchsorted(lengths[order], 0.95 * lengths, side="left")
    last = np.searchsorted(lengths[order], 1.05 * lengths, side="right")
    within = sums[last] - sums[first]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Sums over long runs leave a trace of rounding where there is nothing.
        return np.where(within[:, -1:] > 1e-6, within[:, :-1] / within[:, -1:], np.nan)


def _score_all(texts: list[str], processes: int) -> pd.DataFrame:
    chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
    with Progress("readability", len(chunks)) as progress:
        done = []
        for part in _map(chunks, processes):
            done.append(part)
            progress.step(f"{sum(map(len, done)):,} texts")
    return pd.DataFrame([row for part in done for row in part], columns=[*SCORES, LENGTH])


def _map(chunks: list[list[str]], processes: int):
    if processes == 1 or sum(len(text) for chunk in chunks for text in chunk) < PARALLEL_FROM:
        yield from map(_score_chunk, chunks)
        return
    # A forked child of a process with threads of its own can hang, so the children start afresh.
    options = {"mp_context": multiprocessing.get_context("spawn"), "initializer": end_with_parent}
    with ProcessPoolExecutor(processes, **options) as pool:
        yield from pool.map(_score_chunk, chunks)


def _score_chunk(texts: list[str]) -> list[tuple[float, ...]]:
    from textstat import textstat

    functions = [getattr(textstat, name) for name in SCORES.values()]
    return [(*(float(function(text)) for function in functions), len(words(text))) for text in texts]
