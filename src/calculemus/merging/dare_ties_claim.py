"""TIES with and without dropping at random first, each at its best scale."""

from calculemus.merging.contest import claim

CLAIM = claim("dropped and rescaled first", "ties:scale=best", "dare_ties:density=0.5,scale=best")
