"""Who asks: what an API wants to be told of it, always from the environment."""

from __future__ import annotations

import base64
import re

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, model_validator

from ladle import OptionError
from ladle.options import secrets_of

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Auth(BaseModel):
    """Who asks: `{ bearer = "${NAME}" }`, for example."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    bearer: str | None = Field(default=None, description="A token for the header `Authorization: Bearer`.")
    basic: str | None = Field(
        default=None, description="`USER:PASSWORD`, for the header `Authorization: Basic`; the password may be empty."
    )
    headers: dict[str, str] = Field(default={}, description="Other headers with keys, by their names.")
    parameters: dict[str, str] = Field(default={}, description="Parameters of the URL with keys, by their names.")

    _variables: dict[tuple[str, ...], str] = PrivateAttr(default={})

    @model_validator(mode="after")
    def _from_environment(self, info: ValidationInfo) -> Auth:
        if self.bearer is not None and self.basic is not None:
            raise OptionError("`bearer` and `basic` are one header: it has one value", option="basic")
        if self.basic is not None and ":" not in self.basic:
            raise OptionError("the colon is missing between user and password", option="basic")
        check_headers(self.headers)
        check_headers(self._authorization(), option="bearer")
        secrets = secrets_of(info)
        for path, value in self._told() if secrets else ():
            written = secrets.written(value)
            if written is None:
                example = f"{'USER:' if path == ('basic',) else ''}${{NAME}}"
                raise OptionError(
                    "what stands in the recipe stands in the lock of every run too",
                    option=path,
                    help=f'let it come from the environment: {path[-1]} = "{example}"',
                )
            self._variables[path] = " and ".join(_VARIABLE.findall(written))
        return self

    def sent_headers(self) -> dict[str, str]:
        """The headers that say who asks."""
        return self.headers | self._authorization()

    def secrets(self) -> list[str]:
        """The values that nobody shall see, in every form in which they are sent."""
        sent = [value.rpartition(" ")[2] for value in self._authorization().values()]
        password = [self.basic.partition(":")[2]] if self.basic else []
        return [value for _, value in self._told()] + password + sent

    def remedy(self) -> tuple[tuple[str, ...], str]:
        """The option to look at, and what to do, where an API does not accept who asks."""
        path = next((path for path, _ in self._told()), None)
        if path is None:
            return (), 'say who asks, with a value from the environment, such as auth.bearer = "${API_TOKEN}"'
        variable = self._variables.get(path)
        what = f"the environment variable {variable} has" if variable else f"`auth.{'.'.join(path)}` has"
        return path, f"look at what {what}: it may be wrong, or have expired, or lack the rights"

    def _told(self) -> list[tuple[tuple[str, ...], str]]:
        """The values that are given, with the ways to them."""
        single = [((name,), value) for name in ("bearer", "basic") if (value := getattr(self, name)) is not None]
        named = [
            ((kind, name), value) for kind in ("headers", "parameters") for name, value in getattr(self, kind).items()
        ]
        return single + named

    def _authorization(self) -> dict[str, str]:
        if self.bearer is not None:
            return {"Authorization": f"Bearer {self.bearer}"}
        if self.basic is not None:
            return {"Authorization": f"Basic {base64.b64encode(self.basic.encode()).decode()}"}
        return {}


def check_headers(headers: dict[str, str], option: str = "") -> None:
    """Raises OptionError for what cannot be a header; about `option`, if the recipe does not give them by name."""
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise OptionError(f'"{name}" cannot be the name of a header', option=name)
        if not _HEADER_VALUE.fullmatch(value):
            raise OptionError("a header holds one line of ASCII characters", option=option or name)
