r"""One spelling for everything that only looks different: Unicode signs, LaTeX layout, currency, units.

``normalise`` keeps the meaning and returns text in a small dialect that the parser reads: ASCII digits and
operators, LaTeX commands for the rest (``\frac``, ``\sqrt``, ``\pi``, ``\le``), no layout commands.
"""

import re
import unicodedata

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ", "0123456789+-()n")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SUPERSCRIPT_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ]+")
_SUBSCRIPT_RUN = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_VULGAR = re.compile("[¼½¾⅐-⅞↉]")
_FOREIGN_DIGIT = re.compile(r"[^\W\D0-9]", re.U)
_OVERLINED = re.compile("((?:\\d\u0305)+)")

_SIGNS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "‒": "-", "⁄": "/", "∕": "/", "÷": "/",
    "×": "*", "⋅": "*", "·": "*", "∙": "*", "∗": "*", "√": r"\sqrt ", "∛": r"\cbrt ", "∞": r"\infty ",
    "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "±": r"\pm ", "∓": r"\mp ",
    "°": r"^\circ ", "º": r"^\circ ", "ℝ": r"\R ", "∖": r"\setminus ", "′": "'", "’": "'", "‘": "'",
    "“": '"', "”": '"', "⟨": "(", "⟩": ")", "∧": " and ", "∨": " or ", "…": "...", "¬": "not ",
    "\u200b": "", "\u200c": "", "\u200d": "", "\ufeff": "", "\u2060": "", "\u00ad": "",
    "∑": r"\sum ", "∫": r"\int ", "∏": r"\prod ", "→": r"\to ",
}  # fmt: skip
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ",
        re.findall(
            r"\w+",
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
            "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega",
        ),
        strict=True,
    )
)
_CHARACTERS = str.maketrans(_SIGNS | {sign: rf"\{name} " for sign, name in _GREEK.items()})

# LaTeX that only sets type, and other names of one thing.
_DROPPED = re.compile(
    r"\\(?:left|right|big[lrm]?|Big[lrm]?|bigg[lrm]?|Bigg[lrm]?|displaystyle|textstyle|limits|mathstrut|"
    r"boldsymbol|hphantom\{[^{}]*\}|hfill|noindent|centering)(?![A-Za-z])\.?"
)
_SPACES = re.compile(r"\\(?:[,;:!> ]|quad\b|qquad\b|hspace\{[^{}]*\}|thinspace\b|enspace\b)|~")
_STYLED = re.compile(
    r"\\(?:text|textbf|textit|textrm|textsf|texttt|textnormal|mathrm|mathbf|mathit|mathsf|mathtt|mbox|hbox|"
    r"operatorname\*?|bm|mathbb|emph|underline|bf|rm|it|boxed|fbox)\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
)
_SYNONYMS = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "leq": "le", "geq": "ge", "leqslant": "le",
    "geqslant": "ge", "neq": "ne", "lt": "<", "gt": ">", "varnothing": "emptyset", "degree": "^\\circ ",
    "degrees": "^\\circ ", "cdot": "*", "times": "*", "ast": "*", "div": "/", "ldots": "...", "dots": "...",
    "cdots": "...", "dotsc": "...", "lbrace": "\\{", "rbrace": "\\}", "lvert": "|", "rvert": "|",
    "vert": "|", "mid": "|", "lbrack": "[", "rbrack": "]", "langle": "(", "rangle": ")", "land": " and ",
    "lor": " or ", "tbinom": "binom", "dbinom": "binom", "infin": "infty", "varphi": "phi",
    "vartheta": "theta", "varepsilon": "epsilon", "minus": "-", "plus": "+", "percent": "%", "colon": ":",
    "arctg": "arctan", "tg": "tan", "ctg": "cot", "lnot": "not ", "bmod": "\\mod", "rightarrow": "to",
    "pounds": "£", "euro": "€", "textdollar": "$", "reals": "\\R",
}  # fmt: skip
_COMMAND = re.compile(r"\\([A-Za-z]+)")
_ESCAPED = re.compile(r"\\([$%&#_ ])")
_DIGIT_GROUP_SPACE = re.compile(r"(?<=\d)(?:\\[,!; ]|\{,\}|,\\!|~)(?=\d{3}(?!\d))")
_PYTHON_RATIO = re.compile(r"\b(?:Fraction|Rational)\(\s*(-?\d+)\s*,\s*(\d+)\s*\)")
_PYTHON_NUMBER = re.compile(
    r"\b(?:Fraction|Rational|Decimal|Integer|Float|np\.\w+)\(\s*['\"]?(-?[\d./]+)['\"]?\s*\)"
)
_OVER = re.compile(r"\{([^{}]*)\\over(?![A-Za-z])([^{}]*)\}")
_SPACE_RUN = re.compile(r"\s+")
_EMPHASIS = re.compile(r"(?<![\w*])(\*\*|__|`)(?=\S)(.+?)(?<=\S)\1(?![\w*])", re.S)


def normalise(text: str) -> str:
    """Return the one spelling of ``text`` that the parser reads."""
    text = _fold_unicode(text) if not text.isascii() else text
    if "**" in text or "`" in text or "__" in text:
        text = _EMPHASIS.sub(r"\2", text)
    if "\\" in text or "~" in text or "{,}" in text:
        text = _fold_latex(text)
    if "(" in text:
        text = _PYTHON_RATIO.sub(r"\1/\2", _PYTHON_NUMBER.sub(r"\1", text))
    return _SPACE_RUN.sub(" ", text).strip()


def _fold_unicode(text: str) -> str:
    """Replace signs by ASCII or LaTeX; superscripts and fractions first, since NFKC would flatten them."""
    text = _SUPERSCRIPT_RUN.sub(lambda m: "^{" + m[0].translate(_SUPERSCRIPTS) + "}", text)
    text = _SUBSCRIPT_RUN.sub(lambda m: "_{" + m[0].translate(_SUBSCRIPTS) + "}", text)
    text = _VULGAR.sub(lambda m: " " + unicodedata.normalize("NFKC", m[0]).replace("⁄", "/"), text)
    text = _OVERLINED.sub(lambda m: r"\overline{" + m[1].replace("\u0305", "") + "}", text)
    text = unicodedata.normalize("NFKC", text).translate(_CHARACTERS)
    return _FOREIGN_DIGIT.sub(lambda m: str(unicodedata.digit(m[0])), text)


def _fold_latex(text: str) -> str:
    """Drop layout, unwrap styles, use one name for each command."""
    text = _DIGIT_GROUP_SPACE.sub(",", text)
    text = text.replace("{,}", ",").replace(r"\\[", r"\\ [")
    text = re.sub(r"\\(?:left|right)\s*\.", "", text)
    text = _DROPPED.sub("", text)
    text = _SPACES.sub(" ", text.replace(r"\\", r"\newrow ")) if "\\" in text or "~" in text else text
    text = _OVER.sub(r"\\frac{\1}{\2}", text)
    for _ in range(4):  # styles nest a few deep at most
        text, count = _STYLED.subn(_unstyle, text)
        if not count:
            break
    text = _ESCAPED.sub(r"\1", text)
    return _COMMAND.sub(_rename, text)


def _unstyle(match: re.Match[str]) -> str:
    inner = match[1]
    if match[0].startswith(r"\mathbb") and inner.strip() in "RZQNC":
        return rf"\{inner.strip()} "
    if match[0].startswith(r"\operatorname"):
        return rf"\{inner.strip()} " if inner.strip().isalpha() else inner
    # A styled word stands apart from what it touches: "5\text{cm}" is "5 cm".
    return f" {inner} "


def _rename(match: re.Match[str]) -> str:
    name = _SYNONYMS.get(match[1])
    if name is None:
        return match[0]
    return "\\" + name if name.isalpha() else name
