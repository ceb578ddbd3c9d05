"""What a checkpoint's folder says of how its model wants to be asked.

``calculemus.toml`` beside the weights has ``prompts = "NAME"``: the prompt set that the model was trained on.
"""

import tomllib
from pathlib import Path

from calculemus.errors import EngineError

FILE = "calculemus.toml"


def read_wishes(folder: Path | None) -> dict[str, str]:
    """Return the facts that a folder adds to its engine's: ``prompts``, where it names a prompt set.

    Raises:
        EngineError: The file is no TOML, or names a prompt set that is no text.
    """
    path = folder / FILE if folder is not None else None
    if path is None or not path.is_file():
        return {}
    try:
        prompts = tomllib.loads(path.read_text("utf-8")).get("prompts")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise EngineError(
            f"opening the model in {folder}: its {FILE} cannot be read ({problem}); expected TOML. "
            "Correct the file, or remove it to ask the model as any other"
        ) from problem
    if prompts is None:
        return {}
    if not isinstance(prompts, str):
        raise EngineError(
            f"opening the model in {folder}: 'prompts' in its {FILE} is {prompts!r}; expected the name of a "
            "prompt set. Correct it, or remove it to ask the model as any other"
        )
    return {"prompts": prompts}
