"""The tokens of texts with the texts to generate from them.

A model without an encoder reads a text, the token that ends texts and the target, and its outputs from that token on
give the target's tokens and the end. A model with one reads the text, and its decoder the target one token later.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pielab.data.generation import MAX_ANSWER_TOKENS
from pielab.errors import PielabError
from pielab.models import tokens
from pielab.models.encoders import SubwordEncoder
from pielab.models.tokens import Tokens


@dataclass(frozen=True)
class TargetEncoder(SubwordEncoder):
    """A language model's own tokens.

    max_answer_tokens: the most that are generated, with the one that ends a text. end: that token. start: what a
        decoder reads first, of a model with an encoder; None of one without.
    """

    max_answer_tokens: int = MAX_ANSWER_TOKENS
    end: int = 0
    start: int | None = None

    def encode_targets(self, sources: Sequence[str], targets: Sequence[str], of: str = "the data") -> Tokens:
        """The tokens of texts, of which none is cut, with those of their targets, of which the ends are cut.

        of: what has the texts, such as "the train split", for messages.

        Raises PielabError if a text has more than `max_tokens`, or the model does not embed a token.
        """
        read = self._all(sources, "sources")
        longest = read.lengths.max(initial=0)
        if longest > self.max_tokens:
            raise PielabError(
                "source-does-not-fit",
                f"text {read.lengths.argmax() + 1} of {of} has {longest} tokens with the one that ends it, more than "
                f"max_tokens = {self.max_tokens}, and no text to generate from is cut",
                f"raise max_tokens to {longest}, or shorten the text",
            )
        return self.joined(read, self._all(targets, "targets").cut(self.max_answer_tokens))

    def encode_sources(self, sources: Sequence[str], of: str = "the data") -> Tokens:
        """The tokens of texts alone; refuses what `encode_targets` does."""
        return self.sources(self.encode_targets(sources, [""] * len(sources), of))

    def joined(self, read: Tokens, labels: Tokens) -> Tokens:
        """The tokens of texts, as `sources` gives them, with those to generate from them, one at least for each."""
        if self.start is not None:
            ids = np.append(np.int32(self.start), labels.ids[:-1])[: len(labels.ids)]
            ids[labels.starts[:-1]] = self.start
            decoder = Tokens(ids, labels.starts, first=np.ones(len(ids), dtype=bool))
            return replace(read, labels=labels.ids, decoder=decoder)
        # Nothing is read of the last label, which no other one follows.
        starts = tokens.starts_of(read.lengths + labels.lengths - 1)
        place = np.arange(starts[-1]) - np.repeat(starts[:-1], np.diff(starts))
        of_read = np.repeat(read.lengths, np.diff(starts))
        ids = np.empty(starts[-1], dtype=np.int32)
        ids[place < of_read] = read.ids
        ids[place >= of_read] = np.delete(labels.ids, labels.starts[1:] - 1)
        return Tokens(ids, starts, first=place >= of_read - 1, labels=labels.ids)

    def sources(self, encoded: Tokens) -> Tokens:
        """The tokens of texts alone, of which `joined` gave those with targets."""
        if encoded.first is None or encoded.word_starts is None:
            return replace(encoded, labels=None, decoder=None)
        lengths = encoded.lengths - np.diff(encoded.word_starts) + 1
        place = np.arange(len(encoded.ids)) - np.repeat(encoded.starts[:-1], encoded.lengths)
        return Tokens(encoded.ids[place < np.repeat(lengths, encoded.lengths)], tokens.starts_of(lengths))

    def n_cut(self, encoded: Tokens) -> int:
        """How many targets are cut, so that they have no end."""
        if encoded.labels is None or encoded.word_starts is None:
            return 0
        return int((encoded.labels[encoded.word_starts[1:] - 1] != self.end).sum())

    def n_unknown(self, encoded: Tokens) -> int:
        """How many texts, or their targets, have a part that no token stands for."""
        unknown = self.tokenizer.unk_token_id
        if encoded.labels is None or encoded.word_starts is None or unknown in {None, self.end} or not len(encoded):
            return 0
        of_text = np.logical_or.reduceat(encoded.ids == unknown, encoded.starts[:-1])
        of_target = np.logical_or.reduceat(encoded.labels == unknown, encoded.word_starts[:-1])
        return int((of_text | of_target).sum())

    def _all(self, texts: Sequence[str], kind: str) -> Tokens:
        """The tokens of sources or targets, with the one that ends them: a decoder's sources have it, too."""
        options: dict = {"verbose": False, "return_attention_mask": False}
        is_target, has_encoder = kind == "targets", self.start is not None
        if is_target:
            options |= {} if has_encoder else {"add_special_tokens": False}
        name = "text_target" if is_target and has_encoder else "text"

        def make() -> tuple[Tokens, list[str]]:
            rows = self.tokenizer(**{name: list(texts)}, **options)["input_ids"] if len(texts) else []
            if is_target or not has_encoder:
                rows = [row if row[-1:] == [self.end] else [*row, self.end] for row in rows]
            return tokens.join(rows), []

        if not self.tokenizer.is_fast:
            return self._checked(make()[0])
        made_by = [kind, has_encoder, self.end, self._rules()]
        return self._checked(tokens.cached(texts, json.dumps(made_by), make)[0])
