"""Serving: an OpenAI-compatible endpoint whose answers come from a solver."""
