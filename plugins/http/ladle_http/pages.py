"""Pages: how the next one is asked for, and how an API tells which is the last."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ladle import OptionError
from ladle.errors import did_you_mean

from .answers import NothingThereError, value_at, what_is

if TYPE_CHECKING:
    from .answers import Answer

_OPTIONS = {
    "page": {"parameter", "start", "more"},
    "offset": {"parameter", "start", "more"},
    "cursor": {"parameter", "at", "more"},
    "link": set(),
    "next": {"at"},
}
_STARTS = {"page": 1, "offset": 0}


class Pages(BaseModel):
    """How an API gives its rows page by page: `{ by = "cursor", at = "meta.next" }`, for example.

    A place is what tells a page from the others: its number, the rows before it, a cursor or a URL; the first has "".
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    by: Literal["page", "offset", "cursor", "link", "next"] = Field(
        description="What leads to the next page: its number (`page`); how many rows came before (`offset`); a value "
        "of the answer that goes into a parameter (`cursor`); the header `Link` with rel=next (`link`); a URL in the "
        "answer (`next`)."
    )
    parameter: str | None = Field(
        default=None,
        description="The parameter for the number, offset or cursor; as `by` is called if none is named. With POST a "
        "path in the body, such as `variables.after`.",
    )
    start: int | None = Field(default=None, ge=0, description="The first number (1) or offset (0).")
    at: str | None = Field(
        default=None,
        min_length=1,
        description="Where the cursor, or the URL (`next`), is in an answer: a path such as `meta.next`.",
    )
    more: str | None = Field(
        default=None,
        min_length=1,
        description="What in an answer is false, null, 0 or empty on the last page: a path. Without it, numbers and "
        "offsets go on until a page has no rows.",
    )
    most: int | None = Field(default=None, ge=1, description="Pages after which reading ends, though there are more.")

    @model_validator(mode="after")
    def _of_one_kind(self) -> Pages:
        for name in sorted(self.model_fields_set - {"by", "most"} - _OPTIONS[self.by]):
            help = did_you_mean(name, sorted(_OPTIONS[self.by]), "it has")
            raise OptionError(f'pages by "{self.by}" have no `{name}`', option=name, help=help)
        if self.by == "cursor" and self.at is None:
            help = 'name the path to it: at = "meta.next_cursor"'
            raise OptionError("where is the cursor in an answer?", option="by", help=help)
        return self

    @property
    def has_urls(self) -> bool:
        """Whether places are URLs that the API makes."""
        return self.by in ("link", "next")

    @property
    def name(self) -> str:
        """The parameter that places go into."""
        return self.parameter or self.by

    def paths(self) -> list[str]:
        """The options that hold paths in an answer."""
        return [option for option in ("at", "more") if getattr(self, option) is not None]

    @property
    def first(self) -> int | str:
        """The place of the first page."""
        return self.start if self.start is not None else _STARTS.get(self.by, "")

    def after(self, place: Any, answer: Answer, count: int) -> Any:
        """The place of the page after the one at `place`, whose answer had `count` rows; None after the last.

        Raises OptionError for an answer that does not say it where it should.
        """
        is_first = place == self.first
        if self.more is not None and not self._told(answer, "more", self.more, is_first):
            return None
        if self.by in ("page", "offset"):
            return place + (1 if self.by == "page" else count) if count else None
        if self.by == "link":
            found = answer.next_link()
        else:
            path = self.at or "next"
            found = self._told(answer, "at", path, is_first)
            self._check(found, path)
        return found or None

    def _told(self, answer: Answer, option: str, path: str, is_first: bool) -> Any:
        """What is at a path. That nothing is there is no sign of the end in the first answer: it may be misspelt."""
        try:
            return value_at(answer.document, path)
        except NothingThereError as missing:
            if not is_first:
                return None
            where = f"`{missing.before}` of the first answer" if missing.before else "the first answer"
            raise OptionError(
                f"there is no `{missing.key}` in {where}",
                option=("pages", option if getattr(self, option) is not None else "by"),
                help=f"{did_you_mean(missing.key, missing.known, 'there are')}; or leave `pages` out, if there is only "
                "one page",
            ) from None

    def _check(self, found: Any, path: str) -> None:
        """Raises OptionError for what leads nowhere."""
        kinds = str if self.by == "next" else str | int
        if found is True or (found and not isinstance(found, kinds)):
            what = "URL" if self.by == "next" else "cursor"
            raise OptionError(f"`{path}` of an answer is {what_is(found)}, not a {what}", option=("pages", "at"))


def with_value(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A body with a value at a path."""
    body = copy.deepcopy(body)
    *outer, last = path.split(".")
    inner = body
    for key in outer:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            raise OptionError(f"`{key}` of `body` is no table", option=("pages", "parameter"))
    inner[last] = value
    return body
