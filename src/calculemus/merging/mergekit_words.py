"""The small parts of mergekit's configurations: keys, names of models, numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calculemus.errors import InvalidParameterError
from calculemus.merging.recipe import check_keys
from calculemus.merging.settings import Value

_REFUSED = {
    "modules": "write the models of one module under 'models' or 'slices'",
    "chat_template": "copy the template into the merged model's tokenizer",
    "residual_weight": "leave it out",
    "override_architecture": "leave it out",
}


def refusal(doing: str, found: str, advice: str) -> InvalidParameterError:
    """Return the error for what has no counterpart here."""
    return InvalidParameterError(f"{doing}: {found}; {advice}")


def check_all_keys(doing: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse keys that mergekit has and we do not, and such as nobody has.

    Raises:
        InvalidParameterError: There is one.
    """
    for key, advice in _REFUSED.items():
        if table.get(key) is not None:
            raise refusal(doing, f"there is '{key}'", f"expected a merge without it. Instead, {advice}")
    check_keys(doing, {key: value for key, value in table.items() if key not in _REFUSED}, known)


def read_model(doing: str, value: Any) -> str:
    """Return a model's name; with an adapter, both names joined by a plus, as mergekit has it.

    Raises:
        InvalidParameterError: It is no name, or that of a certain revision.
    """
    if not isinstance(value, Mapping) or "path" in value:
        return _path(doing, value)
    check_all_keys(doing, value, ("model", "lora"))
    parts = [value.get("model"), *([value["lora"]] if value.get("lora") is not None else [])]
    return "+".join(_path(doing, part) for part in parts)


def _path(doing: str, value: Any) -> str:
    revision = None
    if isinstance(value, Mapping):
        check_all_keys(doing, value, ("path", "revision"))
        value, revision = value.get("path"), value.get("revision")
    if not isinstance(value, str) or not value:
        raise refusal(doing, f"a model is {value!r:.80}", "expected a folder, a file or a hub id")
    if revision is not None or ("@" in value and not Path(value).exists()):
        raise refusal(
            doing,
            f"the model {value} is of a certain revision",
            "expected one without. Fetch that revision into a folder, and name the folder",
        )
    return value


def with_numbers(data: Any) -> Any:
    """Return data with numbers in place of texts that are such: YAML takes 1e-3 for a text."""
    if isinstance(data, Mapping):
        return {key: with_numbers(item) if key == "value" else item for key, item in data.items()}
    if isinstance(data, Sequence) and not isinstance(data, str):
        return [with_numbers(item) for item in data]
    return _as_number(data) if isinstance(data, str) else data


def _as_number(text: str) -> Value:
    try:
        return float(text)
    except ValueError:
        return text
