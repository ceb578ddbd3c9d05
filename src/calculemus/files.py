"""Where a user's files are, and writing them so that a reader never meets half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from calculemus.errors import OutputError


def data_folder() -> Path:
    """Return the folder in which a user's results and cards are kept; it need not exist."""
    data_home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data_home) / "calculemus"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; take its place if the block succeeds, leave nothing if not.

    Raises:
        OutputError: The file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"writing '{path}': {error.strerror or error}; expected a file, in a folder, that this user may "
            f"write, with space left. Change that, or name another file"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
