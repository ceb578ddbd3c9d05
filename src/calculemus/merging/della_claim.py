"""Dropping by magnitude against dropping all alike, each at its best scale."""

from calculemus.merging.contest import claim

CLAIM = claim("dropped by magnitude", "dare_ties:density=0.7,scale=best", "della:density=0.7,scale=best")
