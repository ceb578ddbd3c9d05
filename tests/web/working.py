"""Sending forms, and running jobs of which each is a small program."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from starlette.testclient import TestClient

from calculemus.web.site import Site
from calculemus.web.work.progress import record_of
from calculemus.web.work.queue import Job, Queue
from calculemus.web.work.supervisor import Supervisor

FORM = {"content-type": "application/x-www-form-urlencoded"}
SHELL = (sys.executable, "-c")


def send(client: TestClient, address: str, fields: dict[str, str], **headers: str) -> Any:
    return client.post(
        address, content=urlencode(fields), headers={**FORM, **headers}, follow_redirects=False
    )


@contextmanager
def working(site: Site, grace: float = 10.0) -> Iterator[Supervisor]:
    """Run jobs whose first argument is a program in Python."""
    supervisor = Supervisor(Queue(site.store), SHELL, grace)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


def until(site: Site, job: Job, holds: Callable[[Job], bool]) -> Job:
    for _ in range(600):
        found = Queue(site.store).get(job.id)
        if holds(found):
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain: {found}")


def is_over(job: Job) -> bool:
    return not job.is_open


def started(site: Site, word: str) -> Callable[[Job], bool]:
    queue = Queue(site.store)
    return lambda job: word in record_of(queue, job)["output"]
