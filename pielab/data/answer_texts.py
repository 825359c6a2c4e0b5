"""Answers that are texts: when two are the same, and how right one is, as SQuAD scores it; "" is no answer."""

import functools
import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_ASCII_PUNCTUATION = dict.fromkeys(map(ord, string.punctuation))


def normalised_span(text: str) -> str:
    """A text in lower case, without punctuation of ASCII and the words a, an and the, with single spaces, as SQuAD's
    script has it."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_ASCII_PUNCTUATION)).split())


def normalised_text(text: str) -> str:
    """A text in lower case, with single spaces in place of white space, and of punctuation and symbols of any script.

    A hyphen is a space, so that "family-friendly" is "family friendly"; for `normalised_span` it is nothing.
    """
    return " ".join(text.lower().translate(_punctuation_and_symbols()).split())


def exact_match(answer: str, references: Sequence[str]) -> bool:
    """Whether an answer is one of the references but for what `normalised_span` takes away.

    references: none if the question has no answer.
    """
    return normalised_span(answer) in map(normalised_span, references or [""])


def f1(answer: str, references: Sequence[str]) -> float:
    """The largest `token_f1` of an answer and a reference; none if the question has no answer."""
    return max(token_f1(answer, reference) for reference in references or [""])


def token_f1(first: str, second: str) -> float:
    """The F1 of the words of two answers, counted as often as they occur, after `normalised_span`.

    If one has no words, 1 if the other has none either, and else 0, as for no answer in SQuAD 2.0.
    """
    one, other = (normalised_span(text).split() for text in (first, second))
    if not one or not other:
        return float(one == other)
    return 2 * (Counter(one) & Counter(other)).total() / (len(one) + len(other))


@functools.cache
def _punctuation_and_symbols() -> dict[int, str]:
    """A space for each, by Unicode's categories; for str.translate."""
    # A regular expression, [^\w\s], would take the vowels of scripts such as Devanagari too.
    return dict.fromkeys(
        (code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] in "PS"), " "
    )
