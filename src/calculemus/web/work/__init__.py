"""Work that is started from a page: commands, one after the other, that outlive the page and the server."""
