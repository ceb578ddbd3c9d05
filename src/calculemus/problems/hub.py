"""Find and fetch the files of a data set on the Hugging Face Hub (extra ``hub``)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from calculemus.errors import MissingExtraError, ProblemError
from calculemus.events import note, track

if TYPE_CHECKING:
    from huggingface_hub import HfApi

SPLITS = ("test", "train", "validation", "valid", "val", "dev")
CONVERTED = "refs/convert/parquet"  # where the hub keeps a Parquet copy of data sets in other forms

_SUFFIXES = (".parquet", ".jsonl", ".json", ".csv", ".tsv")  # the first kind that fits is read
_NOT_DATA = ("dataset_infos.json", "dataset_dict.json", "dataset_info.json", "config.json", "state.json")


@dataclass(frozen=True, slots=True)
class HubId:
    """``ORG/NAME[:CONFIG][:SPLIT]``."""

    repo: str
    config: str | None = None
    split: str | None = None

    def __str__(self) -> str:
        return ":".join(part for part in (self.repo, self.config, self.split) if part)

    @classmethod
    def parse(cls, text: str) -> "HubId":
        """Read an id; a single part after the name is a split if it is called like one, else a config.

        Raises:
            ProblemError: Not of this form.
        """
        repo, *parts = text.split(":")
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo) or len(parts) > 2 or not all(parts):
            raise ProblemError(
                f"loading problems: 'hub:{text}' is no id of a data set; expected "
                "hub:ORG/NAME[:CONFIG][:SPLIT]. Write it like hub:openai/gsm8k:main:test"
            )
        if len(parts) == 1 and parts[0] in SPLITS:
            return cls(repo, None, parts[0])
        return cls(repo, *parts)


def fetch(wanted: HubId, because: str = "") -> tuple[list[Path], str]:
    """Download the files of one split, all of one revision.

    Args:
        wanted: The data set.
        because: Why the hub is needed, for messages; empty where the user asked for it.

    Returns:
        The local paths in order, and what they are, for people.

    Raises:
        MissingExtraError: The extra ``hub`` is not installed.
        ProblemError: The hub cannot be reached, or has no such data set, config or split.
    """
    doing = f"{because}{'; ' if because else ''}loading the data set '{wanted}' from the Hugging Face Hub"
    try:
        import huggingface_hub  # here, because it is an extra and slow to import
        from huggingface_hub.errors import (
            HFValidationError,
            HTTPError,  # pyright: ignore[reportPrivateImportUsage]  # of whichever HTTP client it uses
        )
    except ImportError as error:
        raise MissingExtraError(doing, "huggingface_hub", "hub") from error
    try:
        files, revision = _find(huggingface_hub.HfApi(), wanted)
        note(f"{doing}: {len(files)} file(s) of revision {revision}")
        paths = [
            Path(huggingface_hub.hf_hub_download(wanted.repo, file, repo_type="dataset", revision=revision))
            for file in track(files, f"downloading {wanted}", total=len(files))
        ]
    except (OSError, HFValidationError, HTTPError) as error:
        found = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ProblemError(
            f"{doing}: it failed ({found}); expected a hub that can be reached and has this data set. Check "
            "the id and the connection, or read a local folder: --data DIR or CALCULEMUS_DATA"
        ) from error
    return paths, f"hub:{wanted} at revision {revision}"


def _find(api: "HfApi", wanted: HubId) -> tuple[list[str], str]:
    """Return the files to read and the exact revision that has them."""
    from huggingface_hub.errors import RevisionNotFoundError

    seen: list[str] = []
    for revision in (None, CONVERTED):
        try:
            info = api.dataset_info(wanted.repo, revision=revision)
        except RevisionNotFoundError:
            continue
        files = [sibling.rfilename for sibling in info.siblings or ()]
        chosen = choose(files, wanted)
        if chosen:
            return chosen, info.sha or revision or "main"
        seen += files
    raise _refusal(wanted, f"no file fits; there are {_some(seen)}", f"files called {', '.join(_SUFFIXES)}")


def choose(files: Iterable[str], wanted: HubId) -> list[str]:
    """Return the files of the config and split, in order; none where nothing fits.

    A config or split is recognised as a word of the path: ``main/test-00000-of-00001.parquet``,
    ``mgsm_de.tsv``. Files that name no split at all are one split. Without a wanted split, ``test`` is taken
    where there is one.

    Raises:
        ProblemError: Several splits or configs fit, or the wanted split is not among them.
    """
    readable = [file for file in sorted(files) if PurePosixPath(file).name not in _NOT_DATA]
    for suffix in _SUFFIXES:
        group = [file for file in readable if file.endswith(suffix) and _names(file, wanted.config)]
        if group:
            return _one_config(_one_split(group, wanted), wanted)
    return []


def _one_split(files: list[str], wanted: HubId) -> list[str]:
    splits = [split for split in SPLITS if any(_names(file, split) for file in files)]
    split = wanted.split
    if split is None:
        if len(splits) > 1 and splits[0] != "test":
            raise _refusal(wanted, f"it has the splits {', '.join(splits)}", "one of them in the id")
        split = splits[0] if splits else None
    fitting = [file for file in files if _names(file, split)]
    if fitting or not splits:
        return fitting or files
    raise _refusal(wanted, f"there is no split '{split}'", f"one of {', '.join(splits)}")


def _one_config(files: list[str], wanted: HubId) -> list[str]:
    folders = sorted({str(PurePosixPath(file).parent) for file in files})
    if len(folders) > 1:
        raise _refusal(wanted, f"it has the configs {_some(folders)}", "one of them in the id")
    return files


def _names(path: str, word: str | None) -> bool:
    """Say whether ``word`` stands in a path, with no letter or digit beside it; None always does."""
    return word is None or re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", path) is not None


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") or "none"


def _refusal(wanted: HubId, found: str, expected: str) -> ProblemError:
    return ProblemError(
        f"loading the data set '{wanted}' from the Hugging Face Hub: {found}; expected {expected}. "
        "Write hub:ORG/NAME:CONFIG:SPLIT"
    )
