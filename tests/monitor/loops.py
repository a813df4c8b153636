"""Training loops as people write them, on CartPole and on drawn transitions, with a bug or none."""

import copy
from itertools import count

import gymnasium
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from qdiverge.monitor import attach

DISCOUNT = 0.97


def mlp(num_inputs=4, num_outputs=2, *middle):
    return nn.Sequential(nn.Linear(num_inputs, 32), *middle, nn.ReLU(), nn.Linear(32, num_outputs))


def cartpole(num=600, seed=0):
    """Return a replay of a random player, column by column."""
    env, draw = gymnasium.make("CartPole-v1"), np.random.default_rng(seed)
    rows, s = [], env.reset(seed=seed)[0]
    for _ in range(num):
        a = int(draw.integers(2))
        following, r, d, _, _ = env.step(a)
        rows.append((s, a, r, following, float(d)))
        s = env.reset()[0] if d else following
    env.close()
    names = ("observations", "actions", "rewards", "next_observations", "terminated")
    columns = (np.stack(column) for column in zip(*rows, strict=True))
    replay = dict(zip(names, map(torch.as_tensor, columns), strict=True))
    return {k: v.float() if v.is_floating_point() else v for k, v in replay.items()}


class Loop:
    """CleanRL's DQN, its data drawn from a replay that is there; subclasses do something otherwise.

    Args:
        out: Of the run; None: nobody watches.
        options: Of :func:`qdiverge.attach`.
    """

    loss = "huber"
    num_parts = 1  # batches of one update
    updates_per_batch = 1
    learning_rate = 3e-3
    copy_period = 20
    weights = False

    def __init__(self, out=None, **options):
        torch.manual_seed(1)
        self.replay = cartpole()
        self.q_net = self.network()
        self.target = copy.deepcopy(self.q_net)
        self.bootstraps_from = self.target
        self.optimizer = self.make_optimizer()
        self.monitor = None
        if out is not None:
            settings = {"discount": DISCOUNT, "audit_period": 5, "max_overhead": None} | options
            self.monitor = attach(
                self.q_net, target=self.target, optimizer=self.optimizer, out=out, every=10,
                cost="light", **settings,
            )  # fmt: skip

    def network(self):
        return mlp()

    def make_optimizer(self):
        return torch.optim.Adam(self.q_net.parameters(), self.learning_rate)

    def draw(self):
        index = torch.randint(len(self.replay["actions"]), (48,))
        batch = {name: column[index] for name, column in self.replay.items()}
        return batch | ({"weights": torch.rand(48) + 0.5} if self.weights else {})

    def following(self, batch):
        return self.bootstraps_from(batch["next_observations"]).amax(1)

    def goal(self, batch):
        with torch.no_grad():
            kept = DISCOUNT * (1 - batch["terminated"])
            return batch["rewards"] + kept * self.following(batch)

    def q(self, batch):
        return self.q_net(batch["observations"]).gather(1, batch["actions"][:, None]).squeeze(1)

    def errors_loss(self, q, y, batch):
        each = {"huber": F.smooth_l1_loss, "squared": F.mse_loss}[self.loss](q, y, reduction="none")
        return (batch["weights"] * each).mean() if "weights" in batch else each.mean()

    def objective(self, batch):
        return self.errors_loss(self.q(batch), self.goal(batch), batch)

    def zero(self):
        self.optimizer.zero_grad()

    def backward(self, loss):
        loss.backward()

    def step(self):
        self.optimizer.step()

    def synchronise(self):
        self.target.load_state_dict(self.q_net.state_dict())

    def train(self, num_updates=60):
        number = count(1)
        for _ in range(num_updates // self.updates_per_batch):
            batches = [self.draw() for _ in range(self.num_parts)]
            if self.monitor is not None:
                batches = [self.monitor.batch(batch) for batch in batches]
            for _ in range(self.updates_per_batch):
                self.zero()
                for batch in batches:
                    self.backward(self.objective(batch) / self.num_parts)
                self.step()
                if next(number) % self.copy_period == 0:
                    self.synchronise()
        if self.monitor is not None:
            self.monitor.close()
        return self

    def state(self):
        """All that the run has: weights, gradients, the optimiser's state, the random state."""
        tensors = [*self.q_net.state_dict().values(), *self.target.state_dict().values()]
        tensors += [p.grad for p in self.q_net.parameters()]
        for entries in self.optimizer.state.values():
            tensors += [value for value in entries.values() if isinstance(value, torch.Tensor)]
        return [*(t.detach().clone() for t in tensors), torch.get_rng_state()]

    @property
    def found(self):
        return [alarm.rule for alarm in self.monitor.alarms if alarm.kind == "loop"]


# sound loops


class Squared(Loop):
    loss = "squared"


class DoubleQ(Loop):
    def following(self, batch):
        s = batch["next_observations"]
        return self.target(s).gather(1, self.q_net(s).argmax(1, keepdim=True)).squeeze(1)


class Weighted(Loop):
    weights = True


class Clipped(Loop):
    def step(self):
        nn.utils.clip_grad_norm_(self.q_net.parameters(), 0.05)
        self.optimizer.step()


class Quartered(Loop):
    loss, factor = "squared", 0.25

    def objective(self, batch):
        return self.factor * super().objective(batch)


class Summed(Quartered):
    """A loss that is summed over its batch of 32 rows."""

    loss, factor = "huber", 32.0


class SummedFused(Summed):
    """The same under AMP, whose scale a fused optimiser takes out by itself."""

    def make_optimizer(self):
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
        return torch.optim.Adam(self.q_net.parameters(), self.learning_rate, fused=True)

    def backward(self, loss):
        self.scaler.scale(loss).backward()

    def step(self):
        self.scaler.step(self.optimizer)
        self.scaler.update()


class Accumulated(Loop):
    num_parts = 3


class SeveralUpdates(Loop):
    updates_per_batch = 4


class Parts(SeveralUpdates):
    """Minibatches of a batch that is shown whole, as in several epochs over it."""

    def objective(self, batch):
        rows = torch.randperm(48)[:12]
        return super().objective({name: column[rows] for name, column in batch.items()})


class BatchNorm(Loop):
    def network(self):
        return mlp(4, 2, nn.BatchNorm1d(32))


class Dropout(Loop):
    def network(self):
        return mlp(4, 2, nn.Dropout(0.2))


class Scaled(Loop):
    """AMP with its scale; the scaler unscales in its step."""

    def make_optimizer(self):
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
        return super().make_optimizer()

    def backward(self, loss):
        self.scaler.scale(loss).backward()

    def step(self):
        self.scaler.step(self.optimizer)
        self.scaler.update()


class ScaledFused(Scaled):
    """A fused optimiser takes the scale out by itself: at its step the gradient still has it."""

    def make_optimizer(self):
        super().make_optimizer()
        return torch.optim.Adam(self.q_net.parameters(), self.learning_rate, fused=True)


class HalfPrecision(Scaled):
    def objective(self, batch):
        with torch.autocast("cpu", torch.bfloat16):
            q = self.q(batch)
        return self.errors_loss(q.float(), self.goal(batch), batch)


class HalfClipped(HalfPrecision):
    def step(self):
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.q_net.parameters(), 0.05)
        super().step()


class Averaged(Loop):
    copy_period = 1

    def synchronise(self):
        for slow, fast in zip(self.target.parameters(), self.q_net.parameters(), strict=True):
            slow.data.lerp_(fast.data, 0.02)


class Hooked(Loop):
    """Parameters whose hooks would hear of a derivative that is not the loop's own."""

    def network(self):
        network, self.num_heard = mlp(), 0
        for parameter in network.parameters():
            parameter.register_hook(self.hear)
        return network

    def hear(self, gradient):
        self.num_heard += 1


class Closure(Loop):
    """The step calls what makes the gradient, as PyTorch Lightning has it."""

    def backward(self, loss):
        self.loss_now = loss

    def step(self):
        def closure():
            self.optimizer.zero_grad()
            self.loss_now.backward()
            return self.loss_now

        self.optimizer.step(closure)


class TwoOptimisers(Loop):
    """Another optimiser trains half of the network, in the same backward pass."""

    def make_optimizer(self):
        first, *others = self.q_net
        self.other = torch.optim.SGD(first.parameters(), 1e-2)
        return torch.optim.Adam([p for part in others for p in part.parameters()], 1e-3)

    def zero(self):
        self.optimizer.zero_grad()
        self.other.zero_grad()

    def step(self):
        self.other.step()
        self.optimizer.step()


class DrawnAhead(Loop):
    """Shows the next update's batch before it takes the present step, as prefetching loaders do."""

    def train(self, num_updates=60):
        coming = self.shown()
        for number in range(1, num_updates + 1):
            batch, coming = coming, self.shown()
            self.zero()
            self.backward(self.objective(batch))
            self.step()
            if number % self.copy_period == 0:
                self.synchronise()
        if self.monitor is not None:
            self.monitor.close()
        return self

    def shown(self):
        batch = self.draw()
        return batch if self.monitor is None else self.monitor.batch(batch)


SOUND = {
    each.__name__: each
    for each in (
        Loop, Squared, DoubleQ, Weighted, Clipped, Accumulated, SeveralUpdates, Parts, BatchNorm,
        Dropout, Scaled, ScaledFused, HalfPrecision, HalfClipped, Averaged, Hooked, Closure,
        TwoOptimisers, DrawnAhead, Quartered, Summed, SummedFused,
    )
}  # fmt: skip


# and loops with a bug


class Unmasked(Loop):
    def goal(self, batch):
        with torch.no_grad():
            return batch["rewards"] + DISCOUNT * self.following(batch)


class OtherDiscount(Loop):
    def goal(self, batch):
        with torch.no_grad():
            return batch["rewards"] + 0.9 * (1 - batch["terminated"]) * self.following(batch)


class OtherRewards(Loop):
    def goal(self, batch):
        return super().goal(batch | {"rewards": 0.1 * batch["rewards"]})


class NeverZeroed(Loop):
    def zero(self):
        pass


class NoStop(Loop):
    def goal(self, batch):
        kept = DISCOUNT * (1 - batch["terminated"])
        return batch["rewards"] + kept * self.q_net(batch["next_observations"]).amax(1)


class Broadcast(Loop):
    def errors_loss(self, q, y, batch):
        return F.smooth_l1_loss(q.expand(len(q), -1), y[:, None].expand(-1, len(q)))


class WrongActions(Loop):
    def q(self, batch):
        return super().q(batch | {"actions": batch["actions"].roll(1)})


class Rebound(Loop):
    def synchronise(self):
        self.bootstraps_from = copy.deepcopy(self.q_net)


class Penalised(Loop):
    def objective(self, batch):
        return super().objective(batch) + 1e-2 * sum(
            p.square().sum() for p in self.q_net.parameters()
        )


class Unweighted(Weighted):
    def errors_loss(self, q, y, batch):
        return F.smooth_l1_loss(q, y)


class OtherObject(Loop):
    """The monitor is told that there is a target network; the loop has none."""

    def following(self, batch):
        return self.q_net(batch["next_observations"]).amax(1)


BUGS = {
    Unmasked: "terminals_bootstrapped",
    OtherDiscount: "discount_differs",
    OtherRewards: "rewards_differ",
    NeverZeroed: "gradients_accumulate",
    NoStop: "no_stop_gradient",
    Broadcast: "broadcast",
    WrongActions: "wrong_actions",
    Rebound: "targets_differ",
    Penalised: "other_loss",
    Unweighted: "weighted",
    OtherObject: "bootstrap_differs",
}


# critics


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mlp(6, 1)

    def forward(self, observations, actions):
        return self.body(torch.cat([observations, actions], 1)).squeeze(1)


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mlp(4, 2)

    def forward(self, observations):
        return torch.tanh(self.body(observations))

    def sample(self, observations):
        mean = self(observations)
        noise = torch.randn_like(mean)
        return mean + 0.3 * noise, -noise.square().sum(1) / 2


class Critics:
    """SAC with twin critics, or TD3 whose actor moves at every second update.

    Args:
        out: Of the run; None: nobody watches.
        is_soft: SAC.
        bug: "", "no minimum", "no entropy", "unmasked".
        num_optimizers: One for both critics, or one for each, of which the first is watched.
    """

    entropy = 0.2

    def __init__(self, out=None, is_soft=True, bug="", num_optimizers=1):
        torch.manual_seed(2)
        self.critics = nn.ModuleList([Critic(), Critic()])
        self.targets, self.actor = copy.deepcopy(self.critics), Actor()
        self.is_soft, self.bug = is_soft, bug
        groups = [self.critics] if num_optimizers == 1 else self.critics
        self.optimizers = [torch.optim.Adam(each.parameters(), 1e-3) for each in groups]
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), 1e-3)
        self.monitor = None
        if out is not None:
            self.monitor = attach(
                list(self.critics), target=list(self.targets), optimizer=self.optimizers[0],
                policy=self.actor.sample if is_soft else self.actor, discount=DISCOUNT, out=out,
                entropy_coefficient=self.entropy if is_soft else 0.0, audit_period=5, every=10,
                max_overhead=None, cost="light",
            )  # fmt: skip

    def goal(self, batch):
        s = batch["next_observations"]
        with torch.no_grad():
            if self.is_soft:
                a, log_probs = self.actor.sample(s)
            else:
                a = (self.actor(s) + 0.2 * torch.randn(len(s), 2)).clamp(-1, 1)
            values = torch.stack([target(s, a) for target in self.targets])
            value = values[0] if self.bug == "no minimum" else values.amin(0)
            if self.is_soft and self.bug != "no entropy":
                value = value - self.entropy * log_probs
            mask = 1.0 if self.bug == "unmasked" else 1 - batch["terminated"]
            return batch["rewards"] + DISCOUNT * mask * value

    def train(self, num_updates=40):
        for number in range(num_updates):
            batch = {
                "observations": torch.randn(32, 4), "actions": torch.rand(32, 2),
                "rewards": torch.randn(32), "next_observations": torch.randn(32, 4),
                "terminated": (torch.arange(32) % 7 == 0).float(),
            }  # fmt: skip
            if self.monitor is not None:
                self.monitor.batch(batch)
            y, pairs = self.goal(batch), (batch["observations"], batch["actions"])
            loss = sum(F.mse_loss(critic(*pairs), y) for critic in self.critics)
            for optimizer in self.optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in self.optimizers:
                optimizer.step()
            if self.is_soft or number % 2:
                self.improve(batch["observations"])
            with torch.no_grad():
                for slow, fast in zip(
                    self.targets.parameters(), self.critics.parameters(), strict=True
                ):
                    slow.lerp_(fast, 0.05)
        if self.monitor is not None:
            self.monitor.close()
        return self

    def improve(self, s):
        a = self.actor.sample(s)[0] if self.is_soft else self.actor(s)
        self.actor_optimizer.zero_grad()
        (-self.critics[0](s, a).mean()).backward()  # leaves a gradient in the critic, too
        self.actor_optimizer.step()

    def state(self):
        modules = (self.critics, self.targets, self.actor)
        tensors = [t for module in modules for t in module.state_dict().values()]
        tensors += [p.grad for p in self.critics.parameters()]
        return [*(t.detach().clone() for t in tensors), torch.get_rng_state()]

    @property
    def found(self):
        return [alarm.rule for alarm in self.monitor.alarms if alarm.kind == "loop"]
