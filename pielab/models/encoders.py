"""Encode texts as token ids: words for the BiLSTM, the model's own subwords for a transformer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pielab.data.words import SEPARATOR, WORD, words
from pielab.errors import PielabError, warn
from pielab.models import candidates, tokens
from pielab.models.tokens import Tokens
from pielab.models.word_vectors import load

PADDING, UNKNOWN = 0, 1
# A larger share of unknown words, or of unknown characters, in the texts is warned of.
UNKNOWN_WARNED_OF = 0.5
# Questions that are tokenized at once, because a tokenizer's own lists need many times the memory of the arrays.
QUESTIONS_AT_ONCE = 1000


def split(texts: Sequence[str]) -> tuple[Tokens, Sequence[str]]:
    """The words of texts as indices into the distinct words, which come second in order of first use."""

    def make() -> tuple[Tokens, list[str]]:
        index: dict[str, int] = {}
        rows = [[index.setdefault(word, len(index)) for word in words(text)] for text in texts]
        return tokens.join(rows), list(index)

    return tokens.cached(texts, f"words {WORD.pattern}", make)


@dataclass(frozen=True)
class WordEncoder:
    """Word ids for the BiLSTM, padded to exactly `max_tokens`; the paper's BiLSTM reads the padding.

    vectors: (vocabulary, width) float32; row 0 is the padding, row 1 that of every unknown word.
    unknown_share: of the texts' words, how many have no vector. cuts_pairs: whether the longer text of a pair was cut.
    """

    padding: ClassVar[int] = PADDING
    ids: dict[str, int] = field(repr=False)
    vectors: np.ndarray = field(repr=False)
    max_tokens: int
    unknown_share: float = 0.0
    cuts_pairs: bool = False

    @property
    def width(self) -> int:
        return self.max_tokens

    def encode(self, texts: Sequence[str], firsts: Sequence[str] | None = None) -> Tokens:
        """The words of texts, cut to `max_tokens`; firsts: as of SubwordEncoder."""
        indices, distinct = split(texts)
        ids = np.array([self.ids.get(word, UNKNOWN) for word in distinct], dtype=np.int32)
        encoded = Tokens(ids[indices.ids], indices.starts)
        if not firsts:
            return encoded.cut(self.max_tokens)
        cut = {}
        for index in np.flatnonzero(encoded.lengths > self.max_tokens).tolist():
            row, first = encoded[index : index + 1].ids, len(words(firsts[index]))
            cut[index] = tokens.cut_pair(row, first, first + len(words(SEPARATOR)), self.max_tokens)
        return encoded.replace(cut).cut(self.max_tokens)


@dataclass(frozen=True)
class SubwordEncoder:
    """A transformer's own tokens, padded to the longest of the batch and masked.

    Masked padding leaves the logits unchanged, so texts of like length can share a batch, which saves padding.

    unknown_share: of the texts' characters, as `pretrained.unknown_share` gives it. n_embeddings: how many tokens the
        model embeds. cuts_pairs: whether the longer text of a pair was cut.
    """

    width: ClassVar[None] = None
    tokenizer: Any = field(repr=False)
    max_tokens: int
    padding: int
    unknown_share: float = 0.0
    n_embeddings: float = float("inf")
    cuts_pairs: bool = False

    def encode(self, texts: Sequence[str], firsts: Sequence[str] | None = None) -> Tokens:
        """The tokens of texts, each cut to `max_tokens`.

        firsts: of pairs, which `datasets.joined_texts` joins, the first texts; then the longer text of a pair is cut.

        Raises PielabError if the model does not embed a token, or `max_tokens` leaves nothing of one text of a pair.
        """
        return self._checked(self._encode(list(texts), firsts))

    def encode_with_types(self, firsts: Sequence[str], seconds: Sequence[str] | None = None) -> Tokens:
        """The tokens of texts or pairs as the tokenizer joins them, with their types if it gives any.

        That is how models are fine-tuned elsewhere; pielab's own read pairs as "first [SEP] second" (`encode`). The
        longer text of a pair is cut.

        Raises PielabError if the model does not embed a token.
        """
        options = {"truncation": True, "max_length": self.max_tokens, "verbose": False}
        encoded = self.tokenizer(list(firsts), seconds and list(seconds), **options)
        types = tokens.join(encoded["token_type_ids"]).ids if "token_type_ids" in encoded else None
        return replace(self._checked(tokens.join(encoded["input_ids"])), types=types)

    def encode_words(self, sentences: Sequence[Sequence[str]], of: str = "the data") -> Tokens:
        """The tokens of sentences of words, of which none is cut, with the first token of each word marked.

        The encoder is that of `tagging`. A word that becomes no token, such as a zero-width space, is read as an
        unknown one. of: what has the sentences, such as "the train split", for messages.

        Raises PielabError if a sentence has more than `max_tokens`, a word becomes no token and the tokenizer has none
        for unknown words, or the model does not embed a token.
        """

        def make() -> tuple[Tokens, list[str]]:
            given = [list(sentence) for sentence in sentences]
            for unknown in (self.tokenizer.unk_token, None):
                encoded = self.tokenizer(given or [[]], is_split_into_words=True, verbose=False)
                rows = [encoded.word_ids(index) for index in range(len(given))]
                if not (lost := _without_token(given, rows)):
                    break
                number, place = lost[0]
                if not unknown:
                    raise PielabError(
                        "word-without-token",
                        f"the word {given[number][place]!a} in sentence {number + 1} of {of} becomes no token of the "
                        "model, whose tokenizer has none for unknown words",
                        "remove it with its tag, or replace it by a word that can be seen",
                    )
                for number, place in lost:
                    given[number][place] = unknown
            neighbours = [pair for row in rows for pair in zip([None, *row], row, strict=False)]
            first = np.array([word not in (None, before) for before, word in neighbours], dtype=bool)
            return replace(tokens.join(encoded["input_ids"][: len(given)]), first=first), []

        written = [json.dumps(list(sentence)) for sentence in sentences]
        found = self._checked(tokens.cached(written, json.dumps(["words", self._rules()]), make)[0])
        longest = found.lengths.max(initial=0)
        if longest > self.max_tokens:
            number = found.lengths.argmax() + 1
            raise PielabError(
                "sentence-does-not-fit",
                f"sentence {number} of {of} has {longest} tokens, more than max_tokens = {self.max_tokens}, and no "
                "tagged word is left out",
                f"raise max_tokens to {longest}, or split the sentence",
            )
        return found

    def encode_questions(self, questions: Sequence[str], contexts: Sequence[str], of: str = "the data") -> Tokens:
        """The tokens of questions with their contexts, of which the ends are cut, with the candidates marked.

        The encoder is that of `question_answering`, and the tokens and types are those of tokenizer(question, context).
        of: as of `encode_words`.

        Raises PielabError if a question leaves no room for its context, or the model does not embed a token.
        """
        has_types = "token_type_ids" in self.tokenizer.model_input_names
        made_by = ["questions, whole words", self.max_tokens, self.tokenizer.truncation_side, has_types, self._rules()]

        def make() -> tuple[Tokens, list[str]]:
            self._check_room(questions, of)
            rows = []
            for start in range(0, len(questions), QUESTIONS_AT_ONCE):
                chosen = slice(start, start + QUESTIONS_AT_ONCE)
                rows += self._questions(list(questions[chosen]), list(contexts[chosen]))
            ids, types, first, offsets = zip(*rows, strict=True) if rows else ((),) * 4
            return replace(
                tokens.join(ids),
                types=tokens.join(types).ids if has_types else None,
                first=np.concatenate([np.empty(0, bool), *first]),
                offsets=np.concatenate([np.empty((0, 2), np.int32), *offsets]),
            ), []

        written = [json.dumps(pair) for pair in zip(questions, contexts, strict=True)]
        return self._checked(tokens.cached(written, json.dumps(made_by), make)[0])

    def _check_room(self, questions: Sequence[str], of: str) -> None:
        alone = self.tokenizer(list(questions) or [""], add_special_tokens=False, verbose=False)["input_ids"]
        lengths, special = list(map(len, alone)), self.tokenizer.num_special_tokens_to_add(pair=True)
        if (longest := max(lengths)) + special >= self.max_tokens:
            number = lengths.index(longest) + 1
            raise PielabError(
                "question-does-not-fit",
                f"question {number} of {of} has {longest} tokens, which with the {special} that the model adds leaves "
                f"none of max_tokens = {self.max_tokens} for its context",
                f"raise max_tokens to {longest + special + 1} at least, or shorten the question",
            )

    def _questions(self, questions: list[str], contexts: list[str]) -> list[tuple[np.ndarray, ...]]:
        """The ids and types of each question's tokens, which of them are candidates, and the offsets of these."""
        options = {"truncation": "only_second", "max_length": self.max_tokens, "verbose": False}
        options |= {"return_offsets_mapping": True, "return_attention_mask": False}
        encoded = self.tokenizer(questions, contexts, **options)
        types, rows = encoded.get("token_type_ids", encoded["input_ids"]), []
        for number, context in enumerate(contexts):
            ids = [np.array(each[number], dtype=np.int32) for each in (encoded["input_ids"], types)]
            is_context = np.array(encoded.sequence_ids(number)) == 1
            marked = candidates.of_context(np.array(encoded["offset_mapping"][number]), is_context, context)
            rows.append((*ids, *marked))
        return rows

    def _checked(self, encoded: Tokens) -> Tokens:
        highest = encoded.ids.max(initial=0)
        if highest >= self.n_embeddings:
            raise PielabError(
                "token-not-embedded",
                f"the texts have the token {self.tokenizer.convert_ids_to_tokens(int(highest))!r} of id {highest}, and "
                f"the model embeds the ids below {self.n_embeddings}",
                "give a model whose embeddings were resized when tokens were added to its tokenizer",
            )
        return encoded

    def _encode(self, texts: list[str], firsts: Sequence[str] | None) -> Tokens:
        options = {"truncation": True, "max_length": self.max_tokens, "return_attention_mask": False}

        def make() -> tuple[Tokens, list[str]]:
            encoded = tokens.join(self.tokenizer(texts, **options)["input_ids"] if texts else [])
            full = np.flatnonzero(encoded.lengths == self.max_tokens).tolist()
            return encoded.replace(self._cut_pairs(texts, firsts, full)) if firsts and full else encoded, []

        if not self.tokenizer.is_fast:  # only a fast one can list the rules that its tokens depend on
            return make()[0]
        pairs = [list(map(len, firsts))] if firsts else []
        return tokens.cached(texts, json.dumps([self.max_tokens, self._rules(), *pairs]), make)[0]

    def _rules(self) -> dict[str, Any]:
        """What the tokens of a fast tokenizer depend on."""
        rules = json.loads(self.tokenizer.backend_tokenizer.to_str())
        # These two keep the options of its last call.
        return {name: rule for name, rule in rules.items() if name not in {"truncation", "padding"}}

    def _cut_pairs(self, texts: list[str], firsts: Sequence[str], chosen: list[int]) -> dict[int, np.ndarray]:
        """The tokens of the chosen pairs that are longer than `max_tokens`, by their indices."""
        parts = [[firsts[index], texts[index][len(firsts[index] + SEPARATOR) :]] for index in chosen]
        pairs = [texts[index] for index in chosen]
        whole = self.tokenizer(pairs, verbose=False)["input_ids"]
        plain, first, second = (
            self.tokenizer(part, add_special_tokens=False, verbose=False)["input_ids"]
            for part in (pairs, *map(list, zip(*parts, strict=True)))
        )
        cut = {}
        for place, index in enumerate(chosen):
            row, special = plain[place], len(whole[place]) - len(plain[place])
            if len(whole[place]) <= self.max_tokens:
                continue
            # Those that the model adds before and after the text.
            before = next(number for number in range(special + 1) if whole[place][number:][: len(row)] == row)
            start, longest = len(first[place]), self.max_tokens - special
            row = tokens.cut_pair(row, start, max(start, len(row) - len(second[place])), longest)
            cut[index] = np.concatenate([whole[place][:before], row, whole[place][len(plain[place]) + before :]])
        return cut


def _without_token(sentences: Sequence[Sequence[str]], words_of: Sequence[Sequence[int | None]]) -> list[tuple]:
    """The words that became no token, as indices of a sentence and a word; words_of: of its tokens, whose they are."""
    return [
        (number, place)
        for number, (sentence, row) in enumerate(zip(sentences, words_of, strict=True))
        for place in sorted(set(range(len(sentence))).difference(row))
    ]


# The encoder of a BiLSTM, or of a transformer.
TextEncoder = WordEncoder | SubwordEncoder


def word_encoder(
    texts: Sequence[str] | None, max_tokens: int, word_vectors: str = "glove-6b-50d", padding: str = "random"
) -> WordEncoder:
    """An encoder for the words of `texts` that have a vector, or for all words with a vector if `texts` is None.

    Warns if most of the texts' words have none.

    word_vectors: "glove-6b-50d" (fetched), or the path of a text file with a word and its numbers on each line.
    padding: the vector that texts are padded with: "random" (one draw with the vectors' mean and standard deviation
        per dimension, the same in every run), "zero" or "mean". An unknown word gets the mean of all vectors (A.2).

    Raises PielabError if none of the words has a vector.
    """
    known = load(word_vectors)
    indices, distinct = (None, []) if texts is None else split(texts)
    asked = known.words.unique() if texts is None else pa.array(sorted(distinct), pa.string())
    rows = pc.index_in(asked, value_set=known.words)  # of a word with two vectors, the first counts
    vocabulary = asked.filter(rows.is_valid()).to_pylist()
    if not vocabulary:
        raise PielabError(
            "no-word-with-vector",
            f"word_vectors = {word_vectors!r} has no vector for any of the texts' {len(asked)} words",
            "give vectors of the texts' language, for words in lower case",
        )
    fill = {
        "random": np.random.default_rng(0).normal(known.mean, known.std),
        "zero": np.zeros_like(known.mean),
        "mean": known.mean,
    }[padding]
    special = np.array([fill, known.mean], dtype=np.float32)
    matrix = np.vstack([special, known.matrix[rows.drop_null().to_numpy()]])
    ids = {word: index for index, word in enumerate(vocabulary, start=2)}
    unknown = _unknown_share(indices, distinct, ids) if indices else 0.0
    if unknown > UNKNOWN_WARNED_OF:
        warn(
            f"{unknown:.0%} of the texts' words have no vector in {word_vectors}, and are all read as the same word; "
            "are the vectors of the texts' language, and for words in lower case?"
        )
    return WordEncoder(ids, matrix, max_tokens, unknown)


def _unknown_share(indices: Tokens, distinct: Sequence[str], ids: Mapping[str, int]) -> float:
    """The share of the words of texts, as `split` gives them, that have no id; separators of pairs are no words."""
    counts = np.bincount(indices.ids, minlength=len(distinct))
    counts[[word in words(SEPARATOR) for word in distinct]] = 0
    return float(counts[[word not in ids for word in distinct]].sum() / max(1, counts.sum()))
