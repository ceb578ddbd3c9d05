"""Work."""

from calculemus.web.pages import Page

PAGES = (
    Page("jobs", "/jobs", "jobs.html.j2", lambda site, asked: {}),
    Page("start", "/start/{kind}", "jobs.html.j2", lambda site, asked: {}),
)
