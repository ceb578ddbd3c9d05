r"""Where in a response the answer stands: boxed, after ``####``, after "the answer is", last formula, number.

Every function is linear in the length of the response; none backtracks over it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from calculemus.grading.units import parse_unit

RULES = ("boxed", "hashes", "phrase", "whole", "formula", "last_clause", "last_number")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A piece of a response that may be its answer, and the rule that found it."""

    rule: str
    text: str


_BLOCKS = ("think", "thinking", "reasoning", "thought")
_QUESTION = re.compile(r"\s*(?:\*\*)?(?:Q|Question|Problem|Human|User)\s*\d*\s*:")
_NEXT_QUESTION = re.compile(
    r"\n[ \t]{0,8}(?:\*\*)?(?:Q|Question|Problem|Human|User)\s*\d*\s*:|<\|im_end\|>|</s>|<\|eot_id\|>"
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*")
_JOINED = re.compile(r"[\s$,;.]*(?:and|or|,|;)[\s$,;]*\Z")
_HASHES = re.compile(r"####[ \t]*([^\n]*)")
_PHRASE = re.compile(
    r"(?:(?:answers?|result|option|choice)(?:\s*\([^()\n]{0,40}\))?[\"']?(?:\*\*|__)?\s*"
    r"(?:(?:is|are|was|equals|will be|would be)\b|[:=])|(?m:^)\s*(?:\*\*)?A:)"
    r"\s*(?:\*\*|__)?\s*(?:[:=]|thus|therefore|approximately|exactly|equal to)?\s*",
    re.I,
)
_PHRASE_WORDS = ("answer", "result", "option", "choice", "\na:", "\n**a:")
_SENTENCE_END = re.compile(r"\n|[.!?](?:[\"'*)\]]*)(?=\s+[A-Z(\\]|\s*\Z)")
_CLAUSE_END = re.compile(
    r"\s+(?:because|since|as|so|which|that|when|where|if|for)\s|[,;]\s+(?!and\b|or\b)(?=[a-z]{3,})|\s\("
)
_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(?!\s)([^$\n]*[^\s$\\])\$(?!\d)|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.S)
_NUMBER = re.compile(
    r"(?:(?<![\w.)\]}])[-−+])?[$€£¥₹]?(?<![\d.])(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"(?:[eE][+-]?\d+)?(?:\s?/\s?\d+(?![\d/]))?\s?%?"
)
_IS = re.compile(r"\b(?:is|are|equals|was|be)\s+|(?<![<>!=])=\s*(?!=)")
_REFUSAL = re.compile(
    r"(?:can't|cannot|can not|unable to|could not|couldn't|impossible to)\s+(?:be\s+)?"
    r"(?:determin|answer|solv|find|comput|calculat|say|tell|be sure)|(?:do not|don't) know|"
    r"(?:not enough|insufficient) information|not possible to (?:determin|answer|say|tell)",
    re.I,
)
_LEAD = re.compile(r"^(?:not\s.*?\sbut\s+)?(?:(?:that|the|equal to)\s+)?")
_UNIT_WORD = re.compile(r"\s?([A-Za-z°]+(?:\^?[23])?(?:/[A-Za-z]+(?:\^?[23])?)?)(?![A-Za-z])")
_TAIL = 400  # characters in which the last number is looked for first
_WINDOW = 5_000  # characters at the end in which a phrase or formula is looked for
MAX_LINE = 2_000  # characters of the last line that are read
MAX_BOXES = 50
MAX_PHRASES = 50


def without_next_question(text: str) -> str:
    """Drop the further questions that a model goes on to invent; a text that begins with one is kept."""
    if "\n" not in text and "<" not in text:
        return text
    match = _NEXT_QUESTION.search(text)
    if match is None or _QUESTION.match(text) or not text[: match.start()].strip():
        return text
    return text[: match.start()]


def without_reasoning(text: str) -> str | None:
    """Drop ``<think>...</think>``; None where a block is left open and nothing was answered."""
    if "<" not in text:
        return text
    for name in _BLOCKS:
        closing = text.rfind(f"</{name}>")
        if closing >= 0:
            text = text[closing + len(name) + 3 :]
        opening = text.find(f"<{name}>")
        if opening >= 0:
            return None
    return text


def boxed(text: str) -> str | None:
    r"""Return the content of the last ``\boxed{}``; boxes joined by "and" or commas are one answer."""
    if "boxed" not in text and "fbox" not in text:
        return None
    parts: list[str] = []
    before = len(text)  # where the box to the right begins
    for start, content, end in _boxes_from_the_end(text):
        if parts and not _JOINED.match(text[end:before]):
            break
        parts.append(content)
        before = start
    return ", ".join(reversed(parts)).strip() or None


def _boxes_from_the_end(text: str) -> Iterator[tuple[int, str, int]]:
    """Yield start, content and end of the outermost complete boxes, the last one first."""
    end = len(text)
    for _ in range(MAX_BOXES):
        end = max(text.rfind("\\boxed", 0, end), text.rfind("\\fbox", 0, end))
        if end < 0:
            return
        match = _BOX.match(text, end)
        content = _braced(text, match.end()) if match else None
        if match and content is not None:
            yield end, content, match.end() + len(content) + 2


def _braced(text: str, start: int) -> str | None:
    """Return what stands between the brace at ``start`` and its partner."""
    if start >= len(text) or text[start] != "{":
        return None
    depth = 0
    for index in range(start, min(len(text), start + 4_000)):
        if text[index] == "{" and text[index - 1] != "\\":
            depth += 1
        elif text[index] == "}" and text[index - 1] != "\\":
            depth -= 1
            if depth == 0:
                return text[start + 1 : index]
    return None


def after_hashes(text: str) -> str | None:
    """Return what stands behind the last ``####``."""
    start = text.rfind("####")
    match = _HASHES.match(text, start) if start >= 0 else None
    return match[1].strip() or None if match else None


def phrases(text: str) -> Iterator[str]:
    """Yield readings of what follows the last "answer is" or "A:", the whole sentence first."""
    match = _last_phrase(text[-_WINDOW:])
    if match is None:
        return
    rest = match.string[match.end() :].lstrip("\n ")
    end = _SENTENCE_END.search(rest)
    sentence = (rest[: end.start()] if end else rest).strip()
    sentence = _LEAD.sub("", sentence, count=1).strip("*_\"'} " if "{" not in sentence else "*_ ")
    if not sentence:
        return
    yield sentence
    if sentence.startswith("not "):
        return  # "the answer is not 5" gives none
    clause = _CLAUSE_END.search(sentence)
    if clause:
        yield sentence[: clause.start()]
    formula = last_formula(sentence)
    if formula:
        yield formula
    number = _NUMBER.search(sentence)
    if number:
        yield number[0].strip()


def _last_phrase(text: str) -> re.Match[str] | None:
    """Find the last "answer is"; a search for the bare words first spares most texts the slow pattern."""
    low = text.lower()
    if len(low) != len(text):  # some capitals change length: fall back on the pattern alone
        return _last(_PHRASE, text)
    start = len(low)
    words = [word for word in _PHRASE_WORDS if word in low] or ["answer"]
    for _ in range(MAX_PHRASES):
        start = max([low.rfind(word, 0, start) for word in words])
        if start < 0:
            break
        match = _PHRASE.match(text, start + (text[start] == "\n"))
        if match:
            return match
    return _PHRASE.match(text) if low.startswith("a:") else None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """Return the last match in ``text``."""
    match = None
    for found in pattern.finditer(text):
        match = found
    return match


def last_formula(text: str) -> str | None:
    """Return the last expression between math delimiters."""
    if "$" not in text and "\\(" not in text and "\\[" not in text:
        return None
    match = _last(_FORMULA, text[-_WINDOW:])
    return (match[1] or match[2] or match[3] or match[4]).strip() or None if match else None


def last_clause(text: str) -> str | None:
    """Return what stands behind the last "is", "are" or "=" of the last sentence."""
    line = text.rstrip()[-MAX_LINE:].rsplit("\n", 1)[-1]
    match = _last(_IS, _last_sentence(line))
    return match.string[match.end() :].strip(" .*_") or None if match else None


def _last_sentence(line: str) -> str:
    """Return the part behind the last full stop that ends a sentence before the end."""
    end = _last(_SENTENCE_END, line.rstrip(".!? "))
    return line[end.end() :] if end else line


def refuses(text: str) -> bool:
    """Say whether the last sentence declines to answer, so that numbers in it are none."""
    return bool(_REFUSAL.search(_last_sentence(text.rstrip()[-MAX_LINE:].rsplit("\n", 1)[-1])))


def last_number(text: str) -> str | None:
    """Return the last number, with its sign, percent sign, denominator or unit of measure."""
    match = _last(_NUMBER, text[-_TAIL:])
    if len(text) > _TAIL and (match is None or match.start() < _TAIL // 4):
        match = _last(_NUMBER, text)  # it may begin before the tail
    if match is None:
        return None
    word = _UNIT_WORD.match(match.string, match.end())
    unit = parse_unit(word[1]) if word else None
    return (match[0] + word[0] if word and unit and unit.powers and unit.measure else match[0]).strip()
