"""Typed access to the fields of a JSON object that anybody may have written; what is wrong is named by its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from fc2conv_cli.errors import ReportFileError

T = TypeVar("T")
_NOT_NUMBERS = {"inf": float("inf"), "-inf": float("-inf"), "nan": float("nan")}
"""How `fc2conv_cli.reports.json` writes what JSON has no number for."""


class Fields:
    """One JSON object of a file.

    Every method takes the name of a field and gives its value, or raises a ReportFileError that says which field of
    which file is missing or of another type.
    """

    def __init__(self, path: Path, content: Any, place: str = "") -> None:
        """An object in a file.

        Args:
            path: The file.
            content: What stands there; it must be an object.
            place: Where in the file that is: ``outputs[0]``.
        """
        self._path, self._place = path, place
        if not isinstance(content, dict):
            raise self._error(place or "the whole", "an object", content)
        self._content: Mapping[str, Any] = content

    def text(self, name: str) -> str:
        """A string."""
        return self._typed(name, str, "a string")

    def text_or_none(self, name: str) -> str | None:
        """A string or null."""
        return None if self._value(name) is None else self.text(name)

    def path(self, name: str) -> Path:
        """A path."""
        return Path(self.text(name))

    def path_or_none(self, name: str) -> Path | None:
        """A path or null."""
        return None if self._value(name) is None else self.path(name)

    def flag(self, name: str) -> bool:
        """A boolean."""
        return self._typed(name, bool, "true or false")

    def whole(self, name: str) -> int:
        """An integer."""
        return self._whole(self._value(name), self._at(name))

    def number(self, name: str) -> float:
        """A number, or the name of one that JSON does not have."""
        return self._number(self._value(name), self._at(name))

    def measure(self, name: str) -> float:
        """A number from 0 up; it may be infinite."""
        found = self.number(name)
        if not found >= 0:
            raise self._error(self._at(name), "a number from 0 up", found)
        return found

    def measure_or_none(self, name: str) -> float | None:
        """A number from 0 up, or null."""
        return None if self._value(name) is None else self.measure(name)

    def whole_or_none(self, name: str) -> int | None:
        """An integer, or null."""
        return None if self._value(name) is None else self.whole(name)

    def has(self, name: str) -> bool:
        """Whether there is such a field."""
        return name in self._content

    def size(self, name: str) -> int | str:
        """A static or a symbolic size."""
        return self._size(self._value(name), self._at(name))

    def value(self, name: str) -> float | str | None:
        """An element of a tensor: a number, a string, or null."""
        found = self._value(name)
        if found is None or (isinstance(found, str) and found not in _NOT_NUMBERS):
            return found
        return self._number(found, self._at(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        items = self._items(name)
        for place, item in items:
            if not isinstance(item, str):
                raise self._error(place, "a string", item)
        return tuple(item for _, item in items)

    def sizes(self, name: str) -> tuple[int | str, ...]:
        """A list of static or symbolic sizes."""
        return tuple(self._size(item, place) for place, item in self._items(name))

    def wholes(self, name: str) -> tuple[int, ...]:
        """A list of integers."""
        return tuple(self._whole(item, place) for place, item in self._items(name))

    def wholes_or_none(self, name: str) -> tuple[int, ...] | None:
        """A list of integers, or null."""
        return None if self._value(name) is None else self.wholes(name)

    def shape_or_none(self, name: str) -> tuple[int | str | None, ...] | None:
        """A list of sizes that may be unknown, or null."""
        if self._value(name) is None:
            return None
        return tuple(None if item is None else self._size(item, place) for place, item in self._items(name))

    def object(self, name: str) -> Fields:
        """An object."""
        return Fields(self._path, self._value(name), self._at(name))

    def object_or_none(self, name: str) -> Fields | None:
        """An object or null."""
        return None if self._value(name) is None else self.object(name)

    def objects(self, name: str) -> Iterator[Fields]:
        """A list of objects."""
        for place, item in self._items(name):
            yield Fields(self._path, item, place)

    def numbers(self) -> dict[str, float]:
        """All fields, which are numbers."""
        return {name: self.number(name) for name in self._content}

    def all_wholes(self) -> dict[str, int]:
        """All fields, which are integers."""
        return {name: self.whole(name) for name in self._content}

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of some strings."""
        found = self.text(name)
        if found not in choices:
            raise self._error(self._at(name), f"one of {', '.join(map(repr, choices))}", found)
        return found

    def _value(self, name: str) -> Any:
        if name not in self._content:
            raise ReportFileError(self._path, f"the field {self._at(name)} is missing")
        return self._content[name]

    def _typed(self, name: str, wanted: type[T], words: str) -> T:
        found = self._value(name)
        if not isinstance(found, wanted):
            raise self._error(self._at(name), words, found)
        return found

    def _items(self, name: str) -> list[tuple[str, Any]]:
        found = self._typed(name, list, "a list")
        return [(f"{self._at(name)}[{i}]", item) for i, item in enumerate(found)]

    def _whole(self, found: Any, place: str) -> int:
        if isinstance(found, bool) or not isinstance(found, int):
            raise self._error(place, "an integer", found)
        return found

    def _number(self, found: Any, place: str) -> float:
        if isinstance(found, str) and found in _NOT_NUMBERS:
            return _NOT_NUMBERS[found]
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._error(place, "a number", found)
        try:
            return float(found)
        except OverflowError:
            raise self._error(place, "a number that a float holds", found) from None

    def _size(self, found: Any, place: str) -> int | str:
        return found if isinstance(found, str) else self._whole(found, place)

    def _at(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name

    def _error(self, place: str, wanted: str, found: Any) -> ReportFileError:
        shown = repr(found)
        shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
        return ReportFileError(self._path, f"{place} is {shown}, and not {wanted}")
