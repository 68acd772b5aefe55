"""The JSON Schema of Python types: plain values, unions, sequences, mappings and dataclasses.

Records bring the meaning of each column along (``trace/schema``). Left out: types that are not
written as they are, as paths and sets of blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

Schema = dict[str, Any]

PLAIN: dict[Any, Schema] = {
    Any: {},
    NoneType: {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
}


def of_type(hint: Any) -> Schema:
    """Return the schema of the values of an annotation. Raises TypeError for one it can not say."""
    if hint in PLAIN:
        return dict(PLAIN[hint])
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return {"anyOf": [of_type(one) for one in inner]}
    if origin is tuple and inner[-1] is not Ellipsis:
        return {
            "type": "array",
            "items": [of_type(one) for one in inner],
            "minItems": len(inner),
            "maxItems": len(inner),
        }
    if origin in (tuple, list, Sequence):
        return array(of_type(inner[0]))
    if origin in (dict, Mapping):
        return mapping(of_type(inner[1]))
    if is_dataclass(hint) or hasattr(hint, "_fields"):
        return closed(properties_of(hint))
    raise TypeError(f"no schema for {hint}")


def properties_of(kind: Any, without: Sequence[str] = ()) -> dict[str, Schema]:
    """Return the schema of each field of a dataclass or a named tuple, with a meaning where it has
    one; fields ``without`` are left out."""
    hints = get_type_hints(kind)
    if not is_dataclass(kind):
        return {name: of_type(hint) for name, hint in hints.items()}
    found = {}
    for one in fields(kind):
        if one.name not in without:
            meaning = one.metadata.get("meaning")
            described = {"description": meaning} if isinstance(meaning, str) else {}
            found[one.name] = {**of_type(hints[one.name]), **described}
    return found


def closed(properties: dict[str, Schema], optional: Sequence[str] = ()) -> Schema:
    """Return the schema of an object with these keys and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def mapping(values: Schema) -> Schema:
    """Return the schema of an object with any keys."""
    return {"type": "object", "additionalProperties": values}


def array(items: Schema) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": items}


def without_null(schema: Schema) -> Schema:
    """Return a schema whose values are there or left out, and never null."""
    kinds = [one for one in schema.get("anyOf", ()) if one != PLAIN[NoneType]]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**rest, **kinds[0]} if len(kinds) == 1 else schema
