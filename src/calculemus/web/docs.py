"""Docs."""

from calculemus.web.pages import Page

PAGES = (Page("docs", "/docs", "docs.html.j2", lambda site, asked: {}),)
