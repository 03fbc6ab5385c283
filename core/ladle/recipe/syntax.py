"""What is wrong where a text is no TOML: tomli tells where it stopped, these rules what was meant."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from .spans import Path, find_places, last_statement

_KEY = r"[A-Za-z0-9_.\"'-]+"
_PART = re.compile(r"[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*'")  # of a dotted name
_SMART = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb"  # typographic quotation marks
_TRUTHS = ("true", "yes", "on", "false", "no", "off")
_NUMBERS = {"infinity": "inf", "inf": "inf", "nan": "nan"}
_BEGUN = re.compile(r"[^\s=,\[{]*(\d|inf|nan|true|false)$")  # a value that may be the beginning of something else
_WORD = re.compile(r"[^\s,\]}#=]+")
_QUOTES = ('"""', "'''", '"', "'")
_TEXT = re.compile(  # a text, a quote that opens one and is alone, or a comment
    r'"""(?:[^\\]|\\.)*?"""|\'\'\'.*?\'\'\'|"""|\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|["\']|#[^\n]*',
    re.DOTALL,
)
_MARKS = "\"'"
_DEEP = 100  # brackets in brackets: far more than an option has, and fewer than a reader of TOML bears
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
_CLOSING = {"[": "]", "{": "}"}
_NEW = re.compile(rf"\s*({_KEY}\s*=|\[+\s*(data|train)\b)")  # what begins after a list, not in it


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
    def before(self) -> str:
        """What it has read of the line."""
        return self.line[: self.at - self.line_start]

    @property
    def rest(self) -> str:
        """What is left of the line."""
        return self.line[self.at - self.line_start :]

    @property
    def is_inside(self) -> bool:
        """Whether it stopped within brackets or braces."""
        return max(_opened(self.text[: self.at], "["), _opened(self.text[: self.at], "{")) >= 0

    def number_of(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1


def explain(text: str, reason: str, line: int, column: int) -> Mistake:
    """The mistake at which a TOML reader stopped in `line` and `column` for a `reason`."""
    start = sum(len(before) + 1 for before in text.split("\n")[: line - 1])
    stop = _Stop(text, reason, min(start + column - 1, len(text)))
    for beginning, rule in _RULES:
        if reason.startswith(beginning) and (found := rule(stop)):
            return found
    return Mistake(f"this is not valid TOML: {reason}", "see https://toml.io for the syntax", stop.at)


def _another_format(stop: _Stop) -> Mistake | None:
    begun = stop.text.lstrip()
    if re.match(r"\{|\[\s*[{\"]\s*[\n\"]", begun):
        return Mistake("this looks like JSON, and a recipe is TOML", "begin with a [data.NAME.source] table", 0)
    if begun.startswith("---") or re.match(r"[\w.-]+:\s*\n\s*(- |[\w.-]+:)", begun):
        return Mistake("this looks like YAML, and a recipe is TOML", "begin with a [data.NAME.source] table", 0)
    return None


def _invisible(stop: _Stop) -> Mistake | None:
    sign = stop.text[stop.at : stop.at + 1]
    is_end = stop.text[stop.at : stop.at + 2] == "\r\n"
    if not sign or sign in " \t\n" or is_end or not (sign.isspace() or unicodedata.category(sign) in ("Cf", "Cc")):
        return None
    name = unicodedata.name(sign, f"U+{ord(sign):04X}")
    name = name if name.startswith("U+") else name.lower()
    return Mistake(f"found a sign that cannot be seen: {name}", "replace it with a space, or delete it", stop.at)


def _colon(stop: _Stop) -> Mistake | None:
    key = re.search(rf"({_KEY})\s*$", stop.before)
    if not key or not stop.rest.startswith(":"):
        return None
    value = _to_its_end(stop, stop.rest.lstrip(":= "))
    help = f"write {key[1]} = {_as_value(value)}" if value else "write = instead"
    return Mistake("found `:` after a key, where TOML has `=`", help, stop.at)


def _no_equals(stop: _Stop) -> Mistake | None:
    key = re.search(rf"({_KEY})(\s*)$", stop.before)
    if not key:
        return None
    name, rest = key[1], _to_its_end(stop, stop.rest)
    start, length = stop.line_start + key.start(), len(key[0]) + len(rest)
    if not rest:
        return Mistake("a key without a value", f"write {name} = and a value", start, len(name))
    is_text = rest.startswith(("'", '"'))
    if not key[2] and not is_text:
        return _odd_key(start, name + rest)
    if "=" in rest and not is_text:
        more, _, value = (part.strip() for part in rest.partition("="))
        help = f"write {name}_{more.replace(' ', '_')} = {value}, or the key in quotes if it has the space"
        return Mistake("a key with a space in it", help, start, length)
    return Mistake(f"`=` is missing after the key `{name}`", f"write {name} = {_as_value(rest)}", start, length)


def _odd_key(start: int, text: str) -> Mistake:
    key = re.split(r"[\s=]", text, maxsplit=1)[0]
    message = f"the key `{key}` needs quotes: it is not all letters a to z, digits, - and _"
    return Mistake(message, f"write {_quoted(key)}", start, len(key))


def _begin(stop: _Stop) -> Mistake | None:
    """What begins no line of TOML."""
    if sign := re.match(r"//|/\*|[;%]", stop.rest):
        return _comment(stop, sign[0])
    if stop.rest.startswith("="):
        return Mistake("a key is missing before `=`", "write key = value", stop.at)
    return _odd_key(stop.at, stop.rest) if re.match(r"\w[^\s=]*\s*=", stop.rest) else None


def _key_part(stop: _Stop) -> Mistake | None:
    brace = _opened(stop.text[: stop.at], "{")
    if brace >= 0 and stop.rest.startswith("["):
        return _not_closed(stop.text, brace)
    is_header = stop.line.lstrip().startswith("[")
    if is_header and stop.rest.startswith("["):
        right = f"[[{stop.rest.strip('[ ').partition(']')[0].strip()}]]"
        return Mistake("the brackets of a header stand together", f"write {right}", *_statement(stop))
    if stop.rest[:1] in ("", "]", ".", "=", "#"):
        help = "a header is like [data.NAME.source] or [[train]]" if is_header else "write key = value"
        return Mistake("a name is missing here", help, stop.at)
    return _header(stop) if is_header else None


def _value(stop: _Stop) -> Mistake | None:
    bracket = _opened(stop.text[: stop.line_start], "[")
    is_over = _NEW.match(stop.line) or not stop.text[stop.at :].strip()
    if is_over and bracket > _opened(stop.text[: stop.line_start], "{"):
        return _not_closed(stop.text, bracket)
    if stop.rest.startswith("="):
        return Mistake("found a second `=`", "leave it out", stop.at)
    found = _WORD.match(stop.rest)
    if not found:
        start = stop.at if stop.rest.startswith(",") else stop.line_start + max(0, len(stop.before.rstrip()) - 1)
        return Mistake("a value is missing here", "write one, or leave the key out", start)
    word = found[0]
    said = word if stop.is_inside else stop.rest.partition("#")[0].rstrip()
    if word.lower() in _TRUTHS:
        right = "true" if word.lower() in _TRUTHS[:3] else "false"
        told = (f"`{word}` is no value of TOML", f"write {right}, or {_quoted(word)} for a text")
    elif word.lower() in _NUMBERS:
        told = (f"`{word}` is no value of TOML", f"write {_NUMBERS[word.lower()]}, or {_quoted(word)} for a text")
    elif word.lower() in ("none", "null", "nil"):
        told = (f"TOML has no `{word}`", "leave the key out: then it has its default")
    elif word[0] in _SMART:
        told = ("found a typographic quotation mark", f"write {_quoted(said.strip(_SMART))}, with straight ones")
        word = word[0]
    elif word[0] == "(":
        inside = stop.rest[1:].partition(")")[0]
        told = ("a list stands in square brackets", f"write [{inside}]")
    elif word[0] in _DASHES:
        told = (f"found the sign {word[0]} (U+{ord(word[0]):04X}), which is no minus", f"write -{word[1:]}")
    elif re.fullmatch(r"[+-]?\.\d+", word):
        told = ("a number begins with a digit", f"write {word.replace('.', '0.')}")
    elif re.match(r"[\w$./~<*]", word):
        is_half = sum(map(said.count, _MARKS)) == 1
        told = ("a text stands in quotes", f"write {_quoted(said.strip(_MARKS) if is_half else said)}")
        word = said
    else:
        return None
    return Mistake(*told, stop.at, len(word))


def _open_text(stop: _Stop) -> Mistake | None:
    """A text that does not end: shown where it begins."""
    opened = next((found for found in _TEXT.finditer(stop.text, 0, stop.at) if found[0] in _QUOTES), None)
    if not opened:
        return None
    quote, start = opened[0], opened.start()
    path = stop.text[start + 1 : stop.at].partition("#")[0].rstrip()
    if quote == '"' and path.endswith('\\"'):
        return _escape(path[:-1], start + len(path) - 1)
    return Mistake(
        f"a text begins here, and does not end: {quote} is missing", f"end it with {quote}", start, len(quote)
    )


def _backslash(stop: _Stop) -> Mistake | None:
    slash = stop.line.rfind("\\", 0, stop.at - stop.line_start + 1)
    found = next((m for m in re.finditer(r'"([^"]*)"', stop.line) if m.start() < slash < m.end()), None)
    return _escape(found[1], stop.line_start + slash) if slash >= 0 and found else None


def _escape(path: str, slash: int) -> Mistake:
    help = f"write '{path}' in single quotes, or double each backslash"
    return Mistake("in double quotes a backslash begins an escape", help, slash)


def _unclosed(stop: _Stop) -> Mistake | None:
    """A bracket that is not closed, or a comma that is missing within."""
    opened = _opened(stop.text[: stop.at], opening := "[" if "array" in stop.reason else "{")
    if opened < 0:
        return None
    if word := _run_on(stop):
        return word
    message = f"`,` or `{_CLOSING[opening]}` is missing here"
    if not stop.rest.strip() or stop.rest.startswith("#"):
        return _not_closed(stop.text, opened)
    if stop.text.rfind("\n", opened, stop.at) < 0:
        return Mistake(message, "put a comma between two values", stop.at)
    is_closed = opening == "{" and re.match(r"[^\[\]{}]*\}", stop.text[stop.at :])
    if stop.rest[0] in "]})" or (_NEW.match(stop.line) and not is_closed):
        return _not_closed(stop.text, opened)
    before = _without_texts(stop.text[: stop.at], "#").rstrip()
    return Mistake(message, "put a comma between two values", len(before))


def _not_closed(text: str, opened: int) -> Mistake:
    opening = text[opened]
    help = f"add the missing `{_CLOSING[opening]}`, or the comma before what follows"
    return Mistake(f"`{opening}` opens here and is not closed", help, opened)


def _twice(stop: _Stop) -> Mistake | None:
    """A key or table that is there already, or whose beginning is something else."""
    table, path, start = last_statement(stop.text[: stop.at])
    names = _names(path)
    places = list(find_places(stop.text[:start]).items())
    if stop.text[start] == "[":  # of several tables the first is told, and of several keys that of the last table
        places.reverse()
    earlier = {_names(known): place for known, place in places}
    within = next((names[:length] for length in range(len(names), 0, -1) if names[:length] in earlier), None)
    if within is None:
        return None
    first = earlier[within].key[0]
    is_header = stop.text[first] == "["
    line = f"line {stop.number_of(first)}"
    length = len(stop.text[start:].splitlines()[0].partition("#" if stop.text[start] == "[" else "=")[0].rstrip())
    name = ".".join(within[len(_names(table)) :] or within)
    if within != names or (stop.text[start] == "[") != is_header:
        is_inline = stop.text[slice(*earlier[within].value)].startswith("{")
        help = "write all that belongs to it between its braces" if is_inline else "keep one of the two"
        has = "is a table" if is_header else "has its value"
        return Mistake(f"`{name}` {has} already, in {line}", help, start, length)
    if not is_header:
        message = f"the key `{name}` stands here a second time, first in {line}"
        return Mistake(message, "keep one of the two", start, length)
    header = stop.text[first:].splitlines()[0].partition("#")[0].rstrip()
    if _names(last_statement(header).path) != names:
        message = f"the table `{name}` comes after what belongs to it, in {line}"
        return Mistake(message, f"move it up, before {header}", start, length)
    help = f"for several, each header is [[{name}]]" if _is_list(names) else "keep one of the two, or rename one"
    return Mistake(f"the table `{name}` stands here a second time, first in {line}", help, start, length)


def _names(path: Path) -> tuple[str, ...]:
    """The names of a path as a recipe writes them, without the numbers of tables."""
    return tuple(part for part in path if isinstance(part, str))


def _is_list(names: tuple[str, ...]) -> bool:
    """Whether a recipe can have several tables of a name."""
    is_step = len(names) == 3 and names[0] == "data" and names[2] != "split"
    return is_step or names in (("train",), ("train", "technique"))


def _long_number(stop: _Stop) -> Mistake | None:
    number = max(re.finditer(r"[\d_]+", stop.text), key=lambda found: len(found[0]))
    digits = len(number[0].replace("_", ""))
    return Mistake(f"a number of {digits} digits", "is it meant as a text? Write it in quotes", number.start(), digits)


def _too_deep(stop: _Stop) -> Mistake | None:
    text = _without_texts(stop.text, "#\"'")
    depth = list(itertools.accumulate((sign in "[{") - (sign in "]}") for sign in text))
    outermost = text.rfind("\n", 0, depth.index(_DEEP)) + 1 if _DEEP in depth else 0
    return Mistake(f"brackets in brackets, more than {_DEEP} deep", "no option is so deep", outermost)


def _inline_key_twice(stop: _Stop) -> Mistake | None:
    name = stop.reason.rpartition("'")[0].rpartition("'")[2]
    found = list(re.finditer(rf"(?<![\w-]){re.escape(name)}[\"']?\s*=", stop.before))
    message = f"the key `{name}` stands twice between these braces"
    start = stop.line_start + found[-1].start() if found else 0
    return Mistake(message, "keep one of the two", start, len(name)) if found else None


def _after_value(stop: _Stop) -> Mistake | None:
    rest = stop.rest
    if rest.startswith("//"):
        return _comment(stop, "//")
    if rest.startswith((";", ",")) and not rest[1:].strip():
        return Mistake(f"found `{rest[0]}` after a value", "leave it out: each value has a line of its own", stop.at)
    if word := _run_on(stop):
        return word
    mark = stop.before[-1:]
    if mark in _MARKS and rest[:1] not in ("", " ", "\t", "#", ","):
        help = 'write \\" for a quote inside a text' if mark == '"' else "put a text with ' inside into double quotes"
        return Mistake("the text ends here, and something follows", help, stop.at)
    shown = rest.strip()
    place, help = "value", "write one key and its value in a line"
    if stop.line.lstrip().startswith("["):
        place, help = "header", "write it in a line of its own"
        if shown.startswith("]"):
            help = "as many brackets close a header as open it"
    elif shown.startswith(","):
        help += ", and a list in brackets"
    return Mistake(f"found `{shown}` after a {place}", help, stop.at, len(shown) or 1)


def _run_on(stop: _Stop) -> Mistake | None:
    """A number, or a word such as `true`, that goes on: 10%, 1,000, 3rd, information."""
    begun = _BEGUN.search(stop.before)
    more = re.match(r"[^\s#,\]})]+" if stop.is_inside else r"[^\s#]+", stop.rest)
    if not begun or not more:
        return None
    start = stop.line_start + begun.start()
    if begun[1].isalpha():
        said = begun[0] + (more[0] if stop.is_inside else stop.rest.partition("#")[0].rstrip())
        return Mistake("a text stands in quotes", f"write {_quoted(said)}", start, len(said))
    whole = begun[0] + more[0]
    return Mistake("this is no number as TOML writes it", f"write {_number(whole)}", start, len(whole))


def _number(written: str) -> str:
    """A number as TOML writes it; in quotes what is none."""
    is_grouped = re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?%?", written)
    digits = written.rstrip("%").replace(",", "" if is_grouped else ".")
    try:
        value = float(digits) / (100 if written.endswith("%") else 1)
    except ValueError:
        return f"{_quoted(written)} if it is a text"
    return f"{value:.15g}"


def _comment(stop: _Stop, sign: str) -> Mistake:
    said = stop.rest.removeprefix(sign).removesuffix("*/").strip()
    return Mistake("a comment begins with #", f"write # {said}", stop.at, len(sign))


def _header(stop: _Stop) -> Mistake | None:
    found = re.match(r"\s*(\[+)([^\]\n#]*)", stop.line)
    if not found:
        return None
    brackets, name = found[1], found[2].strip()
    closing = "]" * len(brackets)
    parts = [part.strip() for part in name.split(".")]
    odd = [part for part in parts if not _PART.fullmatch(part)]
    if odd:
        right = ".".join(_quoted(part) if part in odd else part for part in parts)
        message = f"the name `{odd[0]}` needs quotes: it is not all letters a to z, digits, - and _"
        return Mistake(message, f"write {brackets}{right}{closing}", *_statement(stop))
    return Mistake(f"`{closing}` is missing", f"write {brackets}{name}{closing}", *_statement(stop))


def _statement(stop: _Stop) -> tuple[int, int]:
    """Where the statement of the line is, and how long."""
    text = stop.line.partition("#")[0]
    indent = len(text) - len(text.lstrip())
    return stop.line_start + indent, max(1, len(text.strip()))


def _to_its_end(stop: _Stop, value: str) -> str:
    """What is left of a line, as far as it belongs to one value."""
    if stop.is_inside and (found := re.match(r"\"[^\"]*\"|'[^']*'|[^,}]*", value)):
        value = found[0]
    return value.partition("#")[0].strip().rstrip(",")


def _opened(text: str, opening: str) -> int:
    """The last bracket of a text that is not closed; -1 if all are."""
    text = _without_texts(text, "#\"'")
    depth = 0
    for at in range(len(text) - 1, -1, -1):
        depth += (text[at] == _CLOSING[opening]) - (text[at] == opening)
        if depth < 0:
            return at
    return -1


def _without_texts(text: str, signs: str) -> str:
    """A text with spaces in the place of comments or texts, those that begin with one of the signs."""
    return _TEXT.sub(lambda found: " " * len(found[0]) if found[0][0] in signs else found[0], text)


def _as_value(text: str) -> str:
    """A value as it is, and in quotes what is a text without them."""
    return text if re.fullmatch(r"[+-]?[\d._]+|true|false|[\"'\[{].*", text) else _quoted(text)


def _quoted(text: str) -> str:
    return f"'{text}'" if "\\" in text or '"' in text else f'"{text}"'


_RULES: list[tuple[str, Callable[[_Stop], Mistake | None]]] = [
    ("", _another_format),
    ("", _invisible),
    ("Expected '='", _colon),
    ("Expected '='", _no_equals),
    ("Invalid value", _value),
    ("Invalid statement", _begin),
    ("Invalid initial character", _key_part),
    ("Illegal character '\\n'", _open_text),
    ("Found invalid character '\\n'", _open_text),
    ("Expected \"'", _open_text),
    ("Unterminated string", _open_text),
    ("Invalid hex value", _backslash),
    ("Unescaped", _backslash),
    ("Unclosed", _unclosed),
    ("Cannot overwrite", _twice),
    ("Cannot declare", _twice),
    ("Cannot mutate", _twice),
    ("Duplicate inline", _inline_key_twice),
    ("Expected newline", _after_value),
    ("Expected ']", _header),
    ("Exceeds the limit", _long_number),
    ("TOML inline arrays/tables are nested", _too_deep),
]
