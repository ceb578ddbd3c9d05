"""The mean on the sphere against the straight mean."""

from calculemus.merging.contest import claim

CLAIM = claim("the mean on the sphere", "linear", "karcher")
