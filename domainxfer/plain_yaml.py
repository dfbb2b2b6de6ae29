"""YAML as people write settings: that of version 1.2, whose words are words and whose numbers are numbers.

PyYAML reads version 1.1, in which ``no`` is false and ``1e-3`` is text. Only plain values are made. Imports no torch.
"""

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """What a plain word stands for: the core schema of YAML 1.2, section 10.3.2, and ``1_000``. No key comes twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}
for _kind, _pattern, _begins in (
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?(0|[1-9][0-9_]*)|0o[0-7]+|0x[0-9a-fA-F]+", [*"-+0123456789"]),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", [*"-+.0123456789"]),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", [*"-+."]),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"({_pattern})\Z"), _begins)


def read_yaml(text: str) -> Any:
    """Read a YAML document into plain values: mappings, lists, text, numbers, booleans and None.

    Raises:
        yaml.YAMLError: it is no YAML, says something twice, or asks for other kinds of values.
    """
    try:
        return yaml.load(text, _Loader)
    except (ValueError, OverflowError, LookupError, AttributeError, TypeError) as error:
        raise yaml.YAMLError(f"a value is not what it says it is ({error})") from error  # "!!int two", 5,000 digits
    except RecursionError as error:
        raise yaml.YAMLError("its brackets are too many, one in another") from error
