"""Engines run models; the scheduler keeps them full; the sandbox runs programs."""
