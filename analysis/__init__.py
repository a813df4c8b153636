"""Load runs into tables, and say with what certainty they differ."""

from analysis.runs import run_table
from analysis.statistics import (
    bootstrap_interval,
    interquartile_mean,
    probability_of_improvement,
    wilson_interval,
)
from analysis.survival import divergence_curve, log_rank

__all__ = [
    "bootstrap_interval",
    "divergence_curve",
    "interquartile_mean",
    "log_rank",
    "probability_of_improvement",
    "run_table",
    "wilson_interval",
]
