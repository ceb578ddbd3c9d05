"""What runs inside the jail of the tiers ``std`` and ``sci``: the standard library only, no calculemus.

``zygote`` is the process that imports once and forks a child for every run. ``namespaces`` and ``seccomp``
take everything away from it and from the child; ``policy`` makes a run a pure function of its text and seed;
``execute`` runs the program and ``encode`` writes what it returned.
"""
