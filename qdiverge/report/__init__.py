"""Pages that a person reads: the HTML report and the terminal."""

from qdiverge.report.run_page import write_report

__all__ = ["write_report"]
