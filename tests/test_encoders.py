"""Tokens, padding and word vectors."""

import re

import numpy as np
import pytest
from conftest import make_texts, refused

from pielab.config.parameters import TrainParameters
from pielab.data import datasets
from pielab.data.words import words
from pielab.models import batches, classifier, encoders, tokens, word_vectors
from pielab.training.experiment import prepare


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
    assert words(text) == expected


def test_texts_are_cut_and_filled_to_exactly_max_tokens(vectors_file):
    encoder = encoders.word_encoder(["cat dog"], 3, vectors_file)
    [(_, inputs, _)] = batches.to_device(
        encoder.encode(["cat dog cat dog", "dog", "unheard", ""]), encoder, "cpu"
    ).in_batches([np.arange(4)])
    ids = inputs["input_ids"]
    cat, dog = encoder.ids["cat"], encoder.ids["dog"]
    pad, unknown = encoders.PADDING, encoders.UNKNOWN
    assert ids.tolist() == [[cat, dog, cat], [dog, pad, pad], [unknown, pad, pad], [pad, pad, pad]]


def test_padding_and_unknown_words_are_the_papers(vectors_file):
    matrix = word_vectors.read(vectors_file).matrix
    for padding, expected in (("zero", np.zeros(6)), ("mean", matrix.mean(axis=0))):
        found = encoders.word_encoder(["cat"], 3, vectors_file, padding).vectors
        assert np.allclose(found[encoders.PADDING], expected, atol=1e-6)
        assert np.allclose(found[encoders.UNKNOWN], matrix.mean(axis=0), atol=1e-6)
    drawn = [encoders.word_encoder([text], 3, vectors_file).vectors[encoders.PADDING] for text in ("cat", "dog cow")]
    assert np.array_equal(*drawn) and not np.allclose(drawn[0], matrix.mean(axis=0))


def test_only_the_words_of_the_texts_keep_their_vectors_or_all(vectors_file):
    assert len(encoders.word_encoder(["cat dog qqq"], 3, vectors_file).vectors) == 4
    assert len(encoders.word_encoder(None, 3, vectors_file).vectors) == 42


def test_of_a_word_that_is_there_twice_the_first_vector_counts(tmp_path):
    (tmp_path / "v.txt").write_text("cat 1 2\ndog 3 4\ncat 5 6\n")
    for texts in (["cat dog"], None):
        encoder = encoders.word_encoder(texts, 3, str(tmp_path / "v.txt"))
        assert encoder.ids == {"cat": 2, "dog": 3} and encoder.vectors[2:].tolist() == [[1, 2], [3, 4]]
        assert encoder.vectors[encoders.UNKNOWN].tolist() == [3, 4]


def test_vectors_of_none_of_the_words_stop(vectors_file):
    with refused("no-word-with-vector", "vectors of the texts' language", "no vector for any of the texts' 1 words"):
        encoders.word_encoder(["zzz"], 3, vectors_file)


@pytest.mark.parametrize(
    ("texts", "share"),
    [
        (["cat dog zzz qqq"], 0.5),
        (["cat", "zzz"], 0.5),
        (["cat zzz. cat", ""], 0.5),
        (["cat [SEP] dog", "cow [SEP] sheep"], 0),
        (["CAT Dog"], 0),
        (None, 0),
    ],
)
def test_the_share_of_words_without_a_vector_is_known(vectors_file, texts, share):
    assert encoders.word_encoder(texts, 3, vectors_file).unknown_share == share


@pytest.mark.parametrize("texts", [["cat zzz qqq"], ["cat zzz zzz"], ["cat", "zzz", "qqq"], ["cat" + " zzz" * 99]])
def test_texts_most_of_whose_words_have_no_vector_are_warned_of(vectors_file, texts, capsys):
    classifier.encoder("bilstm", texts, 3, vectors_file)
    said = capsys.readouterr().err
    assert re.search(r"^warning: (67|99)% of the texts' words have no vector in .*; are the vectors of", said, re.M)


def test_glove_from_the_asset():
    encoder = classifier.encoder("bilstm", ["The court ruled on Tuesday"], 8)
    assert encoder.vectors.shape == (7, 50) and encoder.vectors.dtype == np.float32
    king, queen, bread = (classifier.encoder("bilstm", [word], 8).vectors[2] for word in ("king", "queen", "bread"))
    assert king @ queen / np.linalg.norm(queen) > 2 * (king @ bread / np.linalg.norm(bread))


def test_a_transformers_tokens_are_padded_to_the_longest_of_the_batch(tiny_bert):
    encoder = classifier.encoder(tiny_bert, [], 5)
    found = encoder.encode(["cat", "cat dog cow sheep goat bird", "cat [SEP] dog"])
    assert found.lengths.tolist() == [3, 5, 5]
    texts = batches.to_device(found, encoder, "cpu")
    (_, all_three, _), (_, full, _) = texts.in_batches([np.arange(3), np.array([2, 1])])
    assert all_three["input_ids"].shape == (3, 5) and all_three["attention_mask"].sum(axis=1).tolist() == [3, 5, 5]
    assert (all_three["input_ids"][0, 3:] == encoder.padding).all()
    assert full["input_ids"][0, 2] == encoder.tokenizer.sep_token_id and "attention_mask" not in full


@pytest.mark.parametrize("kind", ["words", "subwords"])
def test_the_tokens_of_many_texts_are_made_once_and_kept(kind, monkeypatch, tmp_path, vectors_file, tiny_bert):
    monkeypatch.setattr(tokens, "CACHE_FROM_CHARACTERS", 10)
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path))
    texts = ["cat dog. Cat", "dog", "unheard \n ü", ""]
    name, longest = ("bilstm", 3) if kind == "words" else (tiny_bert, 8)
    encoder = classifier.encoder(name, texts, longest, vectors_file)
    first = encoder.encode(texts)
    [path] = (tmp_path / "tokens").glob("*.safetensors")
    read_anew = []
    monkeypatch.setattr(encoders, "words", lambda text: read_anew.append(text) or [])
    if kind == "subwords":
        monkeypatch.setattr(type(encoder.tokenizer), "__call__", read_anew.append)
    again = encoder.encode(texts)
    assert np.array_equal(first.ids, again.ids) and np.array_equal(first.starts, again.starts) and not read_anew
    monkeypatch.undo()
    monkeypatch.setattr(tokens, "CACHE_FROM_CHARACTERS", 10)
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path))
    path.write_bytes(path.read_bytes()[:-5])  # a damaged one is made anew
    again = encoder.encode(texts)
    assert np.array_equal(first.ids, again.ids) and path.stat().st_size > 0
    assert not np.array_equal(encoder.encode(["dog", *texts[1:]]).ids, first.ids)
    if kind == "subwords":  # other tokens of the same texts
        assert classifier.encoder(name, texts, 3).encode(texts).lengths.max() == 3
    assert len(list((tmp_path / "tokens").glob("*.safetensors"))) == (2 if kind == "words" else 3)


def joined(pairs):
    return [f"{first} [SEP] {second}" for first, second in pairs]


A, B = "cat dog horse cow sheep goat bird fish", "bread milk cheese apple pear soup rice bean"
PAIRS = [(A, B), (A, "bread"), ("cat", B), (A[:7], B[:10]), ("", B), (A, ""), (A + " of the", B), (A, B + " of the")]


@pytest.mark.parametrize("max_tokens", [5, 6, 7, 8, 12, 13, 14, 19, 32])
def test_the_longer_text_of_a_pair_is_cut_as_transformers_do(tiny_bert, max_tokens):
    pairs = [pair for pair in PAIRS if pair[1]]  # transformers take an empty second text for none
    encoder = classifier.encoder(tiny_bert, joined(pairs), max_tokens)
    found = encoder.encode(joined(pairs), [first for first, _ in pairs])
    options = {"truncation": "longest_first", "max_length": max_tokens}
    expected = [encoder.tokenizer(*pair, **options)["input_ids"] for pair in pairs]
    assert [found[index : index + 1].ids.tolist() for index in range(len(pairs))] == expected


@pytest.mark.parametrize("kind", ["bilstm", "bert"])
@pytest.mark.parametrize("first", ["cat " * 40, "cat " * 9, "Cat, (dog)! " * 9, "cat [SEP] dog " * 5])
def test_opposite_second_texts_differ_however_long_the_first_is(kind, first, tiny_bert, vectors_file):
    pairs = [(first, "rain"), (first, "snow"), (first, "rain " * 30)]
    encoder = classifier.encoder("bilstm" if kind == "bilstm" else tiny_bert, joined(pairs), 8, vectors_file)
    found = encoder.encode(joined(pairs), [first for first, _ in pairs])
    assert len({found[index : index + 1].ids.tobytes() for index in range(3)}) == 3 and (found.lengths == 8).all()


def test_of_words_the_longer_text_of_a_pair_is_cut_too(vectors_file):
    encoder = classifier.encoder("bilstm", joined(PAIRS), 6, vectors_file)
    found = encoder.encode(joined(PAIRS), [first for first, _ in PAIRS])
    names = {number: word for word, number in encoder.ids.items()} | {encoders.UNKNOWN: "?"}
    rows = [" ".join(names[each] for each in found[index : index + 1].ids) for index in range(len(PAIRS))]
    assert rows[0] == "cat dog ? bread milk cheese" and rows[1] == "cat dog horse cow ? bread"
    assert rows[2] == "cat ? bread milk cheese apple" and rows[4] == "? bread milk cheese apple pear"


@pytest.mark.parametrize("kind", ["bilstm", "bert"])
def test_pairs_that_fit_are_encoded_as_one_text(kind, tiny_bert, vectors_file):
    encoder = classifier.encoder("bilstm" if kind == "bilstm" else tiny_bert, joined(PAIRS), 21, vectors_file)
    found, alone = encoder.encode(joined(PAIRS), [first for first, _ in PAIRS]), encoder.encode(joined(PAIRS))
    assert np.array_equal(found.ids, alone.ids) and np.array_equal(found.starts, alone.starts)


def test_max_tokens_too_few_for_both_texts_of_a_pair_are_refused(tiny_bert, vectors_file):
    for model, max_tokens in ((tiny_bert, 4), ("bilstm", 2)):
        encoder = classifier.encoder(model, joined(PAIRS), max_tokens, vectors_file)
        with refused("pair-does-not-fit", "raise max_tokens by 1 at least", "leaves no room for both texts"):
            encoder.encode(joined(PAIRS), [first for first, _ in PAIRS])


def test_the_cut_pairs_of_many_are_kept_apart_from_one_text(tiny_bert, monkeypatch, tmp_path):
    monkeypatch.setattr(tokens, "CACHE_FROM_CHARACTERS", 10)
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path))
    encoder, firsts = classifier.encoder(tiny_bert, joined(PAIRS), 8), [first for first, _ in PAIRS]
    cut, again, alone = (encoder.encode(joined(PAIRS), given) for given in (firsts, firsts, None))
    assert np.array_equal(cut.ids, again.ids) and not np.array_equal(cut.ids, alone.ids)


@pytest.mark.parametrize("kind", ["bilstm", "bert"])
def test_only_pairs_that_are_cut_otherwise_than_formerly_have_another_recipe(kind, given, tmp_path, tiny_bert):
    """A study that was begun with the former cut is refused, and any other goes on."""
    frame = make_texts(60)
    frame["pair"] = ["cat dog"] * 59 + [" ".join(["cat dog"] * 9)]
    frame.to_csv(tmp_path / "pairs.csv", index=False)
    given |= {"dataset": str(tmp_path / "pairs.csv"), "model": tiny_bert if kind == "bert" else "bilstm"}
    given = {name: value for name, value in given.items() if name in TrainParameters.model_fields}

    def recipe(**changes):
        p = TrainParameters(**given | changes)
        return prepare(p, datasets.load(**p.data)).recipe()

    fits, cut, one = (
        {"max_tokens": 31, "text_pair": "pair"},
        {"max_tokens": 9, "text_pair": "pair"},
        {"max_tokens": 6},
    )
    assert "truncation" not in recipe(**fits) and "truncation" not in recipe(**one)
    assert recipe(**cut)["truncation"] == "longest_first"
