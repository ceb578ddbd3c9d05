"""Proving: formal proofs, checked."""
