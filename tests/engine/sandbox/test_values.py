"""Values on their way through text: exact, and safe to read when a program made the text itself."""

import datetime
import enum
import json
import time
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calculemus.engine.sandbox import Sandbox, as_number
from calculemus.engine.sandbox.inside.decode import decode
from calculemus.engine.sandbox.inside.encode import MAX_DEPTH, MOST_HASHED, encode
from calculemus.errors import BadReplyError, NotDataError

KEYS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.fractions(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.datetimes().map(lambda moment: moment.replace(fold=0)),
    st.times().map(lambda moment: moment.replace(fold=0)),
    st.timedeltas(),
    st.complex_numbers(allow_nan=False),
)
VALUES = st.recursive(
    KEYS,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(KEYS, inner),
        st.sets(KEYS),
        st.frozensets(KEYS),
    ),
    max_leaves=20,
)


def through_text(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value))))


@given(VALUES)
def test_a_value_comes_back_equal_and_of_the_same_types(value: Any) -> None:
    back = through_text(value)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value) or isinstance(value, (set, frozenset, dict, list, tuple))


@given(st.floats())
def test_a_float_comes_back_bit_for_bit_whatever_it_is(number: float) -> None:
    assert float.hex(through_text(number)) == float.hex(number)


@given(st.integers(min_value=2**53, max_value=2**20000))
def test_a_large_number_keeps_every_digit(number: int) -> None:
    assert through_text(number) == number
    assert through_text(-number) == -number


class Coin(enum.IntEnum):
    DIME = 10


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Coin.DIME, 10),
        (Counter("aab"), {"a": 2, "b": 1}),
        (defaultdict(int, x=1), {"x": 1}),
        (OrderedDict(x=1), {"x": 1}),
        (deque([1, 2]), [1, 2]),
        (namedtuple("Point", "x y")(1, 2), (1, 2)),
        (range(3), [0, 1, 2]),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.items(), [("a", 1)]),
        (map(abs, [-1, 2]), [1, 2]),
        ((n * n for n in range(3)), [0, 1, 4]),
        (bytearray(b"ab"), b"ab"),
    ],
)
def test_relatives_of_plain_values_become_plain(value: Any, expected: Any) -> None:
    back = through_text(value)
    assert (back, type(back)) == (expected, type(expected))


@pytest.mark.parametrize("value", [print, Any, object(), lambda: 1, [1, {2: print}], type, ...])
def test_what_is_no_data_is_refused(value: Any) -> None:
    with pytest.raises(NotDataError, match="expected numbers, text, dates"):
        encode(value)


def test_a_value_in_itself_is_refused_at_the_greatest_depth() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(NotDataError, match=f"deeper than {MAX_DEPTH}"):
        encode(value)
    deep: list[Any] = []
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert through_text(deep) == deep


def test_more_than_can_be_hashed_in_time_is_refused_on_both_sides() -> None:
    many = {n * (2**61 - 1): 0 for n in range(10)}
    assert through_text(many) == many
    with pytest.raises(NotDataError, match="more than"):
        encode(dict.fromkeys(range(MOST_HASHED + 1)))
    started = time.process_time()
    for kind in ("set", "frozenset"):
        with pytest.raises(BadReplyError):
            decode({kind: [{"int": hex(n * (2**61 - 1))} for n in range(60000)]})
    with pytest.raises(BadReplyError):
        decode({"dict": [[{"int": hex(n * (2**61 - 1))}, 0] for n in range(60000)]})
    assert time.process_time() - started < 1


def test_a_fraction_too_long_to_reduce_is_refused_on_both_sides() -> None:
    long = 3**300000
    with pytest.raises(NotDataError, match="bits"):
        encode(Fraction(1, long))
    with pytest.raises(BadReplyError, match="too long"):
        decode({"fraction": ["0x1", hex(long)]})
    assert through_text(Fraction(1, 3**30000)) == Fraction(1, 3**30000)


@pytest.mark.parametrize(
    "text",
    [
        '{"int": "12x"}', '{"int": 5}', '{"fraction": ["0x1", "0x0"]}', '{"fraction": ["0x1"]}',
        '{"fraction": 1}', '{"decimal": "one"}', '{"date": "2024-02-30"}', '{"datetime": 5}',
        '{"timedelta": [1e99]}', '{"timedelta": {}}', '{"set": [[1]]}', '{"set": 5}', '{"tuple": 5}',
        '{"dict": [[1]]}', '{"dict": [[[1], 2]]}', '{"dict": 5}', '{"object": 1}',
        '{"int": "0x1", "float": "1"}', "{}", '{"bytes": "zz"}', '{"float": "x"}', '{"complex": [1]}',
        '{"complex": ["1", "2"]}', '{"__class__": []}',
    ],
)  # fmt: skip
def test_text_that_no_honest_process_writes_is_refused(text: str) -> None:
    with pytest.raises(BadReplyError):
        decode(json.loads(text))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner),
        st.dictionaries(st.sampled_from(["int", "set", "dict", "tuple", "fraction", "x"]), inner),
    ),
    max_leaves=15,
)


@given(JSON)
def test_any_json_is_read_or_refused_and_nothing_else_happens(value: Any) -> None:
    try:
        decode(value)
    except BadReplyError:
        return
    assert through_text(decode(value)) == decode(value)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import numpy as np\nanswer = np.float64(0.1)", 0.1),
        ("import numpy as np\nanswer = np.int64(7)", 7),
        ("import numpy as np\nanswer = np.array([[1, 2], [3, 4]])", [[1, 2], [3, 4]]),
        (
            "import numpy as np\nanswer = {'mean': np.mean([1, 2]), 'any': np.any([True])}",
            {"mean": 1.5, "any": True},
        ),
        ("import sympy\nanswer = sympy.Rational(1, 3)", Fraction(1, 3)),
        ("import sympy\nanswer = [sympy.Integer(2), sympy.Float(0.5), sympy.sqrt(2)]", [2, 0.5, "sqrt(2)"]),
        ("import sympy\nx = sympy.Symbol('x')\nanswer = sympy.solve(x - 3, x, dict=True)", [{"x": 3}]),
        ("import sympy\nanswer = sympy.true", True),
        ("import mpmath\nanswer = mpmath.mpf('0.25')", 0.25),
    ],
)
def test_numbers_of_the_sciences_become_plain(sandbox: Sandbox, program: str, expected: Any) -> None:
    run = sandbox.run(program)
    assert (run.status, run.value, type(run.value)) == ("ok", expected, type(expected))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5), (0.5, Fraction(1, 2)), (Fraction(1, 3), Fraction(1, 3)), (Decimal("0.1"), Fraction(1, 10)),
        ("42", 42), (" 1.5 ", Fraction(3, 2)), ("five", None), (float("nan"), None), (float("inf"), None),
        (None, None), (True, None), ([5], None), (datetime.date(2024, 1, 1), None), (1j, None),
        (Decimal("1E+999999999"), None), (Decimal("NaN"), None),
    ],
)  # fmt: skip
def test_a_number_is_taken_exactly_and_nothing_else_is_a_number(
    value: Any, expected: Fraction | None
) -> None:
    assert as_number(value) == expected
