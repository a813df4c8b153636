"""The numbers at which alarm rules fire."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class GrowthThresholds:
    """Of rules on how max|Q| grows.

    Attributes:
        num_points: The fewest measurements that a fit takes; set by runs, see growth.py.
        window_growth: A window reaches back to where max|Q| was this many times smaller: two
            doublings.
        min_r_squared: The share of the variance in the window that the fitted growth explains.
        exponential_residual: An exponential leaves at most this share of what a straight line
            leaves unexplained; else the growth is taken for a straight line.
        min_late_rise: Of the second half of the window, against the first; less is levelling off.
        min_error_growth: By how much TD errors must have grown meanwhile: those of a run that
            learns stay level or fall while its values rise.
        exponential_horizon: How far an exponential is extrapolated, in lengths of its own window.
        linear_horizon: And a straight line, which values that rise to where they belong follow,
            too.
        least_speed: Of r_max an update, which values may always rise by: near the bound backups
            add nothing, but what is learnt is off by its TD errors.
    """

    num_points: int = 4
    window_growth: float = 4.0
    min_r_squared: float = 0.9
    exponential_residual: float = 0.5
    min_late_rise: float = 0.8
    min_error_growth: float = 1.5
    exponential_horizon: float = 2.0
    linear_horizon: float = 0.5
    least_speed: float = 0.25


@dataclass(frozen=True)
class LinearisedThresholds:
    """Of rules that hold the linear theory against the run.

    Attributes:
        num_excited: Measurements of self-excitation above zero in a row: fewer are an accident of
            the probe batch.
        min_e_folds: What the theory must have promised meanwhile: a growth beyond all noise.
        min_error_growth: By how much TD errors must have grown; a fresh probe batch moves them by
            less.
        rate_agreement: Measured and predicted rate may differ by this factor.
        num_growing: Spectral radii above 1 in a row.
        horizon: E-folds ahead: a frozen kernel foretells no more.
    """

    num_excited: int = 5
    min_e_folds: float = 2.0
    min_error_growth: float = 2.0
    rate_agreement: float = 2.0
    num_growing: int = 3
    horizon: float = 4.0


@dataclass(frozen=True)
class CapacityThresholds:
    """Of rules on what the network can still tell apart.

    Attributes:
        num_in_a_row: Measurements: one alone may be an odd probe batch.
        dead_share: Of the hidden units; ordinary DQN runs on Pong have 0.4 to 0.6 of theirs silent
            on 64 states.
        collapsed_rank: The most directions that hold 99 % of collapsed features' singular values.
        rank_fall: How many times fewer than there were: a small network may have had as few from
            the start.
        end_atom_mass: Of a return's distribution, at one end of its support: with as much there,
            Q is more the support's end than an expectation.
    """

    num_in_a_row: int = 3
    dead_share: float = 0.9
    collapsed_rank: int = 2
    rank_fall: int = 4
    end_atom_mass: float = 0.5


@dataclass(frozen=True)
class Thresholds:
    """Of all rules; ``dataclasses.replace`` makes others.

    >>> from dataclasses import replace
    >>> replace(Thresholds(), growth=GrowthThresholds(num_points=6)).growth.num_points
    6
    """

    growth: GrowthThresholds = field(default_factory=GrowthThresholds)
    linearised: LinearisedThresholds = field(default_factory=LinearisedThresholds)
    capacity: CapacityThresholds = field(default_factory=CapacityThresholds)


THRESHOLDS = Thresholds()  # the monitor's
