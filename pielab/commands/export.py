"""`pielab export`: the model of a study's seed as a folder that from_pretrained loads, with its model card."""

import shutil
from pathlib import Path
from typing import Any

from pielab.arguments import parser_for
from pielab.errors import PielabError, as_transient
from pielab.store import digests, files, paths, records

EXAMPLES = """examples:
  pielab export results/mine/reviews-bert-base-uncased/IMP-FT-90 --out reviews-imp-ft-90
  pielab export results/mine/reviews-bert-base-uncased/RTN-4/seeds/03 --out reviews-4-bit --license mit

The folder has config.json, model.safetensors, the tokenizer's files and README.md, the model card, for the Hub. Nothing
is pushed; the command that would is printed. The seeds need their weights: 02_prune with save_weights: true.
"""
CARD = "README.md"


def main(arguments: list[str], program: str = "pielab export") -> int:
    """Write the folder, and print what is in it and how to push it; the exit status.

    Raises PielabError, and writes nothing, for what is no transformer's seed with its weights, or a folder that is not
    an earlier output.
    """
    about = "Write the model of a study's seed as a folder that from_pretrained loads, with a model card of how it "
    parser = parser_for(program, about + "was compressed and which answers that changed.", EXAMPLES)
    parser.add_argument("model", metavar="FOLDER", help="of a configuration, or of one of its seeds")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="the folder to write")
    parser.add_argument("--seed", type=int, help="which seed of a configuration (the first that has its weights)")
    parser.add_argument("--license", metavar="ID", help="of the model, by the Hub's identifier, such as mit")
    given = parser.parse_args(arguments)
    seed_folder = _seed_folder(given.model, given.seed)
    record = _check(seed_folder)
    out = given.out.expanduser().absolute()
    _check_out(out)

    from pielab.report import model_card

    with as_transient(out), files.atomic_folder(out) as partial:
        _write_model(partial, seed_folder, record)
        card = model_card.text(seed_folder, partial, out.name, given.license)
        (partial / CARD).write_text(card, encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
    print(f"seed {record['seed']} of {seed_folder.parents[1]}: {given.out}, with its model card {given.out / CARD}")
    if not given.license:
        print(f"license: unknown; give --license, or set it in {given.out / CARD}")
    print(f"to push it: hf upload YOUR-NAME/{paths.slug(out.name)} {given.out}")
    return 0


def _seed_folder(given: str, seed: int | None) -> Path:
    """The folder of the seed that is meant by a configuration's, a seed's, or that of a seed's weights."""
    folder = paths.find(given)
    if folder is None or not folder.is_dir():
        raise PielabError(
            "nothing-to-export",
            f"there is no folder {given}",
            "give that of a configuration or of one of its seeds, such as results/mine/reviews-bert/IMP-FT-90",
        )
    folder = folder.resolve()
    if folder.name == "model" and folder.parents[1].name == "seeds":
        folder = folder.parent
    if folder.parent.name == "seeds":
        if seed is not None and seed != int(folder.name):
            raise PielabError(
                "seed-given-twice", f"{given} is the folder of a seed, and --seed is {seed}", "give one of the two"
            )
        return folder
    seeds = sorted(path.parent for path in folder.glob("seeds/[0-9]*/metrics.json"))
    if not seeds:
        raise PielabError(
            "no-seeds-to-export",
            f"{given} has no seeds, so it is no configuration of a study",
            "give the folder with seeds/ in it, such as results/mine/reviews-bert/IMP-FT-90",
        )
    if seed is None:
        return next((place for place in seeds if _has_weights(place)), seeds[0])
    if paths.seed(folder, seed) not in seeds:
        raise PielabError(
            "no-such-seed-to-export",
            f"{given} has no seed {seed}",
            f"give one of {', '.join(str(int(place.name)) for place in seeds)}",
        )
    return paths.seed(folder, seed)


def _check(folder: Path) -> dict[str, Any]:
    """The record of a seed; PielabError if from_pretrained could not load its weights, or they are damaged."""
    record = records.read(folder)
    p = record.get("parameters")
    if p is None:
        raise PielabError(
            "export-of-imported-predictions",
            f"{folder} holds predictions that were made elsewhere, without a model",
            "give a seed that pielab trained",
        )
    if p["model"] == "bilstm":
        raise PielabError(
            "export-of-bilstm",
            f"{folder} is a BiLSTM, which is no model of transformers, and from_pretrained loads no other",
            "give a seed of a transformer; pielab predict reads this one",
        )
    if not _has_weights(folder):
        raise PielabError(
            "export-without-weights",
            f"{folder} has predictions and no weights for transformers",
            f"delete {folder}, and run 02_prune again with save_weights: true",
        )
    listed = {name for name in digests.differing(folder) if name.startswith("model/")}
    if listed and (folder / digests.FOLDER_LIST).exists():
        raise PielabError(
            "weights-changed-since-trained",
            f"{folder}/{min(listed)} is not as it was written",
            records.retraining_cure(folder),
        )
    return record


def _has_weights(folder: Path) -> bool:
    """Whether a seed has the weights of a transformer; unpruned ones are without their configuration and tokenizer."""
    return (folder / "model").is_dir() or (
        folder.parents[1].name == paths.DENSE and (folder / "weights.safetensors").exists()
    )


def _write_model(out: Path, folder: Path, record: dict[str, Any]) -> None:
    """Write a seed's configuration, weights and tokenizer, those of an unpruned seed with what it started from."""
    if (folder / "model").is_dir():
        shutil.copytree(folder / "model", out, dirs_exist_ok=True)
        return
    from safetensors.torch import load_model

    from pielab.data import tasks
    from pielab.models import classifier, pretrained
    from pielab.training.tasks import TASKS

    classifier.check_same_files(str(folder), record)
    p, revision, classes = record["parameters"], record.get("model_revision"), record["classes"]
    models = TASKS[tasks.of_record(record).name].models
    encoder = models.encoder(p["model"], None, p["max_tokens"], revision=revision)
    layers = {"num_hidden_layers": p["num_hidden_layers"], "revision": revision}
    network = models.build(p["model"], len(classes), **layers)
    with records.checked_read(folder / "weights.safetensors", records.retraining_cure(folder)) as path:
        load_model(network, path)
    # It is a transformer, because a BiLSTM is refused.
    pretrained.save(out, network, encoder.tokenizer, classes, record["decision_threshold"] is not None)


def _check_out(out: Path) -> None:
    """Raises PielabError if the folder to write is there, and is not as this command wrote it."""
    paths.require_folder(out.parent)
    if not out.exists():
        return
    changed = digests.differing(out) if out.is_dir() else [out.name]
    if changed or not (out / CARD).exists():
        raise PielabError(
            "export-not-overwritten",
            f"{out} is there, and is no export or was changed since" + (f" ({changed[0]})" if changed else ""),
            "give another folder, or delete it",
        )
