"""Frameworks' wrappers of optimisers and networks are taken as what is inside them."""

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.errors import InvalidTypeError
from qdiverge.inner_optimizer import inner_optimizer
from qdiverge.kernel.network import unwrap
from qdiverge.tensor_checks import check_optimizer


class Optim:
    """d3rlpy's shape: no optimiser, with the inside as ``optim``."""

    def __init__(self, inside):
        self._optim = inside

    @property
    def optim(self):
        return self._optim

    def zero_grad(self):
        self._optim.zero_grad()

    def step(self):
        self._optim.step()


class Proxy:
    """AgileRL's shape: what it lacks is the inside's."""

    def __init__(self, inside):
        self.optimizer = inside

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.__dict__["optimizer"], name)


class Accelerated(torch.optim.Optimizer):
    """Accelerate's shape: an optimiser that was never initialised as one."""

    def __init__(self, inside):
        self.optimizer = inside

    @property
    def state(self):  # type: ignore[override]
        return self.optimizer.state

    @property
    def param_groups(self):  # type: ignore[override]
        return self.optimizer.param_groups

    def zero_grad(self, set_to_none=True):
        self.optimizer.zero_grad(set_to_none)

    def step(self, closure=None):
        self.optimizer.step(closure)


class Imitating:
    """Lightning's and Fabric's shape: of the very class of what is inside."""

    def __init__(self, inside):
        self._optimizer = inside
        kind = type(inside)
        self.__class__ = type("Fabric" + kind.__name__, (self.__class__, kind), {})

    @property
    def optimizer(self):
        return self._optimizer

    def step(self, closure=None):
        self._optimizer.step(closure)

    def __getattr__(self, name):
        return getattr(self._optimizer, name)


class Lookahead(torch.optim.Optimizer):
    """Its own step: k of the inside's, then back half of the way."""

    def __init__(self, inside):
        self.optimizer, self.state, self.num = inside, defaultdict(dict), 0
        self.param_groups = inside.param_groups

    def step(self, closure=None):
        self.optimizer.step(closure)


class FabricModule(nn.Module):
    """Fabric's shape: the same module twice."""

    def __init__(self, inside):
        super().__init__()
        self._forward_module = self._original_module = inside

    def forward(self, observations):
        return self._forward_module(observations)


WRAPPERS = (Optim, Proxy, Accelerated, Imitating)


def made(wrapper=None):
    """Return a network and its optimiser, one update old, with the gradient of the next."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    adam = torch.optim.Adam(net.parameters(), lr=0.01)
    batch = {
        "obs": torch.randn(8, 3), "action": torch.randint(2, (8,)), "reward": torch.randn(8),
        "new_obs": torch.randn(8, 3), "terminals": torch.zeros(8),
    }  # fmt: skip
    for _ in range(2):
        update(net, adam, batch)
        if not adam.state:
            adam.step()
    return net, adam if wrapper is None else wrapper(adam), batch


def update(net, optimizer, batch):
    goal = batch["reward"] + 0.9 * net(batch["new_obs"]).amax(1).detach()
    q = net(batch["obs"]).gather(1, batch["action"][:, None]).squeeze(1)
    optimizer.zero_grad()
    nn.functional.smooth_l1_loss(q, goal).backward()


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_optimizer_whose_step_runs_is_taken_also_through_two_wrappers(wrapper):
    _, adam, _ = made()
    assert inner_optimizer(wrapper(adam)) is adam
    assert check_optimizer("optimizer", wrapper(adam)) is adam
    assert inner_optimizer(wrapper(Accelerated(adam))) is adam


def test_what_makes_a_step_of_its_own_or_is_no_wrapper_is_left_alone():
    net, adam, _ = made()
    schedule = torch.optim.lr_scheduler.StepLR(adam, 10)
    agent = nn.Module()
    agent.optimizer = adam
    agents = SimpleNamespace(optimizer={"one": adam}, step=adam.step, zero_grad=adam.zero_grad)
    for other in (Lookahead(adam), adam, schedule, agent, agents, None, 1.0):
        assert inner_optimizer(other) is other
    with pytest.raises(InvalidTypeError, match="Of a wrapper, pass the optimiser inside"):
        qd.attach(net, optimizer=schedule, out="never")


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapped_optimizer_is_watched_where_it_steps(tmp_path, wrapper):
    states = []
    for is_watched in (False, True):
        net, optimizer, batch = made(wrapper)
        adam = inner_optimizer(optimizer)
        if not is_watched:
            for _ in range(6):
                update(net, optimizer, batch)
                optimizer.step()
        else:
            options = {"discount": 0.9, "every": 2, "audit_period": 2, "max_overhead": None}
            with qd.attach(net, optimizer=optimizer, out=tmp_path / "run", **options) as monitor:
                assert len(adam._optimizer_step_post_hooks) == 1
                for _ in range(6):
                    update(net, optimizer, monitor.batch(batch))
                    optimizer.step()
            assert monitor.num_updates == 6
            assert (monitor.rule.optimizer, monitor.rule.not_modelled) == ("Adam", "")
            assert monitor.loop_audit.num_audits >= 2
            assert [alarm for alarm in monitor.alarms if alarm.kind == "loop"] == []
            assert qd.load_run(tmp_path / "run").info["config"]["optimizer"] == "Adam"
            assert not adam._optimizer_step_post_hooks
        states.append([*net.state_dict().values(), *adam.state[net[0].weight].values()])
    for got, expected in zip(*states, strict=True):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_diagnose_audit_rehearse_and_the_kernel_take_a_wrapper_as_what_is_inside(wrapper):
    answers = []
    for wrapped in (None, wrapper):
        net, optimizer, batch = made(wrapped)
        diagnosis = qd.diagnose(net, batch, discount=0.9, optimizer=optimizer)
        audit = qd.audit(net, batch, discount=0.9, optimizer=optimizer)
        ahead = qd.rehearse(net, batch, optimizer=optimizer, discount=0.9, num_updates=4)
        kernel = qd.empirical_ntk(net, batch["obs"], batch["action"], preconditioner=optimizer)
        answers.append(
            (str(diagnosis.rule), diagnosis.stability.spectral_radius, audit.findings,
             ahead.q_abs_max.tolist(), kernel.tolist())
        )  # fmt: skip
    assert answers[0] == answers[1]


def test_a_network_of_fabrics_is_the_one_inside():
    net, adam, batch = made()
    module, prefix = unwrap(FabricModule(nn.DataParallel(net)))
    assert module is net
    wrapped = FabricModule(net)
    assert set(wrapped.state_dict()) >= {f"_forward_module.{name}" for name in net.state_dict()}
    assert prefix == "_forward_module.module."
    got, expected = (
        qd.diagnose(each, batch, discount=0.9, optimizer=adam).stability.spectral_radius
        for each in (wrapped, net)
    )
    assert got == expected
