r"""Expressions from LaTeX or plain text, without evaluating any code.

A Pratt-like recursive descent over normalised text (see ``normalise``). What it does not know (integrals,
sums, prose) raises ``UnreadableError``; the cascade then asks SymPy in a worker process.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from calculemus.errors import UnreadableError
from calculemus.grading.lexer import Token, read_number, tokenize

MAX_DEPTH = 60  # nested groups
MAX_NODES = 400


@dataclass(frozen=True, slots=True)
class Expr:
    """A node: ``number`` and ``symbol`` carry a value, every other operation its arguments."""

    op: str
    args: tuple["Expr", ...] = ()
    value: Fraction | str | None = None

    @property
    def number(self) -> Fraction | None:
        """The value of a number node, else None."""
        return self.value if isinstance(self.value, Fraction) else None


FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        "sin cos tan cot sec csc arcsin arccos arctan arccot sinh cosh tanh coth ln log lg exp sqrt cbrt abs "
        "floor ceil asin acos atan asinh acosh atanh arcsinh arccosh arctanh arsinh arcosh artanh sgn sign "
        "max min gcd lcm",
    )
)
CONSTANTS = {
    "pi": "pi",
    "e": "e",
    "i": "i",
    "infty": "infty",
    "inf": "infty",
    "infinity": "infty",
    "Pi": "pi",
}
GREEK = frozenset(
    re.findall(
        r"\w+",
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi "
        "chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell",
    )
)

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_INVERTIBLE = ("sin", "cos", "tan", "sinh", "cosh", "tanh")


def number(value: Fraction | int) -> Expr:
    """Make a number node."""
    return Expr("number", (), Fraction(value))


def symbols(expr: Expr) -> set[str]:
    """Return the names of the variables."""
    if expr.op == "symbol":
        return {str(expr.value)}
    return set().union(*(symbols(arg) for arg in expr.args)) if expr.args else set()


def contains(expr: Expr, op: str) -> bool:
    """Say whether a node of operation ``op`` occurs."""
    return expr.op == op or any(contains(arg, op) for arg in expr.args)


def parse_expression(text: str) -> Expr:
    """Parse normalised text.

    Raises:
        UnreadableError: Not an expression that this parser knows, or too large.
    """
    parser = Parser(tokenize(text))
    expr = parser.sum()
    if parser.peek() is not None:
        raise UnreadableError(f"unexpected {parser.peek()}")
    return expr


class Parser:
    """One pass over the tokens; each method reads one level of precedence."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0
        self.bars = 0
        self.nodes = 0

    def peek(self, ahead: int = 0) -> str | None:
        """Return the spelling of a coming token; None at the end."""
        index = self.position + ahead
        return self.tokens[index].text if index < len(self.tokens) else None

    def kind(self, ahead: int = 0) -> str | None:
        """Return the kind of a coming token; None at the end."""
        index = self.position + ahead
        return self.tokens[index].kind if index < len(self.tokens) else None

    def take(self, *spellings: str) -> str | None:
        """Consume the next token where it is one of ``spellings``."""
        token = self.peek()
        if token is not None and (not spellings or token in spellings):
            self.position += 1
            return token
        return None

    def expect(self, spelling: str) -> None:
        """Consume the next token, which must be ``spelling``."""
        if self.take(spelling) is None:
            raise UnreadableError(f"expected {spelling!r}, found {self.peek()!r}")

    def make(self, op: str, *args: Expr, value: Fraction | str | None = None) -> Expr:
        """Make a node and count it."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise UnreadableError("too many terms")
        return Expr(op, args, value)

    def nested(self, read: Callable[[], Expr]) -> Expr:
        """Read one level deeper; the bound keeps Python's own recursion limit out of reach."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnreadableError("too deeply nested")
        expr = read()
        self.depth -= 1
        return expr

    def sum(self) -> Expr:
        """Read terms joined by plus, minus and plus-minus."""
        left = self.product()
        while sign := self.take("+", "-", r"\pm", r"\mp"):
            right = self.product()
            if sign in ("+", "-"):
                left = self.make("add", left, right if sign == "+" else self.make("neg", right))
            else:
                left = self.make("pm" if sign == r"\pm" else "mp", left, right)
        return left

    def product(self) -> Expr:
        """Read factors joined by times, divide or nothing."""
        left = self.signed()
        while True:
            if self.take("*"):
                left = self.make("mul", left, self.signed())
            elif self.take("/"):
                left = self.make("div", left, self.signed())
            elif self.take(r"\mod"):
                left = self.make("mod", left, self.signed())
            elif self.starts_atom():
                if self.kind() in ("number", "mixed") and self.tokens[self.position - 1].kind == "number":
                    raise UnreadableError("two numbers side by side")
                left = self.make("mul", left, self.power())
            else:
                return left

    def signed(self) -> Expr:
        """Read a factor with its sign; ``-x^2`` is ``-(x^2)``."""
        sign = self.take("+", "-", r"\pm", r"\mp")
        if sign is None:
            return self.power()
        operand = self.nested(self.signed)
        if sign in ("+", "-"):
            return operand if sign == "+" else self.make("neg", operand)
        return self.make("pm" if sign == r"\pm" else "mp", number(0), operand)

    def power(self) -> Expr:
        """Read an atom with factorials, percent signs, degrees and an exponent."""
        base = self.postfix(self.atom())
        if self.take("^", "**"):
            if self.degree_sign():
                return self.postfix(self.make("deg", base))
            exponent = self.argument() if self.peek() in ("{", "-", "+") else self.nested(self.power)
            return self.postfix(self.make("pow", base, exponent))
        return base

    def degree_sign(self) -> bool:
        r"""Consume ``\circ`` after a caret."""
        if self.take(r"\circ"):
            return True
        if self.peek() == "{" and self.peek(1) == r"\circ" and self.peek(2) == "}":
            self.position += 3
            return True
        return False

    def postfix(self, base: Expr) -> Expr:
        """Read what follows an atom: factorials and percent signs."""
        while sign := self.take("!", "%"):
            base = self.make("factorial" if sign == "!" else "percent", base)
        return base

    def argument(self) -> Expr:
        r"""Read an exponent or a LaTeX argument: ``{...}``, a signed atom; ``\frac12`` splits its digits."""
        if self.peek() == "{":
            return self.group("{", "}")
        return self.nested(self.signed if self.peek() in ("-", "+") else self.atom)

    def latex_argument(self) -> Expr:
        r"""Read an argument of ``\frac`` or ``\binom``: without braces it is one character."""
        token = self.peek()
        if self.kind() == "number" and token is not None and len(token) > 1:
            self.tokens[self.position : self.position + 1] = [
                Token("number", token[0]),
                Token("number", token[1:]),
            ]
        return self.argument()

    def group(self, left: str, right: str) -> Expr:
        """Read a bracketed expression."""
        self.expect(left)
        bars, self.bars = self.bars, 0
        inner = self.nested(self.sum)
        self.bars = bars
        self.expect(right)
        return inner

    def starts_atom(self) -> bool:
        """Say whether the next token can begin a factor."""
        token, kind = self.peek(), self.kind()
        if kind in ("number", "mixed", "word"):
            return True
        if kind == "command":
            return token not in (r"\pm", r"\mp", r"\mod", r"\rfloor", r"\rceil", r"\circ")
        return token in ("(", "{", "[") or (token == "|" and self.bars == 0)

    def atom(self) -> Expr:
        """Read a number, a name, a bracket or a function with its argument."""
        token, kind = self.peek(), self.kind()
        if token is None:
            raise UnreadableError("an operand is missing")
        if kind == "number":
            return self.numeral()
        if kind == "mixed":
            self.take()
            whole, part = token.split(" ")
            top, bottom = part.split("/")
            if int(bottom) == 0:
                raise UnreadableError("division by zero")
            return number(int(whole) + Fraction(int(top), int(bottom)))
        if token in "([{":
            return self.group(token, _CLOSING[token])
        if token == "|":
            return self.nested(self.absolute)
        if kind == "command":
            self.take()
            return self.nested(lambda: self.command(token[1:]))
        if kind == "word":
            return self.word(token)
        raise UnreadableError(f"unexpected {token!r}")

    def absolute(self) -> Expr:
        """Read ``|x|``."""
        self.expect("|")
        self.bars += 1
        inner = self.sum()
        self.bars -= 1
        self.expect("|")
        return self.make("call", inner, value="abs")

    def numeral(self) -> Expr:
        r"""Read a number; before ``\frac`` of two integers it is the whole part of a mixed number."""
        text = self.take() or ""
        value = read_number(text)
        if value is None:
            raise UnreadableError(f"not a number: {text[:40]}")
        if self.peek() == "_":
            return self.based(text)
        node = self.make("number", value=value)
        if self.peek() == r"\frac" and text.isdigit():
            start = self.position
            fraction = self.atom()
            top, bottom = fraction.args
            if top.op == bottom.op == "number" and bottom.value and self.peek() != "^":
                return self.make("add", node, fraction)
            self.position = start
        return node

    def based(self, digits: str) -> Expr:
        """Read ``101_2``: digits in a base, by value."""
        self.take("_")
        base = self.argument()
        if base.op != "number" or not isinstance(base.value, Fraction) or not 2 <= base.value <= 36:
            raise UnreadableError("a subscript that is not a base")
        try:
            return self.make("number", value=Fraction(int(digits, int(base.value))))
        except ValueError as error:
            raise UnreadableError(f"not digits of base {base.value}: {digits[:40]}") from error

    def command(self, name: str) -> Expr:
        """Read what follows a LaTeX command."""
        if name == "frac":
            return self.make("div", self.latex_argument(), self.latex_argument())
        if name in ("sqrt", "cbrt"):
            degree = number(3) if name == "cbrt" else number(2)
            if self.peek() == "[":
                degree = self.group("[", "]")
            return self.make("root", self.argument(), degree)
        if name == "binom":
            return self.make("binom", self.latex_argument(), self.latex_argument())
        if name in ("lfloor", "lceil"):
            inner = self.sum()
            self.expect("\\r" + name[1:])
            return self.make("call", inner, value="floor" if name == "lfloor" else "ceil")
        return self.named(name)

    def named(self, name: str) -> Expr:
        """Read a constant, a function with its argument, or a variable."""
        if name in FUNCTIONS:
            return self.call(name)
        if name in CONSTANTS:
            return self.make("constant", value=CONSTANTS[name])
        if name in GREEK or len(name) == 1:
            return self.make("symbol", value=name + self.subscript())
        raise UnreadableError(f"unknown name {name!r}")

    def subscript(self) -> str:
        """Read the index of a variable: ``x_1``, ``x_{12}``."""
        if self.take("_") is None:
            return ""
        if self.take("{"):
            parts: list[str] = []
            while (token := self.take()) not in ("}", None):
                parts.append(token or "")
            return "_" + "".join(parts)
        return "_" + (self.take() or "")

    def word(self, token: str) -> Expr:
        """Read a plain word: a known name, or up to three variables side by side."""
        if token in FUNCTIONS or (token in CONSTANTS and len(token) > 1) or token in GREEK:
            self.take()
            return self.named(token)
        if len(token) > 3:
            raise UnreadableError(f"unknown word {token!r}")
        self.tokens[self.position : self.position + 1] = [Token("command", "\\" + letter) for letter in token]
        self.take()
        return self.named(token[0])

    def call(self, name: str) -> Expr:
        r"""Read ``\sin x``, ``\sin^2 x``, ``\sin^{-1} x``, ``\log_2 8``, ``sqrt(2)``, ``max(1,2)``."""
        base = None
        if self.take("_"):
            base = self.argument()
        exponent = self.argument() if self.take("^", "**") else None
        inverse = name in _INVERTIBLE and exponent == Expr("neg", (number(1),))
        args = self.call_arguments()
        if name in ("sqrt", "cbrt"):
            node = self.make("root", args[0], number(2 if name == "sqrt" else 3))
        elif base is not None:
            node = self.make("log", args[0], base)
        else:
            node = self.make("call", *args, value="arc" + name if inverse else name)
        return self.make("pow", node, exponent) if exponent is not None and not inverse else node

    def call_arguments(self) -> tuple[Expr, ...]:
        """Read a bracketed argument list, or the factors up to the next operator or function."""
        opening = self.peek()
        if opening in ("(", "{", "["):
            self.take()
            bars, self.bars = self.bars, 0
            args = [self.nested(self.sum)]
            while self.take(","):
                args.append(self.nested(self.sum))
            self.bars = bars
            self.expect(_CLOSING[opening])
            return tuple(args)
        left = self.nested(self.signed)
        while self.starts_atom() and (self.peek() or "").lstrip("\\") not in FUNCTIONS:
            left = self.make("mul", left, self.power())
        return (left,)
