"""Answers in words, and how to tell words from products of variables."""

import re

from calculemus.grading.answers import Text

_SYNONYMS = {
    "dne": "does not exist", "doesn't exist": "does not exist", "none": "no solution",
    "no solutions": "no solution",
    "no real solution": "no solution", "no real solutions": "no solution", "empty set": "no solution",
    "true": "yes", "false": "no", "undef": "undefined", "not defined": "undefined",
    "impossible": "no solution",
}  # fmt: skip
_ARTICLE = re.compile(r"^(?:the|a|an)\s+|[.,;:!?'\"]+$")
# Short words that are words; other runs of up to three letters are products of variables.
PROSE = re.compile(
    r"(?<![\\A-Za-z])(?:so|it|is|in|to|of|at|an|as|be|by|do|go|if|me|my|no|on|or|up|us|we|he|she|the|and|for|are|"
    r"was|has|had|her|his|its|our|you|not|but|can|did|get|how|let|new|now|old|out|see|two|way|who|why|all|any|"
    r"yes|off|odd|even|am|pm|dne|one|six|ten|red|sun|mon|tue|wed|thu|fri|sat|jan|feb|mar|apr|may|jun|jul|aug|"
    r"sep|oct|nov|dec|tom|sam|bob|ann|joe|dog|cat|act|day|top|tie|win|low|big)(?![A-Za-z])",
    re.I,
)


def parse_text(text: str) -> Text:
    """Return words in one spelling: case, articles and closing punctuation do not count."""
    words = re.sub(r"[\s$\\{}]+", " ", text).strip().casefold()
    words = _ARTICLE.sub("", _ARTICLE.sub("", words)).strip()
    return Text(_SYNONYMS.get(words, words))
