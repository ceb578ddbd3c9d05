"""Models that are made when first asked for, and kept in folders whose names say what made them."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_folder() -> Path:
    """Return where relatives are kept: ``$XDG_CACHE_HOME/calculemus/tiny``, below ``~/.cache`` by default."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "calculemus" / "tiny"


def kept(name: str, make: Callable[[Path], None], cache: Path | None = None) -> Path:
    """Return a folder of the cache; have it made where there is none.

    Args:
        name: Of the folder; it must tell apart whatever would be made otherwise.
        make: Fills a folder. What it leaves is kept only if it ends well.
        cache: Where folders are kept; the user's if not given.
    """
    folder = (cache or cache_folder()) / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
    try:
        make(temporary)
        _move(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _move(temporary: Path, folder: Path) -> None:
    """Give a finished folder its name, unless another process was first."""
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
