"""A sentence as HTML in which entities are marked, a context with answers, or texts with the words that differ."""

import difflib
import html
import itertools
from collections.abc import Sequence

from pielab.data.answer_texts import normalised_text


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


def differing(first: str, second: str) -> tuple[str, str]:
    """Two texts, escaped, with the words of each marked that the other lacks at that place.

    Words are the same if `normalised_text` takes them as the same.
    """
    words = [[(word, place) for place, word in enumerate(text.split())] for text in (first, second)]
    parts = [[(part, place) for word, place in each for part in normalised_text(word).split()] for each in words]
    first_parts, second_parts = ([part for part, _ in each] for each in parts)
    matcher = difflib.SequenceMatcher(None, first_parts, second_parts, autojunk=False)
    only: tuple[set[int], set[int]] = (set(), set())
    for kind, *ends in matcher.get_opcodes():
        if kind != "equal":
            for side, (begin, end) in enumerate((ends[:2], ends[2:])):
                only[side].update(place for _, place in parts[side][begin:end])
    one, other = (_with_marks(text.split(), places) for text, places in zip((first, second), only, strict=True))
    return one, other


def _with_marks(words: Sequence[str], places: set[int]) -> str:
    runs = []
    for is_marked, run in itertools.groupby(range(len(words)), key=places.__contains__):
        shown = html.escape(" ".join(words[place] for place in run))
        runs.append(f"<mark>{shown}</mark>" if is_marked else shown)
    return " ".join(runs)


def texts(source: str, targets: Sequence[str], unpruned: str, pruned: str) -> str:
    """A source, what people wrote for it, and the texts of two sides beside each other, with the words that differ."""
    written = [f"<b>label</b>: {html.escape(target)}" for target in targets]
    beside = zip(("unpruned", "pruned"), differing(unpruned, pruned), strict=True)
    columns = "".join(f'<div style="flex: 1">{paragraph(f"<b>{side}</b>: {text}")}</div>' for side, text in beside)
    shown = [paragraph(text) for text in (f"<b>source</b>: {html.escape(source)}", *written)]
    if normalised_text(unpruned) == normalised_text(pruned):
        shown.append(paragraph("The same text is most like those of either side, though their votes differ."))
    return f'{"".join(shown)}<div style="display: flex; gap: 2em">{columns}</div>'


def paragraph(text: str) -> str:
    """A paragraph of HTML that keeps its spaces."""
    return f'<p style="white-space: pre-wrap">{text}</p>'
