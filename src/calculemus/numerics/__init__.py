"""Numerics: arithmetic below models: number formats, quantisation, decoding."""
