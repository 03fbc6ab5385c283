"""The JSON Schema of recipes, for exactly the plugins that are installed: editors complete and check by it."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from .components import Component
from .recipe.load import NAME, SEEDS, TOP_KEYS
from .recipe.model import STEPS, Split
from .registry import Offer, Registry

_DIALECT = "http://json-schema.org/draft-07/schema#"  # the newest that editors of TOML understand (Taplo)
_WITHIN = "within"  # of tables that stand in an option of another
_REFERENCE = "#/definitions/{model}"

_ABOUT_STEPS = {
    "source": "Where the rows come from. Several [[data.NAME.source]] tables are read one after another.",
    "clean": "Cleaners mend rows, or drop them with a reason; in this order.",
    "extract": "Feature extractors add what a model learns from; in this order.",
    "label": "Labelers say what a model is to learn; in this order.",
    "write": "Writers keep the finished rows in files.",
}


class OptionSchema(GenerateJsonSchema):
    """Options as TOML can write them: there is no null. What has no JSON Schema of its own may be anything."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        return {key: value for key, value in found.items() if key != "default" or value is not None}

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False  # it would say the key's name again


def recipe_schema(registry: Registry) -> dict[str, Any]:
    """The JSON Schema (draft 7) of a recipe that uses what the plugins of `registry` offer.

    Left out is what cannot be loaded. Whatever the schema refuses `ladle check` refuses too; the check finds more.
    """
    loaded = [(offer, component) for offer in registry.offers if (component := _loaded(offer))]
    schemas, parts = _schemas_of([Split, *(component for _, component in loaded)])
    definitions: dict[str, Any] = dict(parts)
    for kind in registry.kinds:
        of_kind = [(offer, schemas[component]) for offer, component in loaded if offer.kind == kind]
        tables = [_table(offer, spellings(offer, registry), schema) for offer, schema in of_kind]
        if tables:
            definitions[_definition_of(kind)] = {"oneOf": [table | _stage(kind, table) for table in tables]}
            definitions[_definition_of(kind, _WITHIN)] = {"oneOf": tables}
    keys = {
        "name": _name("What the recipe and its runs are called: as its file, if left out."),
        "seed": {
            "description": "Decides everything that is left to chance.",
            "type": "integer",
            "minimum": SEEDS.start,
            "maximum": SEEDS.stop - 1,
            "default": 0,
        },
        "requires": {
            "description": "The packages that the recipe needs, such as `ladle-text>=0.1`.",
            "type": "array",
            "items": {"type": "string"},
        },
        "data": {
            "description": "Data sets, by name.",
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": f"^{NAME.pattern}$"},
            "additionalProperties": _data_set(definitions, schemas[Split]),
        },
        "train": _list_of("trainer", "Train stages, one after another.", definitions),
    }
    recipe = {
        "$schema": _DIALECT,
        "title": "Ladle recipe",
        "description": "From raw data to a trained, measured language model.",
        **_object({key: keys[key] for key in TOP_KEYS}, ["data"]),
    }
    return recipe | {"definitions": _needed(_with_inner(definitions), recipe)}


def option_schema(component: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of the options of one component, as TOML can write them; parts of it are in its `$defs`."""
    return component.model_json_schema(by_alias=True, schema_generator=OptionSchema)


def spellings(offer: Offer, registry: Registry) -> list[str]:
    """What a recipe can write for `use`: of two components of one name each needs its package's."""
    same = [other for other in registry.of_kind(offer.kind) if other.use == offer.use]
    return [offer.use] * (len(same) == 1) + [f"{offer.plugin.name}:{offer.use}"]


def _loaded(offer: Offer) -> type[Component] | None:
    """The class of a component, or None if it cannot be imported or its options make no sense."""
    try:
        component = offer.load()
        option_schema(component)
    except Exception:
        return None
    return component


def _schemas_of(models: list[type[BaseModel]]) -> tuple[dict[type[BaseModel], Any], dict[str, Any]]:
    """The schema of every model, and what they refer to, under names of which no two are the same."""
    unique = list(dict.fromkeys(models))
    references, whole = models_json_schema(
        [(model, "validation") for model in unique],
        by_alias=True,
        ref_template=_REFERENCE,
        schema_generator=OptionSchema,
    )
    parts = _plain_references(whole["$defs"])
    return {model: parts[_named(references[model, "validation"]["$ref"])] for model in unique}, parts


def _plain_references(schema: Any) -> Any:
    """The same schema with nothing beside a reference: draft 7 would pass it over."""
    if isinstance(schema, list):
        return [_plain_references(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema and len(schema) > 1:
        return {"anyOf": [{"$ref": schema["$ref"]}]} | {key: value for key, value in schema.items() if key != "$ref"}
    return {key: _plain_references(value) for key, value in schema.items()}


def _named(reference: str) -> str:
    return reference.removeprefix(_REFERENCE.format(model=""))


def _table(offer: Offer, names: list[str], schema: dict[str, Any]) -> dict[str, Any]:
    """The table of a recipe that uses a component."""
    about = schema.get("description", "")
    use: dict[str, Any] = {"description": about, "type": "string", "enum": names}
    properties = {"use": use, **schema.get("properties", {})}
    filled = {name for name, option in properties.items() if "default" in option.get("uses", ())}
    required = [name for name in schema.get("required", ()) if name not in filled]
    return {"title": offer.use, "description": about, **_object(properties, ["use", *required])}


def _stage(kind: str, table: dict[str, Any]) -> dict[str, Any]:
    """What a table has besides its options where it is a train stage."""
    if kind != "trainer":
        return {}
    technique = {"type": "array", "items": {"$ref": _REFERENCE.format(model=_definition_of("technique"))}}
    more = {"name": _name("What the stage is called: as its trainer, if left out."), "technique": technique}
    return {"properties": table["properties"] | more}


def _with_inner(definitions: dict[str, Any]) -> dict[str, Any]:
    """Definitions with tables that use a component where options hold some."""
    variants: dict[str, Any] = {}

    def resolved(schema: Any) -> Any:
        if isinstance(schema, list):
            return [resolved(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        rest = {key: resolved(value) for key, value in schema.items() if key != "uses"}
        return rest | _held(schema["uses"], definitions, variants) if "uses" in schema else rest

    found = resolved(definitions)
    return found | resolved(variants)


def _held(uses: dict[str, Any], definitions: dict[str, Any], variants: dict[str, Any]) -> dict[str, Any]:
    """The schema of an option that holds components; the definition of their tables goes to `variants`."""
    within = definitions.get(_definition_of(uses["kind"], _WITHIN), {"oneOf": []})["oneOf"]
    name = _definition_of(uses["kind"], _WITHIN, *uses["given"])
    variants[name] = {
        "oneOf": [
            table | {"required": [key for key in table["required"] if key not in uses["given"]]} for table in within
        ]
    }
    names = [use for table in within for use in table["properties"]["use"]["enum"]]
    one = {"anyOf": [{"type": "string", "enum": names}, {"$ref": _REFERENCE.format(model=name)}]}
    if uses["form"] == "list":
        return {"type": "array", "items": one}
    return {"type": "object", "additionalProperties": one} if uses["form"] == "names" else one


def _data_set(definitions: dict[str, Any], split: dict[str, Any]) -> dict[str, Any]:
    steps = {step: _list_of(step, about, definitions) for step, about in _ABOUT_STEPS.items()}
    several = steps["source"]
    steps["source"] = {"description": several["description"], "oneOf": [several["items"], several]}
    properties = {step: steps[step] for step in STEPS}
    return {"description": "A data set.", **_object(properties | {"split": split}, ["source"])}


def _list_of(kind: str, about: str, definitions: dict[str, Any]) -> dict[str, Any]:
    name = _definition_of(kind)
    items: dict[str, Any] = {"$ref": _REFERENCE.format(model=name)} if name in definitions else {"not": {}}
    return {"description": about, "type": "array", "items": items}


def _definition_of(kind: str, *more: str) -> str:
    return "-".join(["use", kind, *more])  # a hyphen is in no name of a class


def _name(about: str) -> dict[str, Any]:
    return {"description": about, "type": "string", "pattern": f"^{NAME.pattern}$"}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _needed(definitions: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The definitions that a schema refers to, directly or through others."""
    needed: dict[str, Any] = {}
    waiting = [schema]
    while waiting:
        for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(waiting.pop())):
            if (name := _named(reference)) not in needed:
                needed[name] = definitions[name]
                waiting.append(needed[name])
    return dict(sorted(needed.items()))
