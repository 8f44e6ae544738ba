"""Copies of values and exceptions, with the keys cut out.

An exception of a site is never changed: the site's own handlers get the original. A log record and
an error report get a copy, of a subclass with the same name. Keys are cut out of its message,
arguments, notes and attributes. The same is done for all exceptions in its chain or in its group.
The copy's traceback leads through frames whose local variables are cut.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import FrameType, TracebackType
from typing import Any, TypeAlias

from django.http import HttpRequest
from django.template.context import BaseContext

from invitation.keys import codes, conceal, links, unsubscribing, written

#: Modules whose local variables contain parts of keys. A part cannot be recognised as a secret.
HALVES = frozenset(one.__name__ for one in (codes, links, unsubscribing, written))

#: Depth to which containers are searched. Deeper values are checked as printed text.
DEPTH = 6

#: Names of a typed code: in the form, in the address, and where it is looked up.
TYPED = ("code", "word", "text")

_WALKED = (dict, list, tuple, set, frozenset)
#: Classes whose ``repr`` prints all of their content.
_PRINTING = (*_WALKED, BaseContext, HttpRequest)


#: Callable that returns the local variables of a frame that may be shown, without keys.
Variables: TypeAlias = Callable[[FrameType], Iterable[tuple[str, Any]]]


def conceal_data(value: Any) -> Any:
    """Return a value without keys, or the same object if it contains no key.

    It handles text, bytes, containers of them and exceptions. Events of an error tracker can use
    it, too.
    """
    return _conceal(value, DEPTH)


def conceal_named(name: Any, value: Any) -> str:
    """Return the cut text of a secret that is recognised only by its name, or an empty string.

    These are the activation key of a registration backend, and the typed code of a shared link.
    """
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    if name == written.ACTIVATION and isinstance(value, str):
        return written.mask(value) if value else ""
    is_code = name in TYPED and codes.normalise(value) is not None
    return written.CODE_MASK if is_code else ""


def conceal_error(error: BaseException, variables: Variables) -> BaseException:
    """Return an exception without keys, or the same object if nothing in it contains a key."""
    if not any(_tells(one) for one in _family(error, {})):
        return error
    return _StandIns(variables).of(error)


def _conceal(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        safe: Any = conceal(value)
        return value if safe == value else safe
    if isinstance(value, bytes | bytearray):
        text = value.decode("latin-1")
        safe = conceal(text)
        return value if safe == text else safe.encode("latin-1", "replace")
    if isinstance(value, BaseException):
        words = _printed(str, value) + _printed(repr, value)
        return value if conceal(words) == words else conceal(_printed(repr, value))
    if depth and type(value) in _WALKED:
        return _conceal_container(value, depth - 1)
    if isinstance(value, _PRINTING):
        text = _printed(repr, value)
        safe = conceal(text)
        return value if safe == text else safe
    return value


def _conceal_container(value: Any, depth: int) -> Any:
    if type(value) is dict:
        pairs = [
            (_conceal(name, depth), conceal_named(name, one) or _conceal(one, depth))
            for name, one in value.items()
        ]
        same = all(
            name is before and one is value[before]
            for (name, one), before in zip(pairs, value, strict=True)
        )
        return value if same else dict(pairs)
    before = list(value)
    after = [_conceal(one, depth) for one in before]
    same = all(one is other for one, other in zip(before, after, strict=True))
    return value if same else type(value)(after)


def _printed(how: Callable[[Any], str], value: Any) -> str:
    """Return a value as text, or the name of its class if it cannot be printed."""
    try:
        return how(value)
    except Exception:  # noqa: BLE001 (printing a site's own class may raise anything)
        return f"<{type(value).__name__}>"


def _family(error: BaseException, seen: dict[int, BaseException]) -> Iterator[BaseException]:
    """Yield an exception and all other exceptions that its report shows."""
    if id(error) in seen:
        return
    seen[id(error)] = error
    yield error
    related = [error.__cause__, error.__context__, *_members(error)]
    for one in related:
        if one is not None:
            yield from _family(one, seen)


def _tells(error: BaseException) -> bool:
    """Return whether the message, the attributes or the frames of an exception contain a key."""
    words = _printed(str, error) + _printed(repr, error)
    if conceal(words) != words or conceal_data(vars(error)) is not vars(error):
        return True
    return any(_frame_tells(step.tb_frame) for step in _steps(error.__traceback__))


def _frame_tells(frame: FrameType) -> bool:
    if frame.f_globals.get("__name__") in HALVES:
        return True
    variables = dict(frame.f_locals)
    return conceal_data(variables) is not variables


def _steps(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


class _StandIns:
    """Copies of one exception and of all exceptions that belong to it."""

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.made: dict[int, BaseException] = {}

    def of(self, error: BaseException) -> BaseException:
        """Return the copy of an exception."""
        if id(error) not in self.made:
            self.made[id(error)] = made = self._make(error)
            made.__cause__ = self._of_related(error.__cause__)
            made.__context__ = self._of_related(error.__context__)
            made.__suppress_context__ = error.__suppress_context__
            made.__traceback__ = self._traceback(error.__traceback__)
        return self.made[id(error)]

    def _of_related(self, error: BaseException | None) -> BaseException | None:
        return None if error is None else self.of(error)

    def _make(self, error: BaseException) -> BaseException:
        kind = type(error)
        words, shown = (conceal(_printed(how, error)) for how in (str, repr))
        namespace: dict[str, Any] = {
            "__module__": kind.__module__,
            "__qualname__": kind.__qualname__,
            "__str__": lambda self: words,
            "__repr__": lambda self: shown,
        }
        arguments = tuple(map(conceal_data, error.args))
        if _is_group(error):
            arguments = (arguments[0], [self.of(one) for one in _members(error)])
        try:
            standing = _build(type(kind.__name__, (kind,), namespace), arguments)
        except Exception:  # noqa: BLE001 (a site's own class may refuse a subclass)
            standing = _build(type(kind.__name__, (Exception,), namespace), arguments)
        vars(standing).update(conceal_data(vars(error)))
        return standing

    def _traceback(self, traceback: TracebackType | None) -> TracebackType | None:
        following: TracebackType | None = None
        for step in reversed(list(_steps(traceback))):
            made = _frame(step, conceal_data(dict(self.variables(step.tb_frame))))
            following = TracebackType(following, made.tb_frame, made.tb_lasti, step.tb_lineno)
        return following


def _is_group(error: BaseException) -> bool:
    """Return whether this is an exception group; Python 3.10 has none of its own."""
    return any(kind.__name__ == "BaseExceptionGroup" for kind in type(error).__mro__)


def _members(error: Any) -> tuple[BaseException, ...]:
    """Return the exceptions of a group, or an empty tuple."""
    members: tuple[BaseException, ...] = error.exceptions if _is_group(error) else ()
    return members


def _build(kind: Any, arguments: tuple[Any, ...]) -> BaseException:
    """Create an exception as Python does, without the class's own ``__new__`` and ``__init__``."""
    builtin: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    standing: BaseException = builtin.__new__(kind, *arguments)
    builtin.__init__(standing, *arguments)
    return standing


def _frame(step: TracebackType, variables: dict[str, Any]) -> TracebackType:
    """Return a traceback step in a new frame, with the place of this step and these variables."""
    code = step.tb_frame.f_code
    place = _place(step)
    number = ast.Constant(0, **place)
    division = ast.Expr(ast.BinOp(number, ast.Div(), number, **place), **place)
    raising = compile(ast.Module([division], []), code.co_filename, "exec")
    made: TracebackType | None = None
    try:
        exec(raising.replace(co_name=code.co_name), step.tb_frame.f_globals, variables)  # noqa: S102 (one division by zero)
    except ZeroDivisionError as error:
        made = error.__traceback__
    [*_, last] = _steps(made)
    return last


def _place(step: TracebackType) -> dict[str, Any]:
    """Return the place of a step in the source: lines, and columns where Python knows them."""
    positions: Any = getattr(step.tb_frame.f_code, "co_positions", tuple)()  # from Python 3.11 on
    _line, end, column, end_column = next(islice(positions, step.tb_lasti // 2, None), (None,) * 4)
    line = step.tb_lineno
    return {
        "lineno": line,
        "end_lineno": max(end or line, line),
        "col_offset": column or 0,
        "end_col_offset": end_column or 0,
    }
