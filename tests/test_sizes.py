from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fc2conv_cli.sizes import ONE, Size, format_shape, product, shape_of

sizes = st.builds(
    lambda c, s: Size(c, tuple(sorted(s))), st.integers(1, 60), st.lists(st.sampled_from(["N", "S", "H"]), max_size=3)
)


@given(sizes, sizes)
def test_division_undoes_multiplication(a: Size, b: Size) -> None:
    assert (a * b).divide(b) == a


@given(sizes, sizes)
def test_a_quotient_times_the_divisor_is_the_dividend(a: Size, b: Size) -> None:
    quotient = a.divide(b)
    assert quotient is None or quotient * b == a


@given(sizes, sizes, st.tuples(*[st.integers(1, 5)] * 3))
def test_products_hold_for_every_value_of_the_symbols(a: Size, b: Size, numbers: tuple[int, int, int]) -> None:
    values = dict(zip("NSH", numbers, strict=True))

    def evaluate(size: Size) -> int:
        result = size.coefficient
        for name in size.symbols:
            result *= values[name]
        return result

    assert evaluate(a * b) == evaluate(a) * evaluate(b)


def test_a_static_zero_equals_only_itself() -> None:
    zero = Size.of(0)
    assert zero.static == 0
    assert (zero * Size.of(3)).static == 0
    assert zero * Size.of(3) != zero * Size.of(5)
    assert Size.of("0") != zero  # a symbolic dim may be called anything
    assert not zero.is_one


def test_text() -> None:
    assert format_shape(shape_of([1, "N", 0])) == "[1, N, 0]"
    assert str(Size.of(2) * Size.of("N") * Size.of("S")) == "2*N*S"
    assert str(product([])) == str(ONE) == "1"
