"""The atlas on a page: what the catalog and the store know, for a browser on one machine.

Every page is a record, a template and a place in ``pages.Page``; the server and the static export show the
same. Nothing here is imported by the rooms below it.
"""
