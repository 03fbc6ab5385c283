"""What is shown and kept of an API has no secret in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ladle.recipe.environment import escaped, expand_all

if TYPE_CHECKING:
    from ladle.recipe.environment import Secrets

_SHORT = 4  # characters: a shorter value may be in any word


class Veil:
    """Hides secrets: what a recipe has from the environment, under the names that it has there, and `own` ones."""

    def __init__(self, secrets: Secrets | None, own: list[str]) -> None:
        self._secrets = secrets
        forms = {form for text in own for form in (text, quote(text, safe="")) if len(text) >= _SHORT}
        self._own = sorted(forms, key=len, reverse=True)

    def over(self, text: str) -> str:
        """A text as it may be shown."""
        if self._secrets:
            text = self._secrets.redact(text)
        for value in self._own:
            text = text.replace(value, "…")
        return text

    def over_url(self, url: str) -> str:
        """A URL as it may be shown. Its parameters are looked at as they are meant: `%2b` may be a part of a secret."""
        base, pairs = _parts(url)
        hidden = [[self.over(part) for part in pair] for pair in pairs]
        if hidden != pairs:
            url = f"{base}?{'&'.join(f'{name}={value}' for name, value in hidden)}"
        return self.over(url)

    def keep(self, place: Any, is_url: bool) -> Any:
        """A JSON value as it may be kept; `found` makes the value of it again."""
        if not self._secrets:
            return place
        if is_url:
            base, pairs = _parts(place)
            parts = escaped({"base": base, "query": pairs})
            if (hidden := self._secrets.redact(parts)) != parts:
                return hidden
        return self._secrets.redact(escaped(place))

    def found(self, kept: Any) -> Any:
        """The value that was kept."""
        if not self._secrets:
            return kept
        value = expand_all(kept, self._secrets)
        if isinstance(value, dict) and value.keys() == {"base", "query"}:
            return f"{value['base']}?{urlencode([(name, text) for name, text in value['query']])}"
        return value


def _parts(url: str) -> tuple[str, list[list[str]]]:
    """A URL without its parameters, and these."""
    split = urlsplit(url)
    return urlunsplit(split._replace(query="")), [list(pair) for pair in parse_qsl(split.query, keep_blank_values=True)]
