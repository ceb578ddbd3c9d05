"""The report of a comparison: one HTML file that needs nothing but a browser."""

from calculemus.report.page import write_report

__all__ = ["write_report"]
