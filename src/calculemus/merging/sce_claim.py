"""Coefficients by energy against TIES at its best scale."""

from calculemus.merging.contest import claim

CLAIM = claim("coefficients by energy", "ties:scale=best", "sce")
