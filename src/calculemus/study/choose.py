"""Which of a run's graders is meant."""

from collections.abc import Sequence

from calculemus.errors import StoreError


def choose_grader(available: Sequence[str], asked: str | None, doing: str) -> str | None:
    """Return the ``name@version`` that is meant by what was asked for.

    Args:
        available: ``name@version`` of the graders there are verdicts of.
        asked: ``name@version``; or a name, for its newest version; or None, for ``default`` where it is
            available and the first by name otherwise.
        doing: What the choice is for, to begin a message with.

    Returns:
        One of ``available``; None where nothing was asked for and nothing is available.

    Raises:
        StoreError: There are no verdicts of the grader that was asked for.
    """
    newest_first = sorted(available, key=_name_and_version, reverse=True)
    wanted = "default" if asked is None else asked
    for grader in newest_first:
        if wanted in (grader, _name_and_version(grader)[0]):
            return grader
    if asked is not None:
        raise StoreError(
            f"{doing}: there are no verdicts of the grader '{asked}'; expected one of "
            f"{', '.join(sorted(available)) or 'none: the run is not graded'}. "
            f"Grade the run first: calculemus regrade RUN --grader {asked.partition('@')[0]}"
        )
    return min(newest_first, key=lambda grader: _name_and_version(grader)[0], default=None)


def _name_and_version(grader: str) -> tuple[str, int]:
    name, _, version = grader.rpartition("@")
    return name, int(version)
