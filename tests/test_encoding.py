"""Tokens, padding and word vectors."""

import numpy as np
import pytest

from pielab import encoding, models, vectors
from pielab.errors import PielabError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat sat.", ["the", "cat", "sat", "."]),
        ("Don't stop!", ["don", "'", "t", "stop", "!"]),
        ('He said: "No; (never)?"', ["he", "said", "no", "(", "never", ")", "?"]),
        ("one<br />two,three", ["one", "two", ",", "three"]),
        ("U.S. 3.5%", ["u", ".", "s", ".", "3", ".", "5%"]),
        ("  \n\t ", []),
    ],
)
def test_words_are_lower_case_with_punctuation_split_off(text, expected):
    assert encoding.words(text) == expected


def test_texts_are_cut_and_filled_to_exactly_max_tokens(vectors_file):
    encoder = encoding.word_encoder(["cat dog"], 3, vectors_file)
    rows = encoder.encode(["cat dog cat dog", "dog", "unheard", ""])
    ids = encoder.batch(rows)["input_ids"]
    cat, dog = encoder.ids["cat"], encoder.ids["dog"]
    pad, unknown = encoding.PADDING, encoding.UNKNOWN
    assert ids.tolist() == [[cat, dog, cat], [dog, pad, pad], [unknown, pad, pad], [pad, pad, pad]]


def test_padding_and_unknown_words_are_the_papers(vectors_file):
    matrix = vectors.read(vectors_file).matrix
    for padding, expected in (("zero", np.zeros(6)), ("mean", matrix.mean(axis=0))):
        found = encoding.word_encoder(["cat"], 3, vectors_file, padding).vectors
        assert np.allclose(found[encoding.PADDING], expected, atol=1e-6)
        assert np.allclose(found[encoding.UNKNOWN], matrix.mean(axis=0), atol=1e-6)
    drawn = [encoding.word_encoder([text], 3, vectors_file).vectors[encoding.PADDING] for text in ("cat", "dog cow")]
    assert np.array_equal(*drawn) and not np.allclose(drawn[0], matrix.mean(axis=0))


def test_only_the_words_of_the_texts_keep_their_vectors_or_all(vectors_file):
    assert len(encoding.word_encoder(["cat dog qqq"], 3, vectors_file).vectors) == 4
    assert len(encoding.word_encoder(None, 3, vectors_file).vectors) == 42


def test_of_a_word_that_is_there_twice_the_first_vector_counts(tmp_path):
    (tmp_path / "v.txt").write_text("cat 1 2\ndog 3 4\ncat 5 6\n")
    for texts in (["cat dog"], None):
        encoder = encoding.word_encoder(texts, 3, str(tmp_path / "v.txt"))
        assert encoder.ids == {"cat": 2, "dog": 3} and encoder.vectors[2:].tolist() == [[1, 2], [3, 4]]
        assert encoder.vectors[encoding.UNKNOWN].tolist() == [3, 4]


def test_vectors_of_none_of_the_words_stop(vectors_file):
    with pytest.raises(PielabError, match="no vector for any of the texts' 1 words"):
        encoding.word_encoder(["zzz"], 3, vectors_file)


def test_glove_from_the_asset():
    encoder = models.encoder("bilstm", ["The court ruled on Tuesday"], 8)
    assert encoder.vectors.shape == (7, 50) and encoder.vectors.dtype == np.float32
    king, queen, bread = (models.encoder("bilstm", [word], 8).vectors[2] for word in ("king", "queen", "bread"))
    assert king @ queen / np.linalg.norm(queen) > 2 * (king @ bread / np.linalg.norm(bread))


def test_a_transformers_tokens_are_padded_to_the_longest_of_the_batch(tiny_bert):
    encoder = models.encoder(tiny_bert, [], 5)
    rows = encoder.encode(["cat", "cat dog cow sheep goat bird", "cat [SEP] dog"])
    assert [len(row) for row in rows] == [3, 5, 5]
    batch = encoder.batch(rows)
    assert batch["input_ids"].shape == (3, 5) and batch["attention_mask"].sum(axis=1).tolist() == [3, 5, 5]
    assert rows[2][2] == encoder.tokenizer.sep_token_id
