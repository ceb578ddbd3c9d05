"""A language model made of hashes: every distribution can be computed without a server."""

import hashlib
import math
import re
from dataclasses import dataclass

WORDS = [f" w{i}" for i in range(30)] + [f" {i}" for i in range(10)] + ["\n", " =", ".", ","]
END = "</s>"
PIECE = re.compile(r" ?\w+| ?[^\w\s]|\s")


def number(*parts: object) -> float:
    """A number in [0, 1) that depends on the parts alone."""
    hashed = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(hashed, "little") / 2**64


@dataclass(frozen=True)
class Drawn:
    """A completion: pieces with their untempered log-probabilities, the end of text among them."""

    pieces: tuple[tuple[str, float], ...]
    finish: str
    stopped_by: str | None

    @property
    def full_text(self) -> str:
        """All that was written, the stop text included."""
        return "".join(piece for piece, _ in self.pieces if piece != END)

    @property
    def text(self) -> str:
        """What stands: cut before the stop text."""
        if self.stopped_by is None:
            return self.full_text
        return self.full_text[: self.full_text.index(self.stopped_by)]


class FakeModel:
    """The next piece depends on the text so far, whichever way it came about."""

    def __init__(self, name: str = "fake") -> None:
        self.name = name
        self.table: list[str] = [END]

    def distribution(self, context: str) -> dict[str, float]:
        """Probabilities of the next piece; one is clearly ahead, so that greedy has no ties."""
        few = sorted(WORDS, key=lambda word: number(self.name, "few", context, word))[:6]
        weights = {word: math.exp(2.5 * number(self.name, "weight", context, word)) for word in few}
        weights[END] = 20.0 if number(self.name, "end", context) < 0.06 else 0.05
        total = sum(weights.values())
        return {word: weight / total for word, weight in weights.items()}

    def draw(self, context: str, place: int, settings: dict, seed: object) -> str:
        """The next piece under temperature, top_k, top_p and min_p."""
        ranked = sorted(self.distribution(context).items(), key=lambda item: -item[1])
        temperature = settings.get("temperature", 1.0)
        if temperature == 0:
            return ranked[0][0]
        heated = [(word, (p / ranked[0][1]) ** (1 / temperature)) for word, p in ranked]
        top_k = settings.get("top_k", -1)
        heated = heated[:top_k] if top_k > 0 else heated
        heated = [(word, p) for word, p in heated if p >= settings.get("min_p", 0.0)]
        total = sum(p for _, p in heated)
        kept, mass = [], 0.0
        for word, p in heated:
            if mass < settings.get("top_p", 1.0):
                kept.append((word, p))
            mass += p / total
        left = number("draw", seed, place) * sum(p for _, p in kept)
        for word, p in kept:
            left -= p
            if left < 0:
                return word
        return kept[-1][0]

    def complete(self, prompt: str, settings: dict, seed: object, stops: list[str]) -> Drawn:
        """A whole completion; ends at the first stop text, the end of text or ``max_tokens``."""
        pieces: list[tuple[str, float]] = []
        text = ""
        while len(pieces) < settings["max_tokens"]:
            context = prompt + text
            piece = self.draw(context, len(pieces), settings, seed)
            pieces.append((piece, math.log(self.distribution(context)[piece])))
            if piece == END:
                return Drawn(tuple(pieces), "stop", None)
            text += piece
            found = [stop for stop in stops if stop in text]
            if found:
                return Drawn(tuple(pieces), "stop", min(found, key=lambda stop: text.index(stop) + len(stop)))
        return Drawn(tuple(pieces), "length", None)

    def tokens(self, text: str) -> list[str]:
        """The pieces of a text."""
        pieces = PIECE.findall(text)
        assert "".join(pieces) == text
        return pieces

    def score(self, prompt: str, continuation: str) -> list[float]:
        """Log-probabilities of a continuation's pieces; a piece that never follows has a tiny one."""
        values = []
        for piece in self.tokens(continuation):
            values.append(math.log(self.distribution(prompt).get(piece, 1e-9)))
            prompt += piece
        return values

    def ids(self, pieces: list[str]) -> list[int]:
        """Numbers of pieces."""
        for piece in pieces:
            if piece not in self.table:
                self.table.append(piece)
        return [self.table.index(piece) for piece in pieces]

    def text(self, ids: list[int]) -> str:
        """The text of numbers."""
        return "".join(self.table[i] for i in ids)


def template(messages: list[dict], closes: bool = True) -> str:
    """A conversation as this model reads it."""
    text = "".join(f"<{m['role']}>{m['content']}\n" for m in messages)
    return text + "<assistant>" if closes else text[:-1]
