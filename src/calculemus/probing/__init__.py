"""Probing: looking inside models."""
