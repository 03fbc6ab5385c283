"""What is wrong where a text is no TOML: tomli tells where it stopped, these rules what was meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_KEY = r"[A-Za-z0-9_.\"'-]+"
_SMART = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb"  # typographic quotation marks
_TRUTHS = ("true", "yes", "on", "false", "no", "off")
_WORD = re.compile(r"[^\s,\]}#=]+")


class Mistake(NamedTuple):
    """What is wrong, what to write instead, and where: an offset into the text and a length."""

    message: str
    help: str
    start: int
    length: int = 1


class _Stop(NamedTuple):
    """Where tomli stopped, and why."""

    text: str
    reason: str
    at: int

    @property
    def line_start(self) -> int:
        return self.text.rfind("\n", 0, self.at) + 1

    @property
    def line(self) -> str:
        """The line in which it stopped, without its end."""
        return self.text[self.line_start :].partition("\n")[0].rstrip("\r")

    @property
    def rest(self) -> str:
        """What is left of the line."""
        return self.line[self.at - self.line_start :]

    def number_of(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1


def explain(text: str, reason: str, line: int, column: int) -> Mistake:
    """The mistake at which a TOML reader stopped in `line` and `column` for a `reason`."""
    start = sum(len(before) + 1 for before in text.split("\n")[: line - 1])
    stop = _Stop(text, reason, min(start + column - 1, max(0, len(text) - 1)))
    for beginning, rule in _RULES:
        if reason.startswith(beginning) and (found := rule(stop)):
            return found
    return Mistake(f"this is not valid TOML: {reason}", "see https://toml.io for the syntax", stop.at)


def _another_format(stop: _Stop) -> Mistake | None:
    begun = stop.text.lstrip()
    if begun.startswith("{"):
        return Mistake("this looks like JSON, and a recipe is TOML", "begin with a [data.NAME.source] table", 0)
    if begun.startswith("---") or re.match(r"[\w.-]+:\s*\n\s*(- |[\w.-]+:)", begun):
        return Mistake("this looks like YAML, and a recipe is TOML", "begin with a [data.NAME.source] table", 0)
    return None


def _colon(stop: _Stop) -> Mistake | None:
    found = re.match(rf"\s*({_KEY})\s*(:)\s*(.*)", stop.line)
    if not found:
        return None
    value = found[3].partition("#")[0].rstrip().rstrip(",")
    help = f"write {found[1]} = {value if _is_value(value) else _quoted(value)}" if value else "write = instead"
    return Mistake("found `:` after a key, where TOML has `=`", help, stop.line_start + found.start(2))


def _no_equals(stop: _Stop) -> Mistake | None:
    found = re.match(rf"\s*({_KEY})\s+(\S.*)", stop.line)
    if not found:
        return Mistake("a key without a value", "write key = value", *_statement(stop))
    name, rest = found[1], found[2]
    if "=" in rest and not rest.startswith(("'", '"')):
        key, _, value = (part.strip() for part in f"{name} {rest}".partition("="))
        return Mistake("a key with a space in it", f"write {_quoted(key)} = {value}", *_statement(stop))
    return Mistake(f"`=` is missing after the key `{name}`", f"write {name} = {rest}", *_statement(stop))


def _value(stop: _Stop) -> Mistake | None:
    found = _WORD.match(stop.rest)
    if not found:
        return Mistake("a value is missing here", "write one, or leave the key out", max(stop.line_start, stop.at - 1))
    word = found[0]
    is_inside = re.search(r"[\[{,]", stop.line[: stop.at - stop.line_start])
    said = word if is_inside else stop.rest.partition("#")[0].rstrip()
    if word.lower() in _TRUTHS:
        right = "true" if word.lower() in _TRUTHS[:3] else "false"
        told = (f"`{word}` is no value of TOML", f"write {right}, or {_quoted(word)} for a text")
    elif word.lower() in ("none", "null", "nil"):
        told = (f"TOML has no `{word}`", "leave the key out: then it has its default")
    elif word[0] in _SMART:
        told = ("found a typographic quotation mark", f"write {_quoted(said.strip(_SMART))}, with straight ones")
        word = word[0]
    elif re.fullmatch(r"[+-]?\.\d+", word):
        told = ("a number begins with a digit", f"write {word.replace('.', '0.')}")
    elif re.match(r"[A-Za-z_$./~<*]", word):
        told = ("a text stands in quotes", f"write {_quoted(said)}")
        word = said
    else:
        return None
    return Mistake(*told, stop.at, len(word))


def _open_text(stop: _Stop) -> Mistake | None:
    """A text that does not end in its line: shown where it begins."""
    at = stop.at if stop.text[stop.at] != "\n" else stop.at - 1
    start = stop.text.rfind("\n", 0, at) + 1
    line = stop.text[start : at + 1]
    quote = "'" if stop.reason.startswith('Expected "') else '"'
    opened = line.rfind(quote)
    if opened < 0:
        return None
    return Mistake(f"a text begins here, and does not end: {quote} is missing", f"end it with {quote}", start + opened)


def _backslash(stop: _Stop) -> Mistake | None:
    slash = stop.line.rfind("\\", 0, stop.at - stop.line_start + 1)
    found = next((m for m in re.finditer(r'"([^"]*)"', stop.line) if m.start() < slash < m.end()), None)
    if slash < 0 or not found:
        return None
    help = f"write '{found[1]}' in single quotes, or double each backslash"
    return Mistake("in double quotes a backslash begins an escape", help, stop.line_start + slash)


def _unclosed(stop: _Stop) -> Mistake | None:
    """A bracket that is not closed, or a comma that is missing within."""
    opening, closing = ("[", "]") if "array" in stop.reason else ("{", "}")
    opened = _opened(stop.text[: stop.at], opening, closing)
    if opened < 0:
        return None
    same_line = stop.text.rfind("\n", opened, stop.at) < 0
    if same_line and stop.rest.strip() and not stop.rest.startswith("#"):
        return Mistake(f"`,` or `{closing}` is missing here", "put a comma between two values", stop.at)
    message = f"`{opening}` opens here and is not closed"
    return Mistake(message, f"add the missing `{closing}`, or the comma before what follows", opened)


def _key_twice(stop: _Stop) -> Mistake | None:
    if stop.line.lstrip().startswith("["):
        return _table_twice(stop)
    found = re.match(rf"\s*({_KEY})\s*=", stop.line)
    if not found:
        return None
    name = found[1]
    table = stop.text.rfind("\n[", 0, stop.at) + 1
    first = re.search(rf"^\s*{re.escape(name)}\s*=", stop.text[table : stop.line_start], re.MULTILINE)
    before = f", first in line {stop.number_of(table + first.end())}" if first else ""
    return Mistake(
        f"the key `{name}` stands here a second time{before}",
        "keep one of the two",
        stop.line_start + found.start(1),
        len(name),
    )


def _table_twice(stop: _Stop) -> Mistake | None:
    found = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", stop.line)
    if not found:
        return None
    name = found[1]
    first = re.search(rf"^\s*\[+\s*{re.escape(name)}\s*\]+", stop.text[: stop.line_start], re.MULTILINE)
    before = f", first in line {stop.number_of(first.end())}" if first else ""
    holder = name.rpartition(".")[0] or name
    help = f"for several, each header is [[{name}]]" if first else f"`{holder}` has its value already"
    return Mistake(f"the table `{name}` stands here a second time{before}", help, *_statement(stop))


def _inline_key_twice(stop: _Stop) -> Mistake | None:
    name = stop.reason.rpartition("'")[0].rpartition("'")[2]
    at = stop.text.rfind(name, stop.line_start, stop.at)
    message = f"the key `{name}` stands twice between these braces"
    return Mistake(message, "keep one of the two", at, len(name)) if at >= 0 else None


def _after_value(stop: _Stop) -> Mistake | None:
    rest = stop.rest
    before = stop.line[: stop.at - stop.line_start]
    number = re.search(r"[\d.]+$", before)
    if rest.startswith("//"):
        return Mistake("a comment begins with #", f"write # {rest[2:].strip()}", stop.at, 2)
    if rest.startswith((";", ",")) and not rest[1:].strip():
        return Mistake(f"found `{rest[0]}` after a value", "leave it out: each value has a line of its own", stop.at)
    if number and (whole := re.match(r"[\d.,%]+", rest)):
        digits = (number[0] + whole[0]).strip("%")
        right = f"{float(digits) / 100:g}" if "%" in whole[0] and digits.replace(".", "").isdigit() else ""
        right = right or digits.replace(",", "").lstrip("0").rstrip(".") or "0"
        start = stop.line_start + number.start()
        return Mistake("this is no number as TOML writes it", f"write {right}", start, len(number[0] + whole[0]))
    if before.endswith('"') and rest[:1] not in ("", " ", "\t", "#"):
        return Mistake("the text ends here, and something follows", 'write \\" for a quote inside a text', stop.at)
    shown = rest.strip()
    return Mistake(f"found `{shown}` after a value", "write one key and its value in a line", stop.at, len(shown) or 1)


def _header(stop: _Stop) -> Mistake | None:
    found = re.match(r"\s*(\[+)([^\]\n#]*)", stop.line)
    if not found:
        return None
    brackets, name = found[1], found[2].strip()
    closing = "]" * len(brackets)
    if " " in name:
        parts = ".".join(_quoted(part) if " " in part else part for part in name.split("."))
        return Mistake("a name with a space stands in quotes", f"write {brackets}{parts}{closing}", *_statement(stop))
    return Mistake(f"`{closing}` is missing", f"write {brackets}{name}{closing}", *_statement(stop))


def _statement(stop: _Stop) -> tuple[int, int]:
    """Where the statement of the line is, and how long."""
    text = stop.line.partition("#")[0]
    indent = len(text) - len(text.lstrip())
    return stop.line_start + indent, max(1, len(text.strip()))


def _opened(text: str, opening: str, closing: str) -> int:
    """The last bracket of a text that is not closed, as far as can be told without reading texts in quotes."""
    depth = 0
    for at in range(len(text) - 1, -1, -1):
        depth += (text[at] == closing) - (text[at] == opening)
        if depth < 0:
            return at
    return -1


def _is_value(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?[\d._]+|true|false|[\"'\[{].*", text))


def _quoted(text: str) -> str:
    return f"'{text}'" if "\\" in text or '"' in text else f'"{text}"'


_RULES: list[tuple[str, Callable[[_Stop], Mistake | None]]] = [
    ("", _another_format),
    ("Expected '='", _colon),
    ("Expected '='", _no_equals),
    ("Invalid value", _value),
    ("Illegal character '\\n'", _open_text),
    ('Expected "\'"', _open_text),
    ("Unterminated string", _open_text),
    ("Invalid hex value", _backslash),
    ("Unescaped", _backslash),
    ("Unclosed", _unclosed),
    ("Cannot overwrite", _key_twice),
    ("Cannot declare", _table_twice),
    ("Cannot mutate", _table_twice),
    ("Duplicate inline", _inline_key_twice),
    ("Expected newline", _after_value),
    ("Expected ']", _header),
]
