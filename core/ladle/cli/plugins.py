"""`ladle plugins`"""

from __future__ import annotations

from typing import Any

import click

from ..registry import Offer, PluginError, installed
from .options import as_json, echo_json


@click.command()
@as_json
def command(as_json: bool) -> None:
    """List the installed plugins and the components they offer."""
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
