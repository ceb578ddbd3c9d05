"""What the web has: all its pages, in one place."""

from calculemus.web import atlas, claims, docs, jobs, news, runs

PAGES = (*atlas.PAGES, *claims.PAGES, *runs.PAGES, *jobs.PAGES, *news.PAGES, *docs.PAGES)
