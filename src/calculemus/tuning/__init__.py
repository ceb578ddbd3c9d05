"""Changing the weights of a torch model: one training loop, and models that are sums of others."""
