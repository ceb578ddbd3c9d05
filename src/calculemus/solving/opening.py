"""From what a user writes to a model with its verifiers: ``MODEL+VERIFIER[+VERIFIER...]``.

A verifier is ``ovm``, ``tvm`` or ``td``, which is made for a local model when first asked for, or a folder
with a value head. With ``selfeval`` in its place the model itself is exchanged for a copy that was trained to
judge what it writes.
"""

from contextlib import ExitStack
from pathlib import Path

from calculemus.engine.base import Engine
from calculemus.engine.opening import TINY, EngineOptions, check_model_name, model_source, open_engine
from calculemus.engine.verified import VerifiedEngine
from calculemus.errors import InvalidParameterError
from calculemus.named import suggest
from calculemus.solving.kept_verifiers import KINDS, SELF, self_evaluator_of, verifier_of

_JOINER = "+"


def open_model(text: str, options: EngineOptions, key: str | None = None) -> Engine:
    """Open a model, with verifiers beside it where the text names some.

    Args:
        text: As ``engine.opening.open_engine`` takes it, or that with ``+VERIFIER`` behind it.
        options: How engines are opened, verifiers too.
        key: The key of an endpoint.

    Raises:
        InvalidParameterError: The text names no model or no verifier.
        EngineError: A model cannot be loaded, or an endpoint does not answer.
        EngineCapabilityError: A folder that is to be a verifier has no value head.
    """
    check_model(text)
    model, names = split_model(text)
    source = str(self_evaluator_of(model_source(model))) if SELF in names else model
    with ExitStack() as opened:
        engine = open_engine(source, options, key)
        opened.callback(engine.close)
        verifiers: dict[str, Engine] = {}
        for name in names:
            if name != SELF:
                folder = str(verifier_of(model_source(model), name)) if name in KINDS else name
                verifier = open_engine(folder, options)
                opened.callback(verifier.close)
                verifiers[Path(name).name] = verifier
        whole = VerifiedEngine(engine, verifiers) if verifiers else engine
        opened.pop_all()
    return whole


def split_model(text: str) -> tuple[str, list[str]]:
    """Take a text apart: the model, and the verifiers behind it.

    What is the path of a folder as a whole is one model, whatever signs are in it.

    Example:
        >>> split_model("tiny+ovm+tvm")
        ('tiny', ['ovm', 'tvm'])
    """
    names: list[str] = []
    while _JOINER in text and not Path(text).is_dir():
        text, _, name = text.rpartition(_JOINER)
        names.insert(0, name)
    return text, names


def check_model(text: str) -> None:
    """Refuse a text that names no model or no verifier, before anything is loaded or trained.

    Raises:
        InvalidParameterError: It does not.
    """
    model, names = split_model(text)
    check_model_name(model)
    called = [Path(name).name for name in names]
    for name in names:
        if name in (*KINDS, SELF):
            check_local(model)
        elif not (name and Path(name).is_dir()):
            raise InvalidParameterError(
                f"opening the model '{text}': there is no verifier '{name}'; "
                f"{suggest(name, [*KINDS, SELF])}expected {', '.join(KINDS)} or {SELF}, which are made for a "
                "local model, or a folder that 'calculemus verifier train' has written"
            )
    if len(set(called)) < len(called):
        raise InvalidParameterError(
            f"opening the model '{text}': two of its verifiers have one name; expected different ones, as "
            "solvers ask for them by name. Leave one out, or rename its folder"
        )


def check_local(model: str) -> None:
    """Refuse a model whose copy cannot be trained here: an endpoint, or one that is on the hub.

    Raises:
        InvalidParameterError: It is one.
    """
    if not (model == TINY or model.startswith(f"{TINY}-") or Path(model).is_dir()):
        raise InvalidParameterError(
            f"making a verifier for the model '{model}': it is in no folder of this machine; expected one "
            "that is, as a copy of it is trained. Name a folder, or give a verifier's folder instead"
        )
