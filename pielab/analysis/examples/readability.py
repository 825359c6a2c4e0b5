"""Readability of texts: seven scores and the length (Section 4.3), for PIEs compared with all examples."""

import functools
import html
import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from pielab.analysis import intervals, null, results, tables
from pielab.config.parameters import ReadabilityParameters
from pielab.data.words import words
from pielab.errors import PielabError
from pielab.processes import run
from pielab.progress import Progress
from pielab.store import predictions
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
ENTITY = re.compile(r"&(?:#\d+|#x[0-9a-f]+|[a-z]+\d*);", re.IGNORECASE)
# Tags, with attributes or without, but not "a <b and c> d"; and the special tokens of encoders but for [SEP].
MARKUP = re.compile(
    r"</?[a-z][\w-]*(?:\s+[\w:-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'>]+))*\s*/?>|\[(?:CLS|PAD|UNK|MASK)\]", re.I
)
SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*$")


def scores(texts: Sequence[str], processes: int = 1, cache: bool = True) -> pd.DataFrame:
    """The seven scores of textstat and the length in words (eight columns), one row for each text without its `markup`.

    Scores differ between versions of textstat, so its version is part of the cache key.
    processes: the number of worker processes.
    """
    texts = [without_markup(text) for text in texts]
    make = functools.partial(_score_all, texts, processes)
    if not cache:
        return make()
    return derived("readability/{}.parquet", texts, version("textstat"), make, pd.read_parquet, pd.DataFrame.to_parquet)


def without_markup(text: str) -> str:
    """A text as people read it: entities of HTML as characters, no tags, no special tokens, pairs as two sentences.

    To textstat, "[SEP]" and "<br />" are words, long and unfamiliar ones.
    """
    text = MARKUP.sub(" ", ENTITY.sub(lambda entity: html.unescape(entity[0]), text))
    first, *others = [part.strip() for part in text.split("[SEP]") if part.strip()] or [""]
    for other in others:
        first += f"{' ' if SENTENCE_END.search(first) else '. '}{other}"
    return first


def has_ratio(table: pd.DataFrame) -> np.ndarray:
    """Which columns, bool (columns,), are compared by a ratio of means; the others by a difference.

    A grade level can be negative. Where the mean of all texts is not positive, or of scores of both signs is less than
    half their standard deviation, a ratio of means says nothing: its sign and size depend on how near to 0 the mean is.
    """
    mean = table.mean().to_numpy()
    return (mean > 0) & ((table.min().to_numpy() >= 0) | (mean >= table.std(ddof=0).to_numpy() / 2))


def ratios(
    table: pd.DataFrame,
    is_pie: np.ndarray,
    n_bootstrap: int = 200,
    seed: int = 0,
    confidence: float = intervals.RECORDED,
) -> pd.DataFrame:
    """How PIEs compare with all examples: one row for each column of `table` (Figure 5).

    table: scores of all examples. is_pie: which of them are PIEs, bool (examples,).

    Columns: score; mean, of all examples; pies_mean; unit, "ratio" or "difference", as `has_ratio` tells; ratio, the
    mean over PIEs divided by the mean over all examples, NaN if the unit is another; low and high, the bootstrap
    interval over examples of the ratio, or of the difference; p of Welch's t-test between PIEs and the rest; matched,
    the ratio or difference at equal length as `matched_ratios` gives it, with its interval over PIEs, matched_low to
    matched_high; confidence, the level of both intervals. NaN for fewer than two PIEs or fewer than two other examples.
    """
    random, ends = np.random.default_rng(seed), intervals.tails(confidence)
    values, is_ratio = table.to_numpy(dtype=float), has_ratio(table)
    draws, of_pies = [], values[is_pie]
    for _ in range(n_bootstrap if is_pie.any() else 0):
        # Counts of draws per example, because gathering the drawn rows takes six times as long.
        drawn = np.bincount(random.integers(len(values), size=len(values)), minlength=len(values)).astype(float)
        weights = drawn[is_pie]
        if weights.any():
            draws.append(_compare(weights @ of_pies / weights.sum(), drawn @ values / len(values), is_ratio))
    rows = pd.DataFrame({"score": table.columns, "mean": values.mean(axis=0)})
    rows["pies_mean"] = of_pies.mean(axis=0) if is_pie.any() else np.nan
    rows["unit"] = np.where(is_ratio, "ratio", "difference")
    rows["ratio"] = np.divide(rows["pies_mean"], rows["mean"], out=np.full(len(rows), np.nan), where=is_ratio)
    rows["low"], rows["high"] = np.quantile(draws, ends, axis=0) if draws else (np.nan, np.nan)
    enough = min(is_pie.sum(), (~is_pie).sum()) > 1
    rows["p"] = _welch(of_pies, values[~is_pie]) if enough else np.nan
    matched = matched_ratios(table, is_pie, n_bootstrap, seed, confidence) if enough else [np.nan] * 3
    rows["matched"], rows["matched_low"], rows["matched_high"] = matched
    return rows.assign(confidence=confidence)


def matched_ratios(
    table: pd.DataFrame,
    weights: np.ndarray,
    n_bootstrap: int = 0,
    seed: int = 0,
    confidence: float = intervals.RECORDED,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratios at equal length: the mean over PIEs divided by the mean over other examples of the same length.

    Each PIE is compared with the mean of the examples whose length is within 5 % of its own; PIEs without such examples
    are left out. weights: (examples,) from 0 to 1: 1 for a PIE. Where there is no ratio (`has_ratio`), a difference.

    Gives ratio, low and high, (columns,) each; the bootstrap interval is over PIEs, NaN without `n_bootstrap`.
    """
    values, lengths, weights = table.to_numpy(dtype=float), table[LENGTH].to_numpy(), np.asarray(weights, dtype=float)
    others = _means_of_equal_length(values, lengths, 1 - weights)
    matched = (weights > 0) & np.isfinite(others).all(axis=1)
    missing = np.full(values.shape[1], np.nan)
    if not matched.any():
        return missing, missing, missing
    own, others, weights = values[matched], others[matched], weights[matched]
    random, number = np.random.default_rng((seed, 2)), int(matched.sum())
    drawn = [random.multinomial(number, np.full(number, 1 / number)) for _ in range(n_bootstrap)]
    drawn = weights * np.array([np.ones(number), *drawn])
    drawn /= np.maximum(drawn.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    # Some scores, such as difficult words, can be zero in all other examples.
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio, *draws = _compare(drawn @ own, drawn @ others, has_ratio(table))
    low, high = np.quantile(draws, intervals.tails(confidence), axis=0) if draws else (missing, missing)
    return ratio, low, high


def beside_null(
    table: pd.DataFrame, dense: np.ndarray, pruned: np.ndarray, confidence: float = intervals.RECORDED
) -> pd.DataFrame:
    """How the examples on which models disagree compare with all, pruned models and the null: one row for each score.

    table: scores of all examples. dense, pruned: predictions of the same seeds, as `null.estimate` takes them.

    Columns: halved and null, the mean over disagreements of unpruned halves of the seeds with pruned and with unpruned
    ones, divided by the mean over all examples; more, their difference, with its interval over seeds, more_low and
    more_high; and the same with "_matched" after each, divided by the mean over all other examples as long (within 5
    %); confidence, the intervals' level. Differences in place of ratios where `has_ratio` says so. NaN without
    disagreements.
    """
    values, is_ratio = table.to_numpy(dtype=float), has_ratio(table)
    others = _means_of_equal_length(values, table[LENGTH].to_numpy(), np.ones(len(values)), without_own=True)
    alike = np.isfinite(others)
    reference = np.concatenate([np.broadcast_to(values.mean(axis=0), values.shape), np.where(alike, others, 0)], axis=1)
    values, is_ratio = np.tile(values, 2), np.tile(is_ratio, 2)
    counted = np.concatenate([np.ones_like(alike), alike], axis=1)
    columns, over = np.where(is_ratio, values, values - reference), np.where(is_ratio, reference, 1)
    found = null.beside_null(dense, pruned, columns * counted, over * counted, confidence=confidence)
    found = found.drop(columns="confidence").rename(columns={"low": "more_low", "high": "more_high"})
    whole, matched = found[: len(table.columns)], found[len(table.columns) :].reset_index(drop=True)
    return whole.join(matched.add_suffix("_matched")).assign(confidence=confidence)


def by_configuration(
    p: ReadabilityParameters, scores: pd.DataFrame, confidence: float = intervals.RECORDED
) -> pd.DataFrame:
    """How the PIEs of each configuration compare with all test examples, for each score (Figure 5).

    scores: of all test examples, as `scores` gives them. One row for each configuration and score, as
    `ratios` gives them, with p_corrected over all rows (Benjamini and Hochberg 1995), and as `beside_null` does.
    """
    study, parts = results.read(p.study_folder), []
    read = functools.cache(lambda folder, seeds: predictions.read_seeds(folder, seeds).classes)
    for folder, summary in results.pair_configurations(p, study):
        frame, record = study.pies(folder)
        if len(frame) != len(scores):
            raise PielabError(
                "scores-of-other-texts",
                f"{folder} has PIEs of {len(frame)} texts, and {len(scores)} were scored",
                "give the same limit",
            )
        is_pie, seeds = frame["pie"].to_numpy(), tuple(record["seeds"])
        dense, pruned = read(p.dense_folder, seeds), predictions.read_seeds(folder, seeds).classes
        of_all_seeds = ratios(scores, is_pie, p.n_bootstrap, confidence=confidence).drop(columns="confidence")
        table = of_all_seeds.join(beside_null(scores, dense, pruned, confidence))
        table = table.assign(pies=int(is_pie.sum()), examples=len(frame))
        parts.append(table.assign(**results.configuration_of(summary)))
    whole = pd.concat(parts, ignore_index=True)
    tested = whole["p"].notna()
    whole.loc[tested, "p_corrected"] = stats.false_discovery_control(whole.loc[tested, "p"])
    return whole


def format_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `by_configuration` as text, to read: each estimate with its interval."""
    shown = pd.DataFrame({"pruner": table["pruner"], "pruned": tables.setting_texts(table)})
    shown[["score", "unit"]] = table[["score", "unit"]]
    values = table.assign(value=table["ratio"].fillna(table["pies_mean"] - table["mean"]))
    shown["PIEs / all"] = tables.with_intervals(values, "value", "low", "high", digits=3)
    shown["p, corrected"] = [f"{p:.2g}" for p in table["p_corrected"]]
    for suffix, end in (("", ""), (", as long", "_matched")):
        if suffix:
            shown["PIEs / as long"] = tables.with_intervals(values, "matched", "matched_low", "matched_high", digits=3)
        for name in ("halved", "null"):
            shown[name + suffix] = [f"{value:.3f}" for value in table[name + end]]
        ends = (f"more{end}", f"more_low{end}", f"more_high{end}")
        shown["more" + suffix] = tables.with_intervals(table, *ends, digits=3)
    return tables.with_level(shown, table)


def of_study(study: Path | results.Results) -> pd.DataFrame:
    """The tables of `by_configuration` that 05_readability has written for all pairs of a study, in one frame.

    Without those of an earlier 05, which compared numbers from all seeds with a null from half of them.
    """
    table = results.read_pair_tables(study, "readability")
    return table.dropna(subset="unit", ignore_index=True) if "unit" in table else table[:0]


def _compare(mean: np.ndarray, reference: np.ndarray, is_ratio: np.ndarray) -> np.ndarray:
    return np.divide(mean, reference, out=mean - reference, where=is_ratio)


def _welch(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The p of Welch's t-test for each column; NaN where neither side varies."""
    moments = [(side.mean(axis=0), side.std(axis=0, ddof=1), len(side)) for side in (first, second)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return stats.ttest_ind_from_stats(*moments[0], *moments[1], equal_var=False).pvalue


def mean_of_others_as_long(score: pd.Series, length: pd.Series) -> pd.Series:
    """For each example the mean score of all others whose length is within 5 % of its own; NaN if there is none."""
    weights = np.ones(len(score))
    means = _means_of_equal_length(score.to_numpy()[:, None], length.to_numpy(), weights, without_own=True)
    return pd.Series(means[:, 0], score.index)


def _means_of_equal_length(
    values: np.ndarray, lengths: np.ndarray, weights: np.ndarray, without_own: bool = False
) -> np.ndarray:
    """For each example the weighted mean of all within 5 % of its length, (examples, columns); NaN for no weight."""
    order = np.argsort(lengths, kind="stable")
    weighted = np.c_[values, np.ones(len(values))] * weights[:, None]
    sums = np.vstack([np.zeros(values.shape[1] + 1), np.cumsum(weighted[order], axis=0)])
    first = np.searchsorted(lengths[order], 0.95 * lengths, side="left")
    last = np.searchsorted(lengths[order], 1.05 * lengths, side="right")
    within = sums[last] - sums[first] - without_own * weighted
    with np.errstate(invalid="ignore", divide="ignore"):
        # Differences of long cumulative sums are not exactly zero where no weight is.
        return np.where(within[:, -1:] > 1e-6, within[:, :-1] / within[:, -1:], np.nan)


def _score_all(texts: list[str], processes: int) -> pd.DataFrame:
    chunks = {start: texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)}
    rows: dict[int, list[tuple[float, ...]]] = {}
    with Progress("readability", len(chunks)) as progress:

        def receive(scored: tuple[int, list[tuple[float, ...]]]) -> None:
            rows.update([scored])
            progress.step(f"{sum(map(len, rows.values())):,} texts")

        if processes == 1 or sum(map(len, texts)) < PARALLEL_FROM:
            for chunk in chunks.items():
                _score_chunk(None, chunk, receive)
        else:
            run(_score_chunk, None, chunks.items(), processes, receive)
    return pd.DataFrame([row for start in chunks for row in rows[start]], columns=[*SCORES, LENGTH])


def _score_chunk(
    shared: None, chunk: tuple[int, list[str]], send: Callable[[tuple[int, list[tuple[float, ...]]]], None]
) -> None:
    """Send the scores of a chunk, which is the place of its first text and its texts, with that place."""
    from textstat import textstat

    start, texts = chunk
    functions = [getattr(textstat, name) for name in SCORES.values()]
    send((start, [(*(float(function(text)) for function in functions), len(words(text))) for text in texts]))
