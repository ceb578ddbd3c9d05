"""The tiers against each other, and against this very Python, on generated expressions."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from calculemus.engine.sandbox import Limits, Sandbox, Tier
from calculemus.engine.sandbox.look import look
from calculemus.rng import Rng

HEAD = """
import math
from datetime import date, datetime, timedelta
from decimal import Decimal, ROUND_HALF_UP
from itertools import accumulate
"""
MANY = Limits(value_bytes=4 << 20, cpu_seconds=20, wall_seconds=60)
EDGES = [
    0.1,
    0.2,
    2.675,
    1.005,
    2.5,
    0.5,
    -0.5,
    1e16,
    1e-7,
    1 / 3,
    1e22,
    5e-324,
    1.7976931348623157e308,
    0.0,
    -0.0,
]
CONVERSIONS = ["abs", "int", "float", "bool", "math.floor", "math.ceil", "math.trunc"]
SPECIFICATION = ["_*>_<_^", "_+_ ", "_8_012", "_,", "_.0_.1_.2_.10", "_f_e_g_%_d_x"]
OLD_SPECIFICATION = ["%", "_-_+_0", "_6", "_.2", "d_f_e_g_s_x_i"]
FUNCTIONS = ["sqrt", "exp", "log", "sin", "cos", "tan", "atan", "log10", "log2", "fabs", "degrees", "acos"]
LARGE = [10**9, 2**53 + 1, 2**64 + 3, -(10**18)]


class Writer:
    """Writes random expressions, all from one stream."""

    def __init__(self, rng: Rng) -> None:
        self.draws: np.random.Generator = rng.generator()

    def below(self, bound: int) -> int:
        return int(self.draws.integers(bound))

    def pick(self, items: Any) -> Any:
        return items[self.below(len(items))]

    def number(self) -> str:
        kind = self.below(10)
        if kind < 3:
            return str(self.below(220) - 20)
        if kind < 4:
            return str(self.pick(LARGE))
        if kind < 7:
            return repr(round(float(self.draws.uniform(-1000, 1000)), self.below(5)))
        return (
            repr(self.pick(EDGES))
            if kind < 9
            else repr((2 * self.below(9999) - 9999) / self.pick([2, 8, 20, 2000]))
        )

    def arithmetic(self, depth: int = 0) -> str:
        kind = self.below(20)
        if depth > 3 or kind < 5:
            return self.number()
        left, right = self.arithmetic(depth + 1), self.arithmetic(depth + 1)
        if kind < 13:
            return f"({left} {self.pick(['+', '-', '*', '/', '//', '%'])} {right})"
        if kind < 14:
            return f"({left} ** {self.below(8) - 3})"
        if kind < 16:
            return self.pick([f"round({left}, {self.below(10) - 3})", f"round({left})"])
        if kind < 18:
            return f"{self.pick(CONVERSIONS)}({left})"
        function = f"math.{self.pick(FUNCTIONS)}({left})"
        return self.pick([function, f"max({left}, {right})", f"({left} if {left} < {right} else {right})"])

    def formatted(self) -> str:
        value = self.arithmetic(2)
        spec = "".join(self.pick(choices.split("_")) for choices in SPECIFICATION)
        old = "".join(self.pick(choices.split("_")) for choices in OLD_SPECIFICATION)
        ways = [f"f'{{{value}:{spec}}}'", f"'{{:{spec}}}'.format({value})", f"'{old}' % ({value},)"]
        return self.pick([*ways, f"str({value})", f"f'{{{value}}}'", f"str([{value}, {{'k': {value}}}])"])

    def sequence(self) -> str:
        items = "[" + ", ".join(self.number() for _ in range(self.below(7))) + "]"
        return self.pick([
            f"sum({items})", f"sorted({items}, reverse=True)", f"max({items}, default=None)",
            f"[x * 2 for x in {items} if x > {self.number()}]", f"dict(enumerate({items}))",
            f"{items}[::{self.pick([-2, -1, 1, 2])}]", f"{items}[{self.below(9) - 4}:{self.below(9) - 4}]",
            f"list(zip({items}, range({self.below(6)})))", f"math.fsum({items})",
            f"sum(x * x for x in {items})",
            f"any(x > 5 for x in {items})", f"list(map(int, {items}))", f"list(reversed({items}))",
            f"{items}.count({self.number()})", f"({items} + [1]).index(1)", f"list(accumulate({items}))",
        ])  # fmt: skip

    def text(self) -> str:
        text = repr("".join(self.pick("abcXYZ 019.,-$%é½ß日\t\n") for _ in range(self.below(9))))
        calls = (
            "upper() lower() title() split() split(',') strip() replace('a','bb') find('b') zfill(10) "
            "isdigit() isalpha() isnumeric() isalnum() center(11,'*') capitalize() splitlines() "
            "partition('a') count('a')"
        )
        return self.pick([
            *(f"{text}.{call}" for call in calls.split()),
            f"{text}[::-1]", f"float({text})", f"int({text})", f"list({text})", f"','.join({text})",
            f"{text} < 'b'",
        ])  # fmt: skip

    def moment(self) -> str:
        day = f"{1990 + self.below(50)}, {1 + self.below(12)}, {1 + self.below(28)}"
        span = f"timedelta(days={self.below(800) - 400}, hours={self.below(50)}, minutes={self.below(100)})"
        time = f"datetime({day}, {self.below(24)}, {self.below(60)})"
        return self.pick([
            f"date({day}) + {span}", f"{time} - {span}", f"(date({day}) - date(2000, 1, 1)).days",
            f"str({time})",
            f"date({day}).strftime('%A %d %B %Y %j %b %a %y %m')", f"{time}.strftime('%H:%M:%S %I %p')",
            f"str({span})", f"{span}.total_seconds()", f"date({day}).weekday()", f"date({day}).isoformat()",
            f"{span} * {self.below(9) - 4}", f"{span} / {1 + self.below(7)}",
            f"{time} < datetime(2020, 1, 1)",
        ])  # fmt: skip

    def decimal(self) -> str:
        left = f"Decimal('{self.draws.uniform(-1000, 1000):.{self.below(6)}f}')"
        right = f"Decimal({self.below(100) - 50})"
        return self.pick([
            f"{left} {self.pick(['+', '-', '*', '/', '%', '//'])} {right}",
            f"round({left}, {self.below(6) - 2})",
            f"{left}.quantize(Decimal('0.01'), rounding=ROUND_HALF_UP)", f"float({left})",
            f"f'{{{left}:,.2f}}'",
            f"int({left})", f"str({left})", f"Decimal({self.number()})",
        ])  # fmt: skip

    def whole(self) -> str:
        left, right = (
            self.pick([self.below(10**6) - 5 * 10**5, self.below(2**62) << 30]),
            1 + self.below(2**50),
        )
        return self.pick([
            f"{left} << {right % 70}", f"{left} >> {right % 70}", f"{left} & {right}",
            f"divmod({left}, {right})",
            f"pow({left}, {right}, 1000007)", f"math.gcd({left}, {right})", f"math.isqrt({abs(left)})",
            f"math.comb({abs(left) % 60}, {right % 60})", f"math.factorial({abs(left) % 40})", f"hex({left})",
            f"{left} / {right}", f"({left}).bit_length()", f"bin({left})",
        ])  # fmt: skip


KINDS = ("arithmetic", "arithmetic", "formatted", "sequence", "text", "moment", "decimal", "whole")


def write_expressions(count: int, seed: int) -> list[str]:
    """Return expressions that parse, as many of each kind."""
    writer = Writer(Rng(seed).child("sandbox", "differential"))
    expressions: list[str] = []
    while len(expressions) < count:
        expression = getattr(writer, KINDS[len(expressions) % len(KINDS)])()
        try:
            compile(expression, "<expression>", "eval")
        except SyntaxError:
            continue
        expressions.append(expression)
    return expressions


def write_batch(expressions: list[str]) -> str:
    """Return a program that gives, for each expression, a list of its value, an empty one after an error."""
    functions = "\n".join(f"    lambda: {text}," for text in expressions)
    return (
        f"{HEAD}\nfunctions = [\n{functions}\n]\nvalues = []\n"
        "for function in functions:\n    try:\n        values.append([function()])\n"
        "    except Exception:\n        values.append([])\nvalues\n"
    )


def evaluate(sandbox: Sandbox, tier: Tier, expressions: list[str]) -> list[str]:
    """Return the ``repr`` of each value; what is refused as doubtful is asked for again in smaller parts."""
    run = sandbox.run(write_batch(expressions), tier, MANY, entry=None)
    if run.ok:
        return [repr(value[0]) if value else "an error" for value in run.value]
    if len(expressions) == 1:
        return [run.status]
    half = len(expressions) // 2
    return [*evaluate(sandbox, tier, expressions[:half]), *evaluate(sandbox, tier, expressions[half:])]


def assert_tiers_agree(sandbox: Sandbox, count: int, seed: int) -> None:
    everything = write_expressions(count, seed)
    accepted = [text for text in everything if look(HEAD + text, None, {}).reason is None]
    assert len(accepted) > 0.95 * count
    batches = [accepted[start : start + 50] for start in range(0, len(accepted), 50)]
    mini = [value for batch in batches for value in evaluate(sandbox, "mini", batch)]
    std = [value for batch in batches for value in evaluate(sandbox, "std", batch)]
    loud = ("an error", "unsupported")  # where the next tier takes over
    rows = zip(accepted, mini, std, strict=True)
    assert [row for row in rows if row[1] != row[2] and row[1] not in loud] == []
    assert sum(left != right for left, right in zip(mini, std, strict=True)) < 0.02 * count
    assert sum(value not in loud for value in mini) > 0.8 * count


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mini_and_std_agree_to_the_last_bit_on_a_thousand_expressions(sandbox: Sandbox, seed: int) -> None:
    assert_tiers_agree(sandbox, 1000, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 9))
def test_mini_and_std_agree_on_three_thousand_more(sandbox: Sandbox, seed: int) -> None:
    assert_tiers_agree(sandbox, 3000, seed)


def ties() -> list[tuple[float, int]]:
    """Return floats that lie on, or look as if they lay on, the middle between two roundings."""
    draws = Rng(7).child("ties").generator()
    pairs: list[tuple[float, int]] = []
    for _ in range(1500):
        places = int(draws.integers(0, 7))
        pairs.append((float(f"{int(draws.integers(-(10**6), 10**6))}5e-{places + 1}"), places))
        pairs.append(
            ((2 * int(draws.integers(-(10**5), 10**5)) + 1) / 2 ** int(draws.integers(1, 8)), places)
        )
        pairs.append((float(int(draws.integers(-(10**7), 10**7)) * 5), -int(draws.integers(1, 4))))
    return [*pairs, (2.675, 2), (1e22, -21), (5e15, -16), (0.5, 400), (-0.0, -1), (1e308, -308), (-0.4, 0)]


def test_rounding_on_mini_is_that_of_cpython_on_every_tie(sandbox: Sandbox) -> None:
    pairs = ties()
    program = "values = [round(number, places) for number, places in pairs]\nvalues"
    run = sandbox.run(program, "mini", MANY, entry=None, inputs={"pairs": pairs})
    assert run.status == "ok", run
    assert [float.hex(value) for value in run.value] == [float.hex(round(*pair)) for pair in pairs]


def test_rounding_on_mini_is_that_of_exact_arithmetic(sandbox: Sandbox) -> None:
    pairs = [(number, places) for number, places in ties() if places >= 0]
    program = "[round(number, places) for number, places in pairs]"
    values = sandbox.run(program, "mini", MANY, entry=None, inputs={"pairs": pairs}).value
    assert values == [float(round(Fraction(number), places)) for number, places in pairs]


@pytest.mark.parametrize("number", ["2.5", "3.5", "-0.5", "10**20", "True", "'a'", "None", "float('nan')"])
def test_rounding_to_a_whole_number_is_that_of_cpython(sandbox: Sandbox, number: str) -> None:
    runs = [sandbox.run(f"round({number})", tier, entry=None) for tier in ("mini", "std")]
    assert len({(run.status, run.value, run.error_kind) for run in runs}) == 1
