"""Merging: arithmetic on models: merges, edits and adapters."""
