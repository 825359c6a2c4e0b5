"""What a folder of save_pretrained must have to be predicted with: its files, and the configuration of a classifier."""

import json
from pathlib import Path
from typing import Any

from pielab.errors import PielabError
from pielab.models import classifier, generation, pretrained, question_answering, tagging

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def check(given: str, folder: Path) -> None:
    """Raises PielabError if a folder cannot be that of a whole model in safetensors."""
    names = sorted(file.name for file in folder.iterdir())
    if "adapter_config.json" in names:
        with pretrained.loading(given):
            base = json.loads((folder / "adapter_config.json").read_text()).get("base_model_name_or_path")
        raise PielabError(
            "model-is-an-adapter",
            f"{given} is an adapter of {base}, and no whole model",
            "merge the two and save them, by merge_and_unload() and save_pretrained of peft, and give that folder",
        )
    if "config.json" not in names:
        inside = sorted(path.parent.relative_to(folder).as_posix() for path in folder.glob("*/config.json"))
        inside += sorted(path.parent.relative_to(folder).as_posix() for path in folder.glob("**/seeds/*/metrics.json"))
        raise PielabError(
            "no-model-in-folder",
            f"{given} has no config.json",
            f"give a folder with one, such as {given}/{inside[0]}" if inside else "give a folder of save_pretrained",
        )
    if not {"model.safetensors", classifier.INDEX} & set(names):
        pickles = [name for name in names if name.endswith(PICKLES) and name != "training_args.bin"]
        if pickles:
            raise PielabError(
                "weights-are-a-pickle",
                f"{given} has its weights in {pickles[0]}, a pickle, which may run any code and is never read",
                "load it where you trust it and save it again by save_pretrained, which writes model.safetensors",
            )
        raise PielabError(
            "no-weights-in-folder",
            f"{given} has no model.safetensors",
            "give a folder with the weights beside config.json, as save_pretrained writes",
        )


def check_config(given: str, config: Any, head: str) -> tuple[int, bool | None]:
    """The number of classes, and whether a text may have several; PielabError if it is no model of that head.

    Of generated texts, which are wrong or right, two.
    """
    architecture = next(iter(getattr(config, "architectures", None) or []), head)
    if head in generation.HEADS:
        if not architecture.endswith(generation.ARCHITECTURES):
            raise PielabError(
                "no-generator",
                f"{given} is a {architecture}, which writes no texts",
                "give a language model that was fine-tuned to write texts, such as a GPT-2 or a T5",
            )
        return 2, False
    if not architecture.endswith(head) and head == tagging.HEAD:
        raise PielabError(
            "no-tagger",
            f"{given} is a {architecture}, which gives a word no tag",
            "give a model that was fine-tuned to tag words, a token classifier, or texts that are strings",
        )
    if not architecture.endswith(head) and head == question_answering.HEAD:
        raise PielabError(
            "no-reader",
            f"{given} is a {architecture}, which answers no questions",
            "give a model that was fine-tuned to answer questions by a part of their context, or texts to classify",
        )
    if not architecture.endswith(head):
        raise PielabError(
            "no-sequence-classifier",
            f"{given} is a {architecture}, which gives a text no class",
            "give a model that was fine-tuned to classify texts",
        )
    if config.num_labels == 1 or config.problem_type == "regression":
        raise PielabError(
            "model-is-a-regression",
            f"{given} gives a text one number (num_labels = {config.num_labels}), and no class",
            "give a classifier of two classes or more",
        )
    if sorted(config.id2label) != list(range(config.num_labels)):
        raise PielabError(
            "class-ids-misnumbered",
            f"the id2label of {given} has the ids {', '.join(map(str, config.id2label))}",
            f"number them from 0 to {config.num_labels - 1} in config.json",
        )
    return config.num_labels, {None: None, "multi_label_classification": True}.get(config.problem_type, False)
