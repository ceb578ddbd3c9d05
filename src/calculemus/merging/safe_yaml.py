"""Reading YAML from strangers: plain data only, and no more of it than a person would write."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calculemus.errors import InvalidParameterError, MissingExtraError

if TYPE_CHECKING:
    import yaml

MOST_BYTES = 1_000_000
MOST_NODES = 100_000
"""Values that a file may come to once all aliases are written out."""


def read_yaml(path: Path) -> Any:
    """Return what a YAML file says.

    Raises:
        InvalidParameterError: It cannot be read, is too large, names types of Python's, or has a key twice.
        MissingExtraError: No reader of YAML is installed.
    """
    doing = f"reading {path}"
    try:
        import yaml  # late: most merges read none
    except ImportError as error:
        raise MissingExtraError(doing, "yaml", "merge") from error
    try:
        text = _text(path, doing)
        node = yaml.compose(text, yaml.SafeLoader)
        _Measure(doing).count(node)
        return yaml.safe_load(text)
    except InvalidParameterError:
        raise
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        found = " ".join(str(error).split())
        raise InvalidParameterError(
            f"{doing}: {found:.300}; expected plain YAML: texts, numbers, lists, keys and values. Mend it"
        ) from error


def _text(path: Path, doing: str) -> str:
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InvalidParameterError(
            f"{doing}: it is longer than {MOST_BYTES:,} bytes; expected a configuration"
        )
    return data.decode()


class _Measure:
    """Counts the values of a document as if all its aliases were written out, without writing them out.

    Args:
        doing: For messages.
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._counts: dict[int, int | None] = {}

    def count(self, node: "yaml.Node | None") -> int:
        """Return how many values a node comes to."""
        if node is None:
            return 0
        if id(node) not in self._counts:
            self._counts[id(node)] = None
            self._counts[id(node)] = self._inside(node)
        found = self._counts[id(node)]
        if found is None:
            raise self._refusal("an alias that holds itself")
        return found

    def _inside(self, node: "yaml.Node") -> int:
        import yaml

        n = 1
        children = node.value if isinstance(node, yaml.SequenceNode) else []
        if isinstance(node, yaml.MappingNode):
            keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            twice = next((key for key, n_times in keys.items() if n_times > 1), None)
            if twice is not None:
                raise self._refusal(f"the key '{twice:.80}' twice")
            children = [part for pair in node.value for part in pair]
        for child in children:
            n += self.count(child)
            if n > MOST_NODES:
                raise self._refusal(f"aliases that come to more than {MOST_NODES:,} values")
        return n

    def _refusal(self, found: str) -> InvalidParameterError:
        return InvalidParameterError(
            f"{self._doing}: found {found}; expected a configuration that says each thing once. Mend it"
        )
