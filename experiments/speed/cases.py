"""What is measured: a network, a number of samples, and which outputs are differentiated."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qdiverge.agents.networks import MLP, NatureNetwork


@dataclass(frozen=True)
class Case:
    """One row group of the table.

    Attributes:
        network: "nature", "mlp" or "tiny".
        num: N, samples.
        actions: "chosen" (K is [N, N]) or "all" ([N, A, N, A]).
    """

    network: str
    num: int
    actions: str = "chosen"

    @property
    def label(self) -> str:
        """Return a short name, as in "nature N=256"."""
        return f"{self.network} N={self.num}" + (", all actions" if self.actions == "all" else "")

    def build(self, device: str = "cpu") -> tuple[nn.Module, Tensor, Tensor | str]:
        """Return the network, observations and actions; the same at every call.

        Smaller cases take the first samples of larger ones.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network, num_actions = _network(self.network)
        generator = torch.Generator().manual_seed(1)
        observations = torch.stack([_sample(self.network, generator) for _ in range(self.num)])
        actions = torch.randint(0, num_actions, (4096,), generator=_seeded(2))[: self.num]
        return (
            network.to(device),
            observations.to(device),
            "all" if self.actions == "all" else actions.to(device),
        )


def cases(sizes: list[int], networks: list[str]) -> list[Case]:
    """Return the table's cases: every size on the Nature network, all actions, the MLP."""
    nature = [Case("nature", num) for num in sizes] + [Case("nature", min(64, max(sizes)), "all")]
    table = {
        "nature": nature,
        "mlp": [Case("mlp", max(sizes))],
        "tiny": [Case("tiny", max(sizes)), Case("tiny", max(sizes), "all")],
    }
    return [case for name in networks for case in table[name]]


def _network(name: str) -> tuple[nn.Module, int]:
    if name == "nature":
        return NatureNetwork(6), 6
    if name == "mlp":
        return MLP([8, 256, 256, 4]), 4
    layers = [nn.Conv2d(2, 3, 3, stride=2), nn.Tanh(), nn.Conv2d(3, 4, 2), nn.Tanh()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 5), nn.Tanh(), nn.Linear(5, 3)), 3


def _sample(name: str, generator: torch.Generator) -> Tensor:
    if name == "nature":
        return torch.randint(0, 256, (4, 84, 84), generator=generator, dtype=torch.uint8)
    return torch.randn((8,) if name == "mlp" else (2, 7, 7), generator=generator)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
