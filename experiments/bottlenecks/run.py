"""The bottlenecks of deep Q-learning, separated with oracle access (Fu et al. 2019)."""

from functools import partial

from experiments.bottlenecks.summary import by_seed, correlations, divergences, mean_with_error
from experiments.tables import Column, Record, grouped, print_table, share

PARTS = {  # of the study: the setting that each varies, and what it is read by
    "architectures": ("network", ("projection_error", "fqi_error", "returns")),
    "samples": ("num_samples", ("train_loss", "validation_loss", "fqi_error", "returns")),
    "steps": ("gradient_steps", ("train_loss", "validation_loss", "fqi_error", "returns")),
    "weightings": ("weighting", ("fqi_error", "returns", "entropy", "shift")),
    "smoothing": ("smoothing", ("fit_error", "fqi_error", "returns")),
    "stopping": ("stopping", ("fqi_error", "returns", "best_returns")),
}


def show(records: list[Record]) -> None:
    """Print a table for each part of the study, the divergence rate and the correlations."""
    seeds = by_seed(records)
    parts = grouped(seeds, "study")
    for part, (setting, measures) in PARTS.items():
        if own := parts.get((part,)):
            rows = grouped(sorted(own, key=lambda r: r["algorithm"]), "algorithm", setting)
            print_table(part, _columns(setting, measures), rows.values())
    rate = share(*divergences(seeds), ".1%")
    print(f"diverged (max|Q| > 10 max|Q*|): {rate} runs with networks; Fu et al. report 0.9%")
    for name, (statistic, p) in correlations(seeds).items():
        print(f"{name} against return: Spearman's ρ = {statistic:+.2f} (p = {p:.2g})")


def _columns(setting: str, measures: tuple[str, ...]) -> list[Column]:
    return [
        Column("backups", "algorithm", "<"),
        Column(setting, setting),
        Column("runs", len),
        *(Column(m, partial(mean_with_error, measure=m)) for m in measures),
        Column("diverged", lambda own: f"{sum(r['diverged'] for r in own)}/{len(own)}"),
    ]
