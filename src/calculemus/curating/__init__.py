"""Curating: making, checking and choosing problems."""
