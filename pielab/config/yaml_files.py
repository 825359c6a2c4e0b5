"""Reads params and study files as their writers mean them."""

from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from pielab.errors import PielabError


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice, and numbers that YAML 1.1 reads in base 60 or 8, such as 1:30 as 90."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node, known = super().compose_mapping_node(anchor), set()
        for key, _ in node.value:
            if (key.tag, str(key.value)) in known:
                raise ComposerError(None, None, f"{key.value} is there twice", key.start_mark)
            known.add((key.tag, str(key.value)))
        return node

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        is_int = node.tag.endswith(":int")
        number = self.construct_yaml_int(node) if is_int else self.construct_yaml_float(node)
        if ":" in node.value or (is_int and node.value.lstrip("+-").startswith("0") and number):
            problem = f"{node.value} is the number {number} to YAML; write it in quotes if it is no number"
            raise ConstructorError(None, None, problem, node.start_mark)
        return number


for _name in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _Loader.construct_number)
# Names may look like dates.
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_str)


def load(path: Path) -> Any:
    """The content of a YAML file.

    Raises ValueError, in one line, if it is no such file, a key is given twice, or a number is not what it looks like;
    OSError if it cannot be read.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(" ".join(str(error).replace('in "<unicode string>", ', "in ").split())) from None


def read_params(path: Path) -> dict[str, Any]:
    """The content of a params file; PielabError if it is not YAML, or no names with values."""
    try:
        values, reason = load(path), "it has no names with values"
    except (OSError, ValueError) as error:
        values, reason = None, str(error)
    if not isinstance(values, dict):
        raise PielabError(
            "params-file-unreadable",
            f"{path} could not be read as parameters ({reason})",
            "write a line such as epochs: 3 for each, in UTF-8, after the example of params/bbc-news-bilstm.yaml",
        )
    return values
