"""Texts as long as those of the paper's data sets, made of BBC news, because the originals may be missing."""

import numpy as np

from pielab.data import datasets
from pielab.data.words import words

# Quantiles in steps of 5 % of the lengths of each data set's training texts: words, and bert-base-uncased's subwords,
# cut at the paper's max_tokens. Counted over 6,000 texts (SNLI: 6,000 of 20,000 pairs; AAPD: 1,000 validation texts).
WORDS = {
    "imdb": [11, 79, 110, 129, 140, 149, 158, 168, 179, 190, 205, 220, 241, 267, 296, 334, 385, 443, 537, 712, 1992],
    "snli": [8, 14, 15, 17, 17, 18, 19, 20, 20, 21, 22, 23, 24, 25, 26, 27, 28, 30, 33, 37, 82],
    "reuters": [5, 13, 21, 27, 33, 40, 47, 54, 62, 71, 79, 86, 93, 105, 130, 160, 185, 231, 289, 423, 1299],
    "aapd": [7, 63, 79, 97, 107, 117, 127, 135, 143, 151, 158, 167, 176, 188, 199, 211, 222, 237, 258, 294, 524],
}
SUBWORDS = {
    "imdb": [13, 89, 129, 149, 160, 170, 180, 191, 205, 218, 235, 255, 281, 311, 345, 391, 447, 512, 512, 512, 512],
    "snli": [10, 16, 18, 19, 20, 21, 22, 22, 23, 24, 25, 26, 26, 27, 29, 30, 31, 33, 36, 41, 88],
    "reuters": [9, 20, 31, 40, 46, 53, 61, 69, 77, 86, 94, 102, 110, 125, 152, 184, 210, 256, 256, 256, 256],
    "aapd": [9, 70, 89, 109, 120, 132, 142, 152, 161, 168, 176, 186, 196, 207, 222, 236, 251, 256, 256, 256, 256],
}
MAX_TOKENS = {"imdb": 512, "snli": 128, "reuters": 256, "aapd": 256}


def draw(quantiles: list[int], number: int, random: np.random.Generator) -> np.ndarray:
    """Lengths (number,) drawn from that distribution, interpolated linearly between its points."""
    return np.interp(random.random(number), np.linspace(0, 1, len(quantiles)), quantiles).round().astype(int)


def of_sentences(number: int, random: np.random.Generator) -> np.ndarray:
    """Lengths (number,) in words with the mean and the limits of CoNLL 2003's training sentences, as far as is known.

    Of these, 14,041 sentences have 203,621 words, and the longest 113; between them exponential, not counted.
    """
    return np.minimum(1 + random.exponential(203_621 / 14_041 - 1, size=number).round(), 113).astype(int)


def mean(quantiles: list[int]) -> float:
    """The mean of that distribution."""
    return float(np.trapezoid(quantiles, dx=1 / (len(quantiles) - 1)))


def texts(like: str, number: int, classes: int, several: bool = False, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Texts with the lengths of a data set, and their classes: ids (number,), or multi-hot (number, classes).

    several: a text has one class or two, with a piece of news from each.
    """
    random = np.random.default_rng(seed)
    news = datasets.load("bbc-news").values()
    labels = np.concatenate([datasets.targets(split) for split in news])
    articles = np.array([text for split in news for text in datasets.joined_texts(split)], dtype=object)
    of_class = [np.array(words(" ".join(articles[labels == label])), dtype=object) for label in range(classes)]
    made, hot = [], np.zeros((number, classes), dtype=np.float32)
    for index, length in enumerate(draw(WORDS[like], number, random)):
        chosen = random.choice(classes, size=1 + int(several and length > 20 and random.random() < 0.4), replace=False)
        piece = max(1, length // len(chosen))
        starts = [random.integers(len(of_class[label]) - piece) for label in chosen]
        pieces = [of_class[label][start : start + piece] for label, start in zip(chosen, starts, strict=True)]
        made.append(" ".join(np.concatenate(pieces)))
        hot[index, chosen] = 1
    return made, hot if several else hot.argmax(axis=1)
