"""A thin client for OpenAI-compatible endpoints, which tries out what a server really does."""

from calculemus.engine.http_engine.engine import HttpEngine

__all__ = ["HttpEngine"]
