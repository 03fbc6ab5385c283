"""Conditions over columns, as recipes write them: `age >= 18 and (income > 2 * rent or "Rome" in city)`.

They are parsed, and never run as a program: comparisons, arithmetic and three functions are all there is. What has no
value is neither so nor not so, as in SQL.
"""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ladle import Columns, OptionError
from ladle.errors import did_you_mean

from .arrays import as_text, is_text, plain
from .values import is_missing

if TYPE_CHECKING:
    import pyarrow as pa

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}
_PYTHON: dict[str, Callable[[Any, Any], Any]] = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
}
_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
}
_TRUTHS = {"true": True, "false": False}
_FUNCTIONS = {"length": ("number", "text", "list", "vector"), "lower": ("text", "text"), "missing": ("boolean",)}
"""What functions give, and of columns of which types; of any if none is said."""
_HELP = "write for example \"age >= 18 and (city in ['Rome', 'Oslo'] or length(note) < 10)\""


def parsed(text: str) -> ast.expr:
    """A condition as a tree. Raises OptionError about the option `where` if it is none."""
    try:
        return _Named().visit(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        what = getattr(error, "msg", None) or type(error).__name__
        raise _refused(f"this is no condition: {what}") from None


class _Named(ast.NodeTransformer):
    """Makes names of what is written as column("a name with spaces")."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        match node:
            case ast.Call(func=ast.Name(id="column"), args=[ast.Constant(value=str() as name)], keywords=[]):
                return ast.copy_location(ast.Name(name), node)
        return self.generic_visit(node)


def columns_in(tree: ast.expr) -> list[str]:
    """The columns that a condition looks at, in the order in which it names them."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called]
    names.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(node.id for node in names if node.id not in _TRUTHS))


def check(tree: ast.expr, given: Columns) -> None:
    """Raises OptionError unless a condition can be true or false of rows with these columns."""
    type_ = _type_of(tree, given)
    if type_ not in ("boolean", "any"):
        raise _refused(f"`{ast.unparse(tree)}` is a {type_}, and no condition")
    if not columns_in(tree):
        raise _refused("the condition looks at no column")


def _refused(message: str, help: str = _HELP) -> OptionError:
    return OptionError(message, option="where", help=help, code="condition")


def _type_of(node: ast.expr, given: Columns) -> str:  # noqa: PLR0911, PLR0912 - a case for each part of the grammar
    """What a part of a condition gives. Raises OptionError for a part that makes no sense."""
    match node:
        case ast.Constant(value=bool()):
            return "boolean"
        case ast.Constant(value=int() | float()):
            return "number"
        case ast.Constant(value=str()):
            return "text"
        case ast.Name(id=name) if name in _TRUTHS:
            return "boolean"
        case ast.Name(id=name):
            found = given.need(name, option="where")
            return "number" if found == "integer" else found
        case ast.BoolOp(values=parts):
            _need(parts, given, "boolean")
            return "boolean"
        case ast.UnaryOp(op=ast.Not(), operand=part):
            _need([part], given, "boolean")
            return "boolean"
        case ast.UnaryOp(op=ast.USub(), operand=part):
            _need([part], given, "number")
            return "number"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            _need([left, right], given, "number")
            return "number"
        case ast.Compare(left=left, ops=ops, comparators=others):
            for one, op, other in zip([left, *others[:-1]], ops, others, strict=True):
                _check_comparison(one, op, other, given)
            return "boolean"
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            gives, *takes = _FUNCTIONS[name]
            _need([argument], given, *takes)
            return gives
        case ast.Call(func=ast.Name(id=name)) if name not in _FUNCTIONS:
            raise _refused(f"there is no function `{name}`", did_you_mean(name, list(_FUNCTIONS), "the functions are"))
    raise _refused(f"`{ast.unparse(node)}` has no place in a condition")


def _need(parts: Sequence[ast.expr], given: Columns, *types: str) -> None:
    for part in parts:
        found = _type_of(part, given)
        if types and found not in (*types, "any"):
            raise _refused(f"`{ast.unparse(part)}` is a {found}, expected {' or '.join(types)}")


def _check_comparison(one: ast.expr, op: ast.cmpop, other: ast.expr, given: Columns) -> None:
    left = _type_of(one, given)
    if isinstance(op, (ast.In, ast.NotIn)):
        if not isinstance(other, (ast.List, ast.Tuple)):
            _need([one, other], given, "text")
            if not isinstance(one, ast.Constant):
                raise _refused(f"`{ast.unparse(one)}` is no text in quotes", 'write "Rome" in city, or city == other')
            return
        if not other.elts:
            raise _refused("nothing is in an empty list")
        others = other.elts
    elif type(op) in _COMPARISONS:
        others = [other]
    else:
        raise _refused("`is` compares nothing here", "write ==, != or missing(column)")
    for each in others:
        right = _type_of(each, given)
        types = {left, right}
        if types == {"time", "text"}:
            _check_time(each if right == "text" else one)
        elif len(types) > 1 and "any" not in types:
            raise _refused(f"`{ast.unparse(one)}` is a {left} and `{ast.unparse(each)}` a {right}")
        elif types & {"list", "vector", "record", "bytes"}:
            raise _refused(f"a {left} is not to be compared")


def _check_time(node: ast.expr) -> None:
    try:
        _moment(node.value if isinstance(node, ast.Constant) else "")
    except ValueError:
        raise _refused(f"`{ast.unparse(node)}` is no time", 'write for example born > "2020-01-31"') from None


def _moment(value: Any) -> datetime:
    """A time as it is compared: without a zone, in UTC. Raises ValueError for a text that is none."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def is_true_of(tree: ast.expr, row: Mapping[str, Any]) -> bool | None:
    """Whether a condition is true of a row; None where that cannot be told because something has no value."""
    return _worked_out(tree, _OfRow(row))


def are_true_of(tree: ast.expr, batch: pa.RecordBatch) -> pa.Array:
    """For each row of a batch what `is_true_of` would say."""
    import pyarrow as pa

    return _worked_out(tree, _OfBatch(batch)).cast(pa.bool_())


def _worked_out(node: ast.expr, of: _OfRow | _OfBatch) -> Any:  # noqa: PLR0911
    """The value of a part of a condition that has been checked."""
    work = functools.partial(_worked_out, of=of)
    match node:
        case ast.Constant(value=value):
            is_large = type(value) is int and abs(value) >= 2**63
            return float(value) if is_large else value
        case ast.Name(id=name):
            return _TRUTHS[name] if name in _TRUTHS else of.column(name)
        case ast.BoolOp(op=op, values=parts):
            return functools.reduce(of.both if isinstance(op, ast.And) else of.either, map(work, parts))
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return of.negated(work(part))
        case ast.UnaryOp(operand=part):
            return of.reckoned("subtract", 0, work(part))
        case ast.BinOp(left=left, op=op, right=right):
            return of.reckoned(_ARITHMETIC[type(op)], work(left), work(right))
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return getattr(of, name)(work(argument))
        case ast.Compare(left=left, ops=ops, comparators=others):
            pairs = zip([left, *others[:-1]], ops, others, strict=True)
            return functools.reduce(of.both, [_compared(one, op, other, of) for one, op, other in pairs])
    raise AssertionError(ast.dump(node))


def _compared(one: ast.expr, op: ast.cmpop, other: ast.expr, of: _OfRow | _OfBatch) -> Any:
    left = _worked_out(one, of)
    if type(op) in _COMPARISONS:
        return of.compared(_COMPARISONS[type(op)], left, _worked_out(other, of))
    if isinstance(other, (ast.List, ast.Tuple)):
        equal = [of.compared("equal", left, _worked_out(each, of)) for each in other.elts]
        found = functools.reduce(of.either, equal)
    else:
        found = of.holding(_worked_out(other, of), left)
    return of.negated(found) if isinstance(op, ast.NotIn) else found


class _OfRow:
    """Values of one row; None is unknown, as in SQL."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._row = row

    def column(self, name: str) -> Any:
        value = self._row[name]
        if is_missing(value):
            return None
        if isinstance(value, date):
            return _moment(value)
        return float(value) if isinstance(value, Decimal) else value

    def both(self, one: bool | None, other: bool | None) -> bool | None:
        return False if one is False or other is False else None if one is None or other is None else True

    def either(self, one: bool | None, other: bool | None) -> bool | None:
        return True if one is True or other is True else None if one is None or other is None else False

    def negated(self, one: bool | None) -> bool | None:
        return None if one is None else not one

    def reckoned(self, op: str, one: float | None, other: float | None) -> float | None:
        if one is None or other is None:
            return None
        try:
            return float(_PYTHON[op](float(one), float(other)))
        except ZeroDivisionError:
            return None

    def compared(self, op: str, one: Any, other: Any) -> bool | None:
        if one is None or other is None:
            return None
        if isinstance(one, datetime) != isinstance(other, datetime):
            one, other = _moment(one), _moment(other)
        return _PYTHON[op](one, other)

    def holding(self, text: str | None, part: str | None) -> bool | None:
        return None if text is None or part is None else part in text

    def length(self, value: Any) -> int | None:
        return None if value is None else len(value)

    def lower(self, text: str | None) -> str | None:
        return None if text is None else text.lower()

    def missing(self, value: Any) -> bool:
        return value is None


class _OfBatch:
    """Columns of a batch, as Arrow's arrays; null is unknown."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    def column(self, name: str) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        column = plain(self._batch[name])
        if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
            return column.cast(pa.timestamp("us"), safe=False)
        if pa.types.is_decimal(column.type) or pa.types.is_floating(column.type) or column.type == pa.uint64():
            column = column.cast(pa.float64(), safe=False)
            return pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
        return column

    def both(self, one: Any, other: Any) -> Any:
        import pyarrow.compute as pc

        return pc.and_kleene(one, other)

    def either(self, one: Any, other: Any) -> Any:
        import pyarrow.compute as pc

        return pc.or_kleene(one, other)

    def negated(self, one: Any) -> Any:
        import pyarrow.compute as pc

        return pc.invert(one)

    def reckoned(self, op: str, one: Any, other: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        one, other = (pc.cast(value, pa.float64(), safe=False) for value in (one, other))
        if op == "divide":
            other = pc.if_else(pc.equal(other, 0.0), pa.scalar(None, pa.float64()), other)
        return getattr(pc, op)(one, other)

    def compared(self, op: str, one: Any, other: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        if any(isinstance(value, pa.Array) and pa.types.is_timestamp(value.type) for value in (one, other)):
            one, other = (_moment(value) if isinstance(value, str) else value for value in (one, other))
        return getattr(pc, op)(one, other)

    def holding(self, text: Any, part: str) -> Any:
        import pyarrow.compute as pc

        return pc.match_substring(self._text(text), part)

    def length(self, value: Any) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        is_list = isinstance(value, pa.Array) and not is_text(value) and not pa.types.is_null(value.type)
        return pc.list_value_length(value) if is_list else pc.utf8_length(self._text(value))

    def lower(self, text: Any) -> Any:
        import pyarrow.compute as pc

        return pc.utf8_lower(self._text(text))

    def _text(self, value: Any) -> Any:
        """A text, or a column of them, which may be one that has no value at all."""
        return value if isinstance(value, str) else as_text(value)

    def missing(self, value: Any) -> Any:
        import pyarrow.compute as pc

        return pc.is_null(value)
