"""The size of a tensor axis: a number, a symbol, or a product of both.

Reshape only ever multiplies and divides sizes, so monomials are all the algebra that views need. A dim
that is anything else (``floor(H/2)``, ``S + 1``) enters as one opaque symbol.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_ZERO = "\0"
"""A static 0 is kept as a symbol: it equals only itself and divides only its own multiples, which keeps
every law below true for empty tensors (0 as a coefficient would make ``0*3 == 0*5`` look like a view)."""


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """``coefficient * symbols[0] * symbols[1] * ...`` with the symbols sorted.

    Attributes:
        coefficient: A positive integer.
        symbols: Names of symbolic dims, sorted; a name occurs as often as it is multiplied.
    """

    coefficient: int = 1
    symbols: tuple[str, ...] = ()

    @classmethod
    def of(cls, dim: int | str) -> Size:
        """The size of a static dim (an int) or of one symbolic dim (its name)."""
        if isinstance(dim, str):
            return cls(1, (dim,))
        return cls(dim) if dim else cls(1, (_ZERO,))

    @property
    def static(self) -> int | None:
        """The size as an int, or None while a symbol is in it."""
        if _ZERO in self.symbols:
            return 0
        return None if self.symbols else self.coefficient

    @property
    def is_one(self) -> bool:
        """Whether the size is the number 1."""
        return self.coefficient == 1 and not self.symbols

    def __mul__(self, other: Size) -> Size:
        """The product of two sizes."""
        symbols = tuple(sorted(self.symbols + other.symbols)) if self.symbols and other.symbols else None
        return Size(self.coefficient * other.coefficient, symbols or self.symbols or other.symbols)

    def divide(self, other: Size) -> Size | None:
        """``self / other``, or None when that is not a size for every value of the symbols."""
        if self.coefficient % other.coefficient:
            return None
        if self.symbols == other.symbols:
            return Size(self.coefficient // other.coefficient)
        if not other.symbols:
            return Size(self.coefficient // other.coefficient, self.symbols)
        mine, theirs = Counter(self.symbols), Counter(other.symbols)
        if theirs - mine:
            return None
        return Size(self.coefficient // other.coefficient, tuple(sorted((mine - theirs).elements())))

    def __str__(self) -> str:
        """``7``, ``N`` or ``2*N``."""
        if (static := self.static) is not None:
            return str(static)
        names = "*".join(self.symbols)
        return names if self.coefficient == 1 else f"{self.coefficient}*{names}"


Shape = tuple[Size, ...]
"""The sizes of a value's axes."""

ONE = Size()

PLACEHOLDERS = frozenset({"", "?", "-1", "None", "none", "unk", "unknown"})
"""Names that exporters give to every dim that they know nothing of; two dims of such a name need not be equal."""


def shape_of(dims: Iterable[int | str]) -> Shape:
    """A shape from static dims (int) and symbolic dims (str)."""
    return tuple(Size.of(dim) for dim in dims)


def product(sizes: Iterable[Size]) -> Size:
    """The product of sizes; 1 for none."""
    first, *others = (*sizes, ONE)
    for size in others:
        first = first if size.is_one else first * size
    return first


def format_shape(shape: Iterable[Size]) -> str:
    """``[N, 3, 224, 224]``, as people write it."""
    return "[" + ", ".join(map(str, shape)) + "]"
