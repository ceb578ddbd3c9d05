"""Every claim beside what came of it, drawn on one scale each."""

from typing import Any

from calculemus.web.pages import Asked, Page
from calculemus.web.site import Site

_WORDS = {"holds": "hold", "does not hold": "do not hold", "undecided": "are undecided"}


def claims(site: Site, asked: Asked) -> dict[str, Any]:
    """Return the claims that were run, newest first, and how many came out how."""
    entries = [entry for entry in site.entries() if entry.result is not None]
    found = sorted(entries, key=lambda entry: str((entry.result or {})["date"]), reverse=True)
    return {
        "found": [
            {
                "id": entry.card.id,
                "title": entry.card.title,
                "claim": entry.card.claim.text,
                "result": entry.result,
            }
            for entry in found
        ],
        "counts": [
            {"word": word, "n": sum((entry.result or {})["verdict"] == verdict for entry in found)}
            for verdict, word in _WORDS.items()
        ],
    }


PAGES = (Page("claims", "/claims", "claims.html.j2", claims, lambda site: ({},)),)
