"""News."""

from calculemus.web.pages import Page

PAGES = (Page("news", "/news", "news.html.j2", lambda site, asked: {}),)
