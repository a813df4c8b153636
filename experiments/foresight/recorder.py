"""Look at a run as a monitor does, at a fixed cadence in updates, and at more than it does.

The measurements are those of ``qd.attach(cost="full", max_overhead=None)`` on the same probe batch
(a test holds the two together); what the monitor does not measure is added on the same moments:

    rate            ln of the spectral radius per update with the target network in use:
                    ln ρ(I + αAD), ln ρ(B_C)/C of hard copies, ln of the averaged pair's radius
    plain_…         the same without the optimiser's preconditioner, K = JJᵀ
    certified_modulus   the TD-error certificate over every successor action
    weight_norm     ‖θ‖ of the network
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from experiments.foresight.cell import Cell
from experiments.foresight.steps import set_step
from qdiverge.diagnostics import Moment, Transitions, diagnostics_up_to
from qdiverge.diagnostics.metrics.stability import Stability
from qdiverge.diagnostics.update_stability import all_successors
from qdiverge.monitor.probe_batch import ProbeBatch
from qdiverge.monitor.subject import Subject
from qdiverge.theory.spectral import reachable_directions, spectral_radius
from qdiverge.theory.target_network import period_increment, polyak_increment
from qdiverge.theory.td_error import td_error_certificate, td_increments

EVERY = 5  # updates between measurements of the light tier
FULL_EVERY = 10  # and between those of the dear ones
PROBE_SIZE = 32  # pairs
EPS = torch.finfo(torch.float32).eps  # of the kernels' entries
BEYOND = 100.0  # bounds; a run that goes so far is not followed further


class StoppedError(Exception):
    """A run was stopped on purpose at one of its moments, which is ``moment``."""

    def __init__(self, moment: Moment) -> None:
        super().__init__(f"at update {moment.update}")
        self.moment = moment


class SeriesRecorder:
    """The series of one run; hooks ``optimizer.step`` and, but for the first step size, only reads.

    Args:
        cell: Its settings; at the first batch the optimiser gets its learning rate.
        subject: The run, as the monitor sees it.
        stop_at: Raise StoppedError at this measurement; None: never.

    Attributes:
        series: Metric → (updates, values), without ``diverge/``.
        num_updates: Updates seen.
        is_beyond: Whether max|Q| is past BEYOND bounds, or not finite.
        seconds: CPU time of the measurements.
    """

    def __init__(self, cell: Cell, subject: Subject, stop_at: int | None = None) -> None:
        self.cell, self.subject, self.stop_at = cell, subject, stop_at
        self.target_period, self.polyak = cell.target_period, cell.polyak
        self.series: dict[str, tuple[list[int], list[float]]] = {}
        self.num_updates, self.is_beyond, self.seconds = 0, False, 0.0
        self.probe = ProbeBatch(PROBE_SIZE, refresh_period=1_000_000)
        self._light = diagnostics_up_to("light")
        self._dear = [
            d for d in diagnostics_up_to("full") if d.cost != "light" and type(d) is not Stability
        ]
        self._num_dear = 0
        subject.optimizer.register_step_post_hook(self._after_step)

    def batch(self, data: Transitions) -> Transitions:
        """Show a training batch; returns it."""
        began = time.process_time()
        batch = self.subject.read(data)
        if self.num_updates == 0 and self.probe.batch is None:
            set_step(self.cell, self.subject.networks[0], self.subject.optimizer, batch)
            self._light, self._dear = (
                [d for d in group if not self.subject.why_off(d, batch)]
                for group in (self._light, self._dear)
            )
        self.probe.show(batch, self.num_updates)
        self.seconds += time.process_time() - began
        return data

    def _after_step(self, *_: Any) -> None:
        self.num_updates += 1
        if self.num_updates % EVERY or self.probe.batch is None:
            return
        began = time.process_time()
        bound = self.subject.options.reward_bound
        assert bound is not None
        moment = self.subject.moment(self.probe.batch, self.num_updates, bound)
        metrics: dict[str, float] = {}
        for diagnostic in self._light:
            metrics |= diagnostic.measure(moment)
        size = metrics["diverge/q_abs_max"]
        if self.num_updates % FULL_EVERY == 0 and math.isfinite(size):
            metrics |= self._measure_dear(moment)
        for name, value in metrics.items():
            updates, values = self.series.setdefault(name.removeprefix("diverge/"), ([], []))
            updates.append(self.num_updates)
            values.append(value)
        self.is_beyond = not size <= BEYOND * moment.bound
        self.seconds += time.process_time() - began
        if self.num_updates == self.stop_at:
            raise StoppedError(moment)

    def _measure_dear(self, moment: Moment) -> dict[str, float]:
        try:
            successors = all_successors(moment)  # one kernel serves the monitor's numbers and ours
            index = torch.arange(len(moment.batch))
            chosen = successors if successors.ndim == 2 else successors[index, moment.next_actions]
            vars(moment)["successor_kernel"] = chosen.to(moment.kernel.dtype)
            metrics = Stability().measure(moment)
            for diagnostic in self._dear:
                if self._num_dear % diagnostic.period == 0:
                    metrics |= diagnostic.measure(moment)
            metrics |= self._extras(moment, successors)
        except (ValueError, RuntimeError, ArithmeticError):  # a kernel that has overflowed
            metrics = {}
        self._num_dear += 1
        return metrics

    def _extras(self, moment: Moment, successors: Tensor) -> dict[str, float]:
        α, K = moment.learning_rate, moment.kernel.double()
        K = (K + K.T) / 2
        step = torch.full((len(K),), α / len(K), dtype=torch.float64)
        successors = successors[:, None] if successors.ndim == 2 else successors
        certificate = td_error_certificate(td_increments(K, successors.double(), step))
        plain = moment
        if moment.preconditioner is not None:
            plain = replace(moment, optimizer=None)
        excitation, plain_free, plain_rate = self._rates(plain)
        return {
            "certified_modulus": certificate.modulus,
            "rate": plain_rate if plain is moment else self._rates(moment)[2],
            "plain_rate": plain_rate,
            "plain_spectral_rate": plain_free,
            "plain_excitation": excitation,
            "weight_norm": _norm(moment),
        }

    def _rates(self, moment: Moment) -> tuple[float, float, float]:
        """Return max Re eig(AD), ln ρ(I + αAD) and ln of the radius per update with the target."""
        K, ahead = moment.kernel.double(), moment.successor_kernel.double()
        K = (K + K.T) / 2
        rho = torch.full((len(K),), 1 / len(K), dtype=torch.float64)
        reach, α = reachable_directions(K, ahead, rho, EPS), moment.learning_rate
        excitation = float(torch.linalg.eigvals(reach.ahead - torch.diag(reach.rates)).real.max())
        free = _log_radius(*period_increment(reach, α, 1))
        if self.polyak is not None:
            used = _log_radius(polyak_increment(reach, α, self.polyak), 0.0)
        elif self.target_period is not None:
            period = period_increment(reach, α, self.target_period)
            used = _log_radius(*period) / self.target_period
        else:
            used = free
        return excitation, free, used


def _log_radius(increment: Tensor, scale: float) -> float:
    return math.log(max(spectral_radius(increment, EPS, scale), 1e-300))


def _norm(moment: Moment) -> float:
    return math.sqrt(sum(float(p.detach().square().sum()) for p in moment.q_network.parameters()))
