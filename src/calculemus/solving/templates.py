r"""Prompt templates: data files that name the places to fill in as ``{{question}}``.

A prompt set is a folder of ``prompts/``: ``default`` is for any model, the others for models trained
on a form of their own. A template is a TOML file in it:

    text = "Q: {{question}}\nA:"    one turn, for a model that only continues text
    text_zero = "..."               the same where no turn stands before it; by default ``text``
    reply = " {{solution}}"         how an example is answered
    stop = ["\nQ:"]                 what ends a completion
    examples = "examples"           the file of the set that has the ``[[examples]]``

    [chat]                          for a model with a chat template; by default what ``text`` says
    system = "..."                  what the conversation begins with, nothing by default
    text = "{{question}}"           one turn of the user
    reply = "{{solution}}"          how an example is answered; by default ``reply`` without blanks around it
    stop = []                       what ends a completion
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from calculemus.engine.requests import Chat, Prompt
from calculemus.errors import InvalidParameterError
from calculemus.params import digest

FOLDER = Path(__file__).with_name("prompts")
DEFAULT = "default"
EXAMPLES = "examples"

_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_BETWEEN = "\n\n"  # turns of plain text

Turn = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Form:
    """How a turn is written for one kind of model; the module's docstring says what each part is."""

    text: str
    text_zero: str
    reply: str
    stop: tuple[str, ...] = ()
    system: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with places to fill in.

    Attributes:
        name: The stem of its file.
        plain: For models that only continue text.
        chat: For models with a chat template.
        examples: Turns that are shown before the one that counts.
    """

    name: str
    plain: Form
    chat: Form
    examples: tuple[Turn, ...] = ()

    def fill(
        self, values: Turn, as_chat: bool, shots: int | None = None, earlier: Sequence[Turn] = ()
    ) -> Prompt:
        """Return the prompt with every place filled.

        Args:
            values: What fills the places of the last turn, by name.
            as_chat: Whether the model has a chat template.
            shots: How many examples to show; None for all.
            earlier: Turns that came before, filled in like examples and behind them.

        Raises:
            InvalidParameterError: A place has no value, or there are not so many examples.
        """
        shown = [*self._first(shots), *earlier]
        if as_chat:
            return Chat(tuple(self._messages(shown, values)))
        turns = [self._filled(self.plain.text + self.plain.reply, turn) + _BETWEEN for turn in shown]
        last = self.plain.text if shown else self.plain.text_zero
        return "".join(turns) + self._filled(last, values)

    def _first(self, shots: int | None) -> Sequence[Turn]:
        if shots is not None and shots > len(self.examples):
            raise InvalidParameterError(
                f"filling in the prompt '{self.name}': parameter 'shots' is {shots}; expected at most "
                f"{len(self.examples)}, the examples that it has. Leave it out to show them all"
            )
        return self.examples[:shots]

    def _messages(self, shown: Sequence[Turn], values: Turn) -> list[tuple[str, str]]:
        messages = [("system", self._filled(self.chat.system, values))] if self.chat.system else []
        for turn in shown:
            messages.append(("user", self._filled(self.chat.text, turn)))
            messages.append(("assistant", self._filled(self.chat.reply, turn)))
        last = self.chat.text if shown else self.chat.text_zero
        return [*messages, ("user", self._filled(last, values))]

    def _filled(self, text: str, values: Turn) -> str:
        return _PLACE.sub(lambda place: self._value(place[1], values), text)

    def _value(self, name: str, values: Turn) -> str:
        if name not in values:
            raise InvalidParameterError(
                f"filling in the prompt '{self.name}': there is no value for '{name}', only for "
                f"{', '.join(values)}; give it to ctx.prompt"
            )
        return str(values[name])


def merge_system(chat: Chat) -> Chat:
    r"""Return a conversation whose system message begins the first turn of the user.

    Example:
        >>> merge_system(Chat((("system", "Be brief."), ("user", "1 + 1?")))).messages
        (('user', 'Be brief.\n\n1 + 1?'),)
    """
    if len(chat.messages) < 2 or chat.messages[0][0] != "system":
        return chat
    (_, told), (role, asked), *rest = chat.messages
    return Chat(((role, f"{told}\n\n{asked}"), *rest))


def prompt_sets() -> list[str]:
    """Return the names of all prompt sets, sorted."""
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def template_names(prompt_set: str = DEFAULT) -> list[str]:
    """Return the names of all templates of a set, sorted.

    Raises:
        InvalidParameterError: There is no such set.
    """
    if prompt_set not in prompt_sets():
        raise InvalidParameterError(
            f"reading prompt templates: there is no prompt set '{prompt_set}'; there are "
            f"{', '.join(prompt_sets())}. Correct the name, or leave it out for '{DEFAULT}'"
        )
    stems = sorted(path.stem for path in (FOLDER / prompt_set).glob("*.toml"))
    return [stem for stem in stems if not stem.endswith(EXAMPLES)]


@cache
def read_template(name: str, prompt_set: str = DEFAULT) -> Template:
    """Read a template by name.

    Args:
        name: The stem of its file in the set, or the path of a file of one's own, with its ending ``.toml``.
        prompt_set: Where to look; also where the examples are that a file of one's own names.

    Raises:
        InvalidParameterError: The set does not exist or has none of this name, or its file is not one.
    """
    if is_own_file(name):
        return _template(Path(name).stem, _read_own(name), prompt_set)
    names = template_names(prompt_set)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(near)}" if near else f"it has {', '.join(names)}"
        raise InvalidParameterError(
            f"reading a prompt template: the prompt set '{prompt_set}' has no '{name}'; {hint}. Choose "
            "a method that asks with one of these, or another model"
        )
    return _template(name, _read(prompt_set, name), prompt_set)


def is_own_file(name: str) -> bool:
    """Say whether a template's name is the path of a user's file."""
    return name.endswith(".toml")


def _read_own(path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidParameterError(
            f"reading the prompt template {path}: {error}; expected a TOML file as templates.py "
            "describes it. Mend it, or name a template of the prompt set"
        ) from error


def _template(name: str, table: dict[str, Any], prompt_set: str) -> Template:
    if not isinstance(table.get("text"), str):
        raise InvalidParameterError(
            f"reading the prompt template {name}.toml: 'text' is {table.get('text')!r}; expected the prompt "
            "for models that only continue text"
        )
    examples = _read(prompt_set, table.pop(EXAMPLES))[EXAMPLES] if EXAMPLES in table else []
    chat = table.pop("chat", {})
    plain = {"reply": " {{answer}}", **table}
    chat = {"text": plain["text"], "reply": plain["reply"].strip(), **chat}
    return Template(name, _form(plain), _form(chat), tuple(examples))


def _form(table: dict[str, Any]) -> Form:
    zero = table.get("text_zero", table["text"])
    unknown = sorted(set(table) - {part.name for part in fields(Form)})
    if unknown:
        raise InvalidParameterError(
            f"reading a prompt template: it has the parts {', '.join(unknown)}; expected some of "
            f"{', '.join(part.name for part in fields(Form))}. Correct the names"
        )
    return Form(**{**table, "text_zero": zero, "stop": tuple(table.get("stop", ()))})


def _read(prompt_set: str, stem: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / prompt_set / f"{stem}.toml").read_text("utf-8"))


def templates_digest(names: Iterable[str] | None, prompt_set: str = DEFAULT) -> str:
    """Name templates by their content; None stands for all there are."""
    chosen = template_names(prompt_set) if names is None else sorted(names)
    return digest([asdict(read_template(name, prompt_set)) for name in chosen])
