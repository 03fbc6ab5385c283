"""Optimiser groups of several trainers as those of one."""

from __future__ import annotations

from typing import Any


def united(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Groups with the same options as one; a parameter stays where it came first."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    known: set[Any] = set()
    for group in groups:
        options = {name: value for name, value in group.items() if name != "params"}
        united = found.setdefault(tuple(sorted(options.items())), options | {"params": []})
        united["params"] += [parameter for parameter in group["params"] if parameter not in known]
        known.update(group["params"])
    return [group for group in found.values() if group["params"]]
