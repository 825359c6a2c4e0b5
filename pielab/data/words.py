"""The word tokeniser of the BiLSTM, which also defines the length of a text."""

import re

SEPARATOR = " [SEP] "  # between the two texts of a pair
WORD = re.compile(r"[.,()!?']|[^\s.,()!?'\";:]+")


def words(text: str) -> list[str]:
    """Lower-cased words with punctuation split off, as torchtext's "basic_english" tokeniser gives them (A.2).

    Full stops, commas, brackets, ! ? and ' are tokens of their own; semicolons, colons and HTML line breaks
    separate words and vanish; double quotes vanish.
    """
    return WORD.findall(text.lower().replace("<br />", " ").replace('"', ""))
