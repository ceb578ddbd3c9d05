"""``calculemus web``: the atlas and the store in a browser."""

import secrets
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from calculemus.cli.catalog import Folders
from calculemus.cli.listening import is_loopback, listen, shown_host
from calculemus.cli.output import print_text
from calculemus.errors import InvalidParameterError, MissingExtraError
from calculemus.store import default_store_path

_OWN_TOKEN = "CALCULEMUS_WEB_TOKEN"


def web(
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 8080,
    token: Annotated[str | None, Parameter(env_var=_OWN_TOKEN)] = None,
    beyond: Annotated[bool, Parameter(name="--beyond-this-machine")] = False,
    path: Folders = (),
    store: Path | None = None,
    export: Path | None = None,
    address: str | None = None,
) -> None:
    """Show the atlas, claims, runs and comparisons in a browser, and start work from there.

    Args:
        host: Address to listen at.
        port: Port to listen at; 0 takes a free one.
        token: What readers must show where others can reach the server; made anew where none is given.
        beyond: Allow a host that other machines can reach.
        path: A folder with cards of your own, or a card.
        store: The results store; by default $CALCULEMUS_STORE, else one in the user's data folder.
        export: Write all pages into this folder instead, to be opened or published without a server.
        address: Where an export will be published; its feeds then have whole links.
    """
    try:
        import uvicorn

        from calculemus.web.app import make_app
        from calculemus.web.contents import PAGES, routes
        from calculemus.web.export import export as write_pages
        from calculemus.web.guard import Rules
        from calculemus.web.site import Site
        from calculemus.web.work.queue import Queue
        from calculemus.web.work.supervisor import Supervisor
    except ImportError as error:
        raise MissingExtraError("showing the web", error.name or "starlette", "web") from error
    site = Site(store or default_store_path(), path, is_live=export is None)
    if export is not None:
        n_pages = write_pages(site, PAGES, export, address)
        print_text(f"wrote {n_pages:,} pages; open {export / 'index.html'}")
        return
    is_local = is_loopback(host)
    if not is_local and not beyond:
        raise InvalidParameterError(
            f"showing the web at {host}: other machines can reach it; expected an address of this one. "
            "Add --beyond-this-machine if they may, or leave --host out"
        )
    token = token or (None if is_local else secrets.token_urlsafe(24))
    listening = listen(host, port, "showing the web")
    with listening:
        address = f"http://{shown_host(host)}:{listening.getsockname()[1]}/"
        # The address first: a line that is too long is broken behind it.
        print_text(f"{address}{f'?token={token}' if token else ''} shows {site.store}; Ctrl-C ends it")
        supervisor = Supervisor(Queue(site.store), cards=site.folders)
        # A page that follows a job keeps its connection open, and the server would wait for it.
        more = routes(site, supervisor.wake, lambda: server.should_exit)
        app = make_app(site, PAGES, Rules(token, ("localhost", host)), more)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        supervisor.start()
        try:
            server.run([listening])
        finally:
            if supervisor.current is not None:
                print_text(f"interrupting '{supervisor.current.title}'; what waits stays in the queue")
            supervisor.stop()
