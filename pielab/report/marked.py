"""A sentence as HTML in which entities are marked."""

import html
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


def paragraph(text: str) -> str:
    """A paragraph of HTML that keeps its spaces."""
    return f'<p style="white-space: pre-wrap">{text}</p>'
