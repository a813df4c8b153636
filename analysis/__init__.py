"""Load runs into tables, and say with what certainty they differ."""

from analysis.runs import run_table
from analysis.statistics import (
    bootstrap_band,
    bootstrap_interval,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    wilson_interval,
)
from analysis.survival import divergence_curve, log_rank
from analysis.sweeps import sweep_table

__all__ = [
    "bootstrap_band",
    "bootstrap_interval",
    "divergence_curve",
    "interquartile_mean",
    "log_rank",
    "performance_profile",
    "probability_of_improvement",
    "run_table",
    "sweep_table",
    "wilson_interval",
]
