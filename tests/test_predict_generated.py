"""pielab predict of texts to generate: language models and sources in, files that compare and import take out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from conftest import refused, write_generator

from pielab.__main__ import main
from pielab.commands import predict
from pielab.data import chrf, datasets
from pielab.store import paths, predictions

SOURCES = ["cat runs", "the dog sees the cat", "cat runs", "wolves near the dog"]
TARGETS = ["the cat runs", "a dog sees a cat", "a cat runs", "wolves are near"]
READS, WRITES = 12, 64


def run(*arguments):
    return predict.main([*map(str, arguments), "--device", "cpu", "--max-tokens", str(READS)])


def plain(folder, source):
    """What transformers alone write, greedily."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = "Seq2SeqLM" if config.is_encoder_decoder else "CausalLM"
    model = getattr(transformers, f"AutoModelFor{kind}").from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer(source)["input_ids"] + ([] if config.is_encoder_decoder else [tokenizer.eos_token_id])
    given = {"attention_mask": torch.ones((1, len(ids)), dtype=torch.long), "do_sample": False}
    found = model.generate(torch.tensor([ids]), max_new_tokens=WRITES, pad_token_id=tokenizer.eos_token_id, **given)
    start = 1 if config.is_encoder_decoder else len(ids)
    return tokenizer.decode(found[0, start:], skip_special_tokens=True).strip()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with two language models, and a folder of sources and targets."""
    monkeypatch.chdir(tmp_path)
    for kind in ("gpt2", "t5"):
        (tmp_path / kind).mkdir()
        write_generator(tmp_path / kind, kind, SOURCES + TARGETS, READS + WRITES)
        config = transformers.AutoConfig.from_pretrained(tmp_path / kind)
        assert config.architectures
    (tmp_path / "written").mkdir()
    pd.DataFrame({"mr": SOURCES, "ref": TARGETS}).to_csv("written/test.csv", index=False)
    return tmp_path


def test_models_write_as_transformers_do_and_compare_and_import_take_the_files(place, capsys):
    run("gpt2", "t5", "--data", "written/test.csv", "--text", "mr", "--target", "ref")
    said, models = capsys.readouterr().out, []
    distinct = [SOURCES[0], SOURCES[1], SOURCES[3]]
    for kind in ("gpt2", "t5"):
        table = pd.read_parquet(f"predictions/{kind}.parquet")
        assert list(table) == ["id", "text", "label", "prediction", "score"] and list(table["text"]) == distinct
        assert list(table["label"][0]) == ["the cat runs", "a cat runs"]
        models.append([plain(kind, source) for source in distinct])
        assert list(table["prediction"]) == models[-1] and (table["score"] < 0).all()
        score = np.mean([chrf.chrf(*each) for each in zip(models[-1], map(list, table["label"]), strict=True)])
        assert f"chrF {100 * score:.1f} %" in said
    assert "texts, written greedily" in said
    files = [f"predictions/{kind}.parquet" for kind in ("gpt2", "t5")]
    assert main(["compare", "--before", files[0], "--after", files[1], "--out", "page.html"]) == 0
    assert "cat runs" in Path("page.html").read_text()
    words = ["--study", "s", "--dataset", "written", "--model", "some", "--text", "mr", "--target", "ref"]
    assert main(["import-predictions", *files, *words]) == 0
    assert predictions.read_seeds("results/s/written-some/dense", range(2)).classes.texts.tolist() == models
    capsys.readouterr()
    run("gpt2", "--data", "written/test.csv", "--text", "mr", "--target", "ref")
    assert "there already" in capsys.readouterr().out


def test_sources_without_targets_and_columns_of_the_usual_names(place, capsys):
    run("t5", "--data", "written/test.csv", "--text", "mr", "--generate", "--limit", 2)
    found = pd.read_parquet("predictions/t5.parquet")
    assert list(found) == ["id", "text", "prediction", "score"] and list(found["text"]) == SOURCES[:2]
    assert "no texts that people wrote" in capsys.readouterr().out
    pd.DataFrame({"source": SOURCES, "target": TARGETS, "key": list("abcd")}).to_csv("usual.csv", index=False)
    run("t5", "--data", "usual.csv", "--id", "key", "--out", "usual")
    found = pd.read_parquet("usual/t5.parquet")
    assert list(found["id"]) == ["a", "b", "d"] and len(found["label"][0]) == 2


def test_what_does_not_fit_is_refused_and_nothing_is_written(place):
    given = ("--data", "written/test.csv", "--text", "mr", "--target", "ref")
    with refused("threshold-of-generated-texts", "leave it out", "--decision-threshold 0.5"):
        run("t5", *given, "--decision-threshold", 0.5)
    with refused("given-beside-sources", "--target names", "--label ref was given"):
        run("t5", *given, "--label", "ref")
    config = transformers.AutoConfig.from_pretrained("gpt2", num_labels=2)
    transformers.GPT2ForSequenceClassification(config).save_pretrained("classifier")
    transformers.AutoTokenizer.from_pretrained("gpt2").save_pretrained("classifier")
    with refused("no-generator", "such as a GPT-2 or a T5", "classifier is a GPT2ForSequenceClassification"):
        run("classifier", *given)
    with refused("no-sequence-classifier", "to classify texts", "gpt2 is a GPT2LMHeadModel"):
        run("gpt2", "--data", "written/test.csv", "--text", "mr")
    pd.DataFrame({"mr": [" ".join(["cat"] * 20)], "ref": ["a"]}).to_csv("long.csv", index=False)
    with refused("source-does-not-fit", "raise max_tokens to 2", "max_tokens = 12"):
        run("gpt2", "--data", "long.csv", "--text", "mr", "--target", "ref")
    assert not Path("predictions").exists()


def test_a_seed_writes_what_its_study_wrote(place, given):
    for split in ("train", "validation"):
        pd.DataFrame({"mr": SOURCES * 3, "ref": TARGETS * 3}).to_csv(f"written/{split}.csv", index=False)
    from pielab.config.parameters import PruneParameters, TrainParameters
    from pielab.training import runs
    from pielab.training.experiment import prepare

    of_data = {"dataset": "written", "text": "mr", "target": "ref", "results": str(place / "results"), "limit": None}
    values = given | of_data | {"model": str(place / "gpt2"), "max_tokens": READS, "max_answer_tokens": 6, "seeds": "1"}
    p = PruneParameters(**values | {"epochs": 1, "pruner": "RTN", "threshold": 4, "save_weights": True})
    data = datasets.load(**p.data)
    fields = TrainParameters.model_fields
    runs.train_dense(prepare(TrainParameters(**{name: getattr(p, name) for name in fields}), data))
    runs.train_pruned(prepare(p, data))
    for number, folder in enumerate((p.dense_folder, p.folder)):
        seed = paths.seed(folder, 1)
        run(seed, "--data", "written", "--text", "mr", "--target", "ref", "--out", f"out{number}")
        (file,) = Path(f"out{number}").glob("*.parquet")
        expected = predictions.read_file(seed / "test.parquet").classes
        found = pd.read_parquet(file)
        assert list(found["prediction"]) == expected.texts.tolist()
        np.testing.assert_allclose(found["score"], expected.scores, atol=1e-4)
