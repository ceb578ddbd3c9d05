"""Evaluating: benchmarks, metrics and judges."""
