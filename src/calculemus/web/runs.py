"""Runs."""

from calculemus.web.pages import Page

PAGES = (
    Page("runs", "/runs", "runs.html.j2", lambda site, asked: {}),
    Page("run", "/runs/{key}", "runs.html.j2", lambda site, asked: {}),
)
