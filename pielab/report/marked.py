"""A sentence as HTML in which entities are marked, or a context with answers."""

import html
import itertools
from collections.abc import Sequence


def sentence(words: Sequence[str], named: Sequence[str]) -> str:
    """The words, escaped, with the entities marked, which are as `entities.named` gives them and do not overlap."""
    parts = [entity.partition(" ") for entity in named]
    ends = {place.split("-")[0]: (int(place.split("-")[1]), kind) for place, _, kind in parts}
    shown, last, kind = [], -1, ""
    for place, word in enumerate(words):
        opening, closing = "", ""
        if str(place) in ends:
            last, kind = ends[str(place)]
            opening = f'<mark title="{html.escape(kind)}">'
        if place == last:
            closing = f" <sub>{html.escape(kind)}</sub></mark>"
        shown.append(f"{opening}{html.escape(word)}{closing}")
    return " ".join(shown)


def context(text: str, answers: Sequence[str]) -> str:
    """A context, escaped, with the first place of each answer marked; answers are as "12 Ada Lovelace", "-1 " for none.

    Answers that overlap are marked as one.
    """
    inside = [False] * len(text)
    for answer in answers:
        start, _, words = answer.partition(" ")
        for place in range(int(start), int(start) + len(words)):
            inside[place] = True
    parts = []
    for is_marked, run in itertools.groupby(range(len(text)), key=inside.__getitem__):
        shown = html.escape("".join(text[place] for place in run))
        parts.append(f"<mark>{shown}</mark>" if is_marked else shown)
    return "".join(parts)


def paragraph(text: str) -> str:
    """A paragraph of HTML that keeps its spaces."""
    return f'<p style="white-space: pre-wrap">{text}</p>'
