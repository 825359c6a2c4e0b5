"""Coverage of the interval of the excess, in a simulation with a known true excess: see null.md.

python docs/null_coverage.py
"""

import numpy as np

from pielab.analysis import null, pies

EXAMPLES, CLASSES, TRIALS, RESAMPLES = 500, 4, 200, 100
random = np.random.default_rng(0)
UNPRUNED = random.normal(0, 1.2, (EXAMPLES, CLASSES))
PRUNED = UNPRUNED / 2 + random.normal(0, 0.4, (EXAMPLES, CLASSES))


def models(mean: np.ndarray, seeds: int, spread: float) -> np.ndarray:
    """Class ids (seeds, examples), with noise per example and a bias of each model towards some classes."""
    noise = random.normal(0, 0.7, (seeds, EXAMPLES, CLASSES)) + random.normal(0, spread, (seeds, 1, CLASSES))
    return (mean + noise).argmax(axis=2)


def unpruned(seeds: int) -> np.ndarray:
    return models(UNPRUNED, seeds, 0.35)


def pruned(seeds: int) -> np.ndarray:
    return models(PRUNED, seeds, 0.5)


def true_excess(side: int, draws: int = 1000) -> float:
    shares = [
        pies.find(reference := unpruned(side), pruned(side)).mean() - pies.find(reference, unpruned(side)).mean()
        for _ in range(draws)
    ]
    return float(np.mean(shares))


def main() -> None:
    print("| seeds | true excess | mean estimate | mean width | interval holds the truth |")
    print("|---|---|---|---|---|")
    for seeds in (4, 8, 16, 30):
        truth = true_excess(seeds // 2)
        found = [
            null.estimate(unpruned(seeds), pruned(seeds), n_splits=RESAMPLES, n_bootstrap=RESAMPLES, seed=trial)
            for trial in range(TRIALS)
        ]
        held = sum(each.low <= truth <= each.high for each in found)
        width = np.mean([each.high - each.low for each in found])
        estimate = np.mean([each.excess for each in found])
        print(f"| {seeds} | {truth:.3f} | {estimate:.3f} | {width:.3f} | {held} of {TRIALS} |", flush=True)


if __name__ == "__main__":
    main()
