"""What an OpenAI-compatible server answers, with habits to choose: real ones differ in all of these."""

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

KNOWN = {
    "model", "prompt", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "n", "seed",
    "stop", "logprobs", "top_logprobs", "echo", "input",
}  # fmt: skip
END = "</s>"


@dataclass
class Habits:
    """What the server does with what it is asked for."""

    completions: bool = True
    chat: bool = True
    models: int = 200
    takes_n: bool = True
    logprobs: str = "right"  # none, tempered
    seed: bool = True
    extras: tuple[str, ...] = ("top_k", "min_p", "repetition_penalty")
    is_strict: bool = False
    stop: str = "named"  # cut, kept, ignored, refused
    usage: str = "right"  # missing, wrong
    cached: int | None = None
    echo: bool = True
    ids: bool = False
    continues: str | None = "vllm"  # plain, None
    embeds: bool = True
    is_steady: bool = True
    only_limit: str | None = None
    thinks: bool = False
    loses_space: bool = False
    key: str | None = None
    record: dict[str, Any] = field(default_factory=dict)


class Refusal(Exception):
    """An error status and its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FakeApi:
    """Answers requests with a fake model."""

    def __init__(self, model: Any, habits: Habits, template: Any) -> None:
        self.model = model
        self.habits = habits
        self.template = template
        self.counter = itertools.count()

    def answer(self, path: str, body: dict) -> dict:
        """The reply to a POST."""
        habits = self.habits
        if path == "/v1/embeddings" and habits.embeds:
            return self._embed(body)
        is_there = {"/v1/completions": habits.completions, "/v1/chat/completions": habits.chat}
        if not is_there.get(path):
            raise Refusal(404, "Not Found")
        self._check(body)
        prompt = self._prompt(body)
        rows = range(body.get("n", 1) if habits.takes_n else 1)
        choices = [self._choice("chat" in path, body, prompt, row) for row in rows]
        counts = [choice.pop("count") for choice in choices]
        reply = {"model": self.model.name, "choices": choices[::-1]}  # in no order: they are numbered
        return reply | ({"usage": self._usage(prompt, counts)} if habits.usage != "missing" else {})

    def models(self) -> dict:
        """The list of models."""
        if self.habits.models != 200:
            raise Refusal(self.habits.models, "no list")
        return {"data": [{"id": self.model.name, **self.habits.record}, {"id": "another"}]}

    def _check(self, body: dict) -> None:
        habits = self.habits
        extra = set(body) - KNOWN - set(habits.extras)
        if body.get("model") != self.model.name:
            raise Refusal(404, f"The model '{body.get('model')}' does not exist.")
        if habits.is_strict and extra:
            raise Refusal(422, f"Unexpected fields: {sorted(extra)}")
        if habits.only_limit and habits.only_limit not in body:
            raise Refusal(400, f"Unsupported parameter: use '{habits.only_limit}' instead.")
        if habits.stop == "refused" and "stop" in body:
            raise Refusal(400, "stop is not supported")
        if body.get("n", 1) > 1 and body.get("temperature") == 0:
            raise Refusal(400, "n must be 1 when using greedy sampling")

    def _prompt(self, body: dict) -> str:
        if isinstance(body.get("prompt"), list):
            if not self.habits.ids:
                raise Refusal(400, "prompt must be a string")
            return self.model.text(body["prompt"])
        if "prompt" in body:
            return body["prompt"]
        is_last = body["messages"][-1]["role"] == "assistant"
        is_asked = {"vllm": body.get("continue_final_message"), "plain": is_last, None: False}
        return self.template(body["messages"], closes=not is_asked[self.habits.continues])

    def _settings(self, body: dict) -> dict:
        limit = body.get("max_completion_tokens", body.get("max_tokens", 16))
        names = ("temperature", "top_p", *self.habits.extras)
        return {"max_tokens": limit, **{name: body[name] for name in names if name in body}}

    def _choice(self, is_chat: bool, body: dict, prompt: str, row: int) -> dict:
        habits, settings = self.habits, self._settings(body)
        seed = (body["seed"], row) if habits.seed and "seed" in body else ("chance", next(self.counter))
        if not habits.is_steady and next(self.counter) % 3 == 0:
            settings["temperature"] = 1.5
        drawn = self.model.complete(
            prompt, settings, seed, body.get("stop", []) if habits.stop != "ignored" else []
        )
        text = drawn.text if habits.stop in ("named", "cut") else drawn.full_text
        text = text.removeprefix(" ") if habits.loses_space else text
        pieces = [("" if piece == END else piece, value) for piece, value in drawn.pieces]
        shown = _fitting(pieces, text) if habits.stop == "cut" else pieces
        choice: dict[str, Any] = {"index": row, "finish_reason": drawn.finish, "count": len(pieces)}
        if habits.stop == "named":
            choice["stop_reason"] = drawn.stopped_by
        if habits.ids and body.get("return_token_ids"):
            choice["token_ids"] = self.model.ids([piece for piece, _ in drawn.pieces])
            choice["prompt_token_ids"] = self.model.ids(self.model.tokens(prompt))
        if body.get("echo") and habits.echo:
            echoed = list(zip(self.model.tokens(prompt), self.model.score("", prompt), strict=True))
            # A text gets a mark of the beginning; token ids are taken as they are.
            is_text = isinstance(body["prompt"], str)
            shown = (
                [("<s>", None), *echoed, *shown] if is_text else [(echoed[0][0], None), *echoed[1:], *shown]
            )
            text = prompt + text
        if body.get("logprobs") and habits.logprobs != "none":
            choice["logprobs"] = self._logprobs(is_chat, prompt, shown, settings)
        if not is_chat:
            return choice | {"text": text}
        hidden = {"reasoning_content": text} if habits.thinks else {}
        return choice | {"message": {"content": None if habits.thinks else text, **hidden}}

    def _logprobs(self, is_chat: bool, prompt: str, shown: list, settings: dict) -> dict:
        heat = settings.get("temperature") or 1.0
        heat = heat if self.habits.logprobs == "tempered" else 1.0
        top = {piece: math.log(p) / heat for piece, p in self.model.distribution(prompt).items()}
        shown = [(piece, None if value is None else value / heat) for piece, value in shown]
        if is_chat:
            listed = [{"token": t, "logprob": v} for t, v in top.items()]
            return {"content": [{"token": t, "logprob": v, "top_logprobs": listed} for t, v in shown]}
        return {
            "tokens": [piece for piece, _ in shown],
            "token_logprobs": [value for _, value in shown],
            "top_logprobs": [top for _ in shown],
        }

    def _usage(self, prompt: str, counts: list[int]) -> dict:
        n_prompt = len(self.model.tokens(prompt))
        total = sum(counts) if self.habits.usage == "right" else 3 * sum(counts) + 7
        usage = {"prompt_tokens": n_prompt, "completion_tokens": total, "total_tokens": n_prompt + total}
        if self.habits.cached is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": self.habits.cached}
        return usage

    def _embed(self, body: dict) -> dict:
        texts = list(enumerate(body["input"]))
        records = [{"index": i, "embedding": [float(len(text)), float(i)]} for i, text in texts]
        return {"data": records[::-1], "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)}}


def _fitting(pieces: list, text: str) -> list:
    """The pieces that lie in a text."""
    fitting, length = [], 0
    for piece, value in pieces:
        length += len(piece)
        if length <= len(text):
            fitting.append((piece, value))
    return fitting
