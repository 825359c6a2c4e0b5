"""The tokens with which an answer to a question may begin or end: those of gold answers, and the best answer of logits.

The candidates of a question are its first token, which stands for no answer, and the tokens of its context. Those of
all questions stand one after the other, marked by `Tokens.first`, with their places in the context in `Tokens.offsets`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np

from pielab.data.questions import MAX_ANSWER_TOKENS
from pielab.models.tokens import Tokens
from pielab.store.span_answers import GoldAnswers, SpanAnswers

NO_ANSWER = -1
# By the numbers of characters; the last is one that is seen, as are all behind it.
_IS_BLANK = np.array([chr(code).isspace() for code in range(0x3002)])


@dataclass(frozen=True)
class BestSpans:
    """The answer of one model to each question.

    texts: (questions,), "" for no answer. starts, ends: (questions,) int64, where it begins and ends in the context, in
    characters; `NO_ANSWER` for none. scores: (questions,) float64, the sum of the logits of its start and its end.
    null_scores: the same of no answer.
    """

    texts: tuple[str, ...] = field(repr=False)
    starts: np.ndarray = field(repr=False)
    ends: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)
    null_scores: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.texts)

    def answers(self, threshold: float | None) -> SpanAnswers:
        """These answers, or no answer wherever its score exceeds theirs by more than the threshold; nowhere if None."""
        texts = np.array(self.texts, dtype=object)
        none = np.zeros(len(self), dtype=bool) if threshold is None else self.null_scores - self.scores > threshold
        scores = np.where(none, self.null_scores, self.scores)
        return SpanAnswers(np.where(none, "", texts), np.where(none, NO_ANSWER, self.starts), scores.astype(np.float32))

    def best_threshold(self, right: np.ndarray, right_if_none: np.ndarray) -> float:
        """The threshold of `answers` with the highest mean of a metric, the lowest of equally good ones.

        right: (questions,), how right these answers are, from 0 to 1. right_if_none: the same of no answer.
        """
        if not len(self):
            return 0.0
        order = np.argsort(above := self.null_scores - self.scores, kind="stable")
        above = above[order]
        # At each of these thresholds, what does not exceed it is answered; at the first, nothing is.
        gains = np.concatenate([[0.0], np.cumsum((np.asarray(right, float) - right_if_none)[order])])
        thresholds = np.concatenate([[above[0] - 1], above])
        last_of_equal = np.append(thresholds[1:] > thresholds[:-1], True)
        # Rounded, so that the order of a sum decides nothing.
        return float(thresholds[last_of_equal][np.argmax(gains[last_of_equal].round(9))])


def of_context(offsets: np.ndarray, is_context: np.ndarray, context: str) -> tuple[np.ndarray, np.ndarray]:
    """Which tokens of a question with its context are candidates, bool (tokens,), and `Tokens.offsets` of these.

    A token of white space alone is none, and white space around a token is not part of it: some tokenizers count the
    space before a word to the word. Others take the first letter of a word for that space and leave it out, so what
    can be seen between two tokens is part of the second.

    offsets: (tokens, 2), where each token begins and ends in its text. is_context: bool (tokens,), whether this is the
        context; the first token is taken for no answer anyway.
    """
    is_context = np.append(False, is_context[1:])
    codes = np.frombuffer(context.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    is_blank = _IS_BLANK[np.minimum(codes, len(_IS_BLANK) - 1)]
    seen, offsets = np.flatnonzero(~is_blank), offsets.copy()
    offsets[is_context, 0] -= _left_out(offsets[is_context], is_blank, context)
    first, end = np.searchsorted(seen, np.where(is_context[:, None], offsets, 0)).T
    is_candidate = first < end
    places = np.column_stack([seen[first[is_candidate]], seen[end[is_candidate] - 1] + 1])
    is_candidate[0] = True
    return is_candidate, np.concatenate([[[NO_ANSWER, NO_ANSWER]], places]).astype(np.int32)


def _left_out(offsets: np.ndarray, is_blank: np.ndarray, context: str) -> np.ndarray:
    """How many characters that are seen stand right before each token, and are of no token before it."""
    begins, covered = offsets[:, 0], np.append(0, np.maximum.accumulate(offsets[:, 1]))[:-1]
    numbers = np.zeros(len(offsets), dtype=offsets.dtype)
    later = np.flatnonzero(covered < begins)
    for index in later[~is_blank[begins[later] - 1]]:
        gap = reversed(context[covered[index] : begins[index]])
        numbers[index] = sum(1 for _ in takewhile(lambda char: char.isprintable() and not char.isspace(), gap))
    return numbers


def gold(answers: GoldAnswers, tokens: Tokens) -> np.ndarray:
    """Each candidate's question, from 0, and whether the question's first gold answer begins and ends with it.

    (candidates, 3) int32. No answer begins and ends with the first token. An answer of which `max_tokens` cut some
    begins and ends with none.
    """
    starts, offsets = _candidates(tokens)
    firsts = [_first(texts, begins) for texts, begins in zip(answers.texts, answers.starts, strict=True)]
    begin, end = np.array(firsts, dtype=np.int64).reshape(-1, 2).T
    questions = np.repeat(np.arange(len(answers)), np.diff(starts))
    # Candidates are sorted by question and by place, and so by these numbers, as answers are.
    size = max(offsets.max(initial=0), end.max(initial=0)) + 2
    begins, ends = (questions * size + column for column in offsets.T.astype(np.int64))
    own = np.arange(len(answers)) * size
    start_at = np.searchsorted(ends, own + begin, side="right")
    end_at = np.searchsorted(begins, own + end) - 1
    none = begin == NO_ANSWER
    start_at[none] = end_at[none] = starts[:-1][none]
    # The last candidate may be the first token, whose place is before any answer's.
    is_kept = none | ((start_at <= end_at) & (end <= offsets[starts[1:] - 1, 1]) & (start_at < starts[1:]))
    is_kept &= none | (begin >= offsets[np.minimum(starts[:-1] + 1, len(offsets) - 1), 0])
    found = np.zeros((len(offsets), 3), dtype=np.int32)
    found[:, 0] = questions
    found[start_at[is_kept], 1] = found[end_at[is_kept], 2] = 1
    return found


def behind_cut(answers: GoldAnswers, tokens: Tokens) -> int:
    """How many questions have a first gold answer of which `max_tokens` cut some, so that no model can give it."""
    return len(answers) - int(gold(answers, tokens)[:, 1].sum())


def best_spans(
    logits: np.ndarray, tokens: Tokens, contexts: Sequence[str], max_answer_tokens: int | None = None
) -> BestSpans:
    """The span of each context with the highest sum of the logits of its start and its end, of so many tokens at most.

    Of equally high ones the one that begins first, and of these the shortest. It is no answer where the context has no
    token. logits: (candidates, 2).
    """
    starts, offsets = _candidates(tokens)
    start, end = logits.T.astype(np.float64)
    null_scores = (start + end)[starts[:-1]]
    start[starts[:-1]] = -np.inf
    left = np.repeat(starts[1:], np.diff(starts)) - np.arange(len(start))
    best, length = np.full(len(start), -np.inf), np.zeros(len(start), dtype=np.int64)
    for more in range(min(max_answer_tokens or MAX_ANSWER_TOKENS, left.max(initial=0))):
        ends = np.concatenate([end[more:], np.zeros(more)])
        scores = np.where(left > more, start + ends, -np.inf)
        is_better = scores > best
        best[is_better], length[is_better] = scores[is_better], more
    scores = np.maximum.reduceat(best, starts[:-1]) if len(tokens) else best
    questions = np.repeat(np.arange(len(tokens)), np.diff(starts))
    highest = np.flatnonzero(best == scores[questions])
    chosen = highest[np.searchsorted(questions[highest], np.arange(len(tokens)))]
    begins, ends = offsets[chosen, 0].astype(np.int64), offsets[chosen + length[chosen], 1].astype(np.int64)
    texts = tuple(
        context[begin:end] if begin >= 0 else ""
        for context, begin, end in zip(contexts, begins.tolist(), ends.tolist(), strict=True)
    )
    return BestSpans(texts, begins, ends, np.where(begins >= 0, scores, null_scores), null_scores)


def error_norms(logits: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """The mean over start and end of the L2 norm of p(x) - y over a question's candidates, (questions,) float64.

    If `max_tokens` cut the answer, what it begins with is another token, of probability 0. logits: (candidates, 2).
    gold: as of `gold`.
    """
    starts = np.flatnonzero(np.diff(gold[:, 0], prepend=-1))
    if not len(starts):
        return np.empty(0)
    lengths = np.diff(starts, append=len(gold))
    logits = logits.astype(np.float64)
    p = np.exp(logits - np.repeat(np.maximum.reduceat(logits, starts), lengths, axis=0))
    p /= np.repeat(np.add.reduceat(p, starts), lengths, axis=0)
    squares = np.add.reduceat((p - gold[:, 1:]) ** 2, starts) + 1 - np.add.reduceat(gold[:, 1:], starts)
    return np.sqrt(squares).mean(axis=1)


def _first(texts: Sequence[str], starts: Sequence[int]) -> tuple[int, int]:
    """Where the first of a question's gold answers begins and ends, without white space around it."""
    if not texts:
        return NO_ANSWER, NO_ANSWER
    text = texts[0]
    return starts[0] + len(text) - len(text.lstrip()), starts[0] + len(text.rstrip())


def _candidates(tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
    """Where each question's candidates begin, and the end of the last, (questions + 1,); and their offsets."""
    if tokens.offsets is None or tokens.word_starts is None:
        raise TypeError("these are no tokens of questions, which SubwordEncoder.encode_questions gives")
    return tokens.word_starts, tokens.offsets
