"""The moment at which all clocks of the sandbox stand: 2024-01-01 00:00:00 UTC."""

FROZEN_SECONDS = 1_704_067_200
