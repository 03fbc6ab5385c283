"""`ladle plugins`"""

from __future__ import annotations

import inspect
import json
from typing import Any

import click

from ..drafts.example import example
from ..errors import Problem, RecipeError, did_you_mean
from ..registry import Offer, PluginError, called, installed
from ..schema import option_schema, spellings
from .options import as_json, echo_json


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the installed plugins and the components they offer."""
    if ctx.invoked_subcommand is not None:
        return
    registry = installed()
    listed: list[dict[str, Any]] = [
        {
            "plugin": plugin.name,
            "version": plugin.version,
            "status": plugin.error or "ok",
            "components": [_component(offer) for offer in registry.offers if offer.plugin is plugin],
        }
        for plugin in registry.plugins
    ]
    if as_json:
        echo_json(listed)
        return
    for plugin in listed:
        click.echo(f"{plugin['plugin']} {plugin['version']}")
        if plugin["status"] != "ok":
            click.echo(f"  broken: {plugin['status']}")
        for component in plugin["components"]:
            click.echo(f"  {component['kind']:<10} {component['use']:<22} {component['summary']}")


def _component(offer: Offer) -> dict[str, Any]:
    try:
        summary = offer.load().summary()
    except PluginError as error:
        summary = str(error)
    return {"use": offer.use, "kind": offer.kind, "summary": summary}


@command.command()
@click.argument("component")
@as_json
def show(component: str, as_json: bool) -> None:
    """Show what COMPONENT does, its options, and an example to paste into a recipe."""
    offers = installed().offers
    found = [_described(offer) for offer in offers if offer.is_meant_by(component)]
    if not found:
        help = did_you_mean(component.rpartition(":")[2], [offer.use for offer in offers], "there are")
        raise RecipeError(Problem("unknown-use", f"no plugin offers `{component}`", help))
    if as_json:
        echo_json(found)
        return
    for described in found:
        click.echo(
            f"{described['use']}: {called(described['kind'])} of {described['plugin']}\n\n{described['about']}\n"
        )
        for option in described["options"]:
            default = "not set" if option["default"] is None else json.dumps(option["default"], ensure_ascii=False)
            needed = "needed" if option["needed"] else f"default: {default}"
            click.echo(click.style(option["name"], bold=True) + f"  {option['type']}, {needed}")
            if option["description"]:
                click.echo(click.wrap_text(option["description"], 100, "    ", "    "))
        click.echo(f"\nAn example to paste; take the # off an option to set it:\n\n{described['example']}")


def _described(offer: Offer) -> dict[str, Any]:
    try:
        component = offer.load()
        schema = option_schema(component)
    except Exception as error:  # whatever is wrong with a plugin
        raise RecipeError(Problem("plugin", str(error), "see `ladle plugins`")) from None
    needed = schema.get("required", ())
    return {
        "use": offer.use,
        "kind": offer.kind,
        "plugin": offer.plugin.name,
        "about": inspect.getdoc(component) or "",
        "options": [
            {
                "name": name,
                "type": _type_of(about, schema.get("$defs", {})),
                "needed": name in needed,
                "default": about.get("default"),
                "description": about.get("description", ""),
            }
            for name, about in schema.get("properties", {}).items()
        ],
        "example": example(component, spellings(offer, installed())[0]),
    }


def _type_of(about: dict[str, Any], parts: dict[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "uses" in about:
        form = {"one": "", "list": "list of ", "names": "table of "}[about["uses"]["form"]]
        return f"{form}{called(about['uses']['kind'])}"
    if "$ref" in about:
        about = parts[about["$ref"].rpartition("/")[2]]
    if "anyOf" in about:
        return " or ".join(_type_of(choice, parts) for choice in about["anyOf"])
    if "enum" in about or "const" in about:
        return " | ".join(json.dumps(value) for value in about.get("enum", [about.get("const")]))
    if about.get("type") == "array":
        return f"list of {_type_of(about.get('items', {}), parts)}"
    if about.get("type") == "object" and (properties := about.get("properties")):
        return f"{{ {', '.join(properties)} }}"
    words = {"string": "text", "object": "table", "integer": "whole number", "boolean": "true or false"}
    return words.get(about.get("type", "any value"), about.get("type", "any value"))
