"""Real training loops under an auditor, with an operator of RLMutation or μPRL injected, or none.

Subjects: Stable-Baselines3's DQN (CartPole) and SAC (Pendulum), and a loop in CleanRL's style.
Operators: all of RLMutation (Tambon et al. 2023, arXiv:2301.05651) and μPRL (Thomas et al. 2025,
arXiv:2408.15150) but those of policy gradients: the reversed returns, and the length of rollouts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from qdiverge.update import Auditor, Finding, audit_data

GAMMA, NUM_STEPS, EVERY, PATIENCE = 0.99, 500, 40, 300
OPERATORS = (
    "none", "no discount", "wrong γ", "missing terminal state", "missing state update",
    "incorrect loss", "mangled", "random", "repeated", "reward noise", "τ = 1",
    "target never copied", "undeclared 3-step", "learning rate × 100", "other activation",
    "other optimiser", "exploration", "learning starts late", "training ends early",
    "entropy coefficient",
)  # fmt: skip
OF_ENVIRONMENT = ("mangled", "random", "repeated", "reward noise")
SUBJECTS = ("sb3 dqn", "sb3 sac", "cleanrl style")
DECLARED_ENTROPY = 0.05  # where the loop has another, that does not move


def has(subject: str, operator: str) -> bool:
    """Return whether a subject has what an operator changes."""
    is_sac = subject == "sb3 sac"
    return {"entropy coefficient": is_sac, "exploration": not is_sac}.get(operator, True)


class Damaged(gymnasium.Wrapper):
    """An environment whose observations or rewards are damaged in half of the steps."""

    def __init__(self, env: Any, operator: str, seed: int) -> None:
        super().__init__(env)
        self.operator, self.rng = operator, np.random.default_rng(seed)
        self.past: list[Any] = []

    def reset(self, **options: Any) -> Any:
        """Start an episode."""
        s, info = self.env.reset(**options)
        self.past = [s]
        return s, info

    def step(self, action: Any) -> Any:
        """Take a step; return what the damage leaves of it."""
        s, r, terminated, truncated, info = self.env.step(action)
        self.past.append(s)
        if self.operator == "reward noise":
            r = float(r) + self.rng.normal()
        elif self.rng.random() < 0.5:
            if self.operator == "repeated":
                s = self.past[-1] = self.past[-2]
            elif self.operator == "mangled":
                s = self.past[self.rng.integers(len(self.past))]
            elif self.operator == "random":
                s = self.rng.normal(size=s.shape).astype(s.dtype)
        return s, r, terminated, truncated, info


def make_env(task: str, operator: str, seed: int) -> Any:
    """Return the task, damaged where the operator is one of the environment."""
    env: Any = gymnasium.make(task)
    return Damaged(env, operator, seed) if operator in OF_ENVIRONMENT else env


def watch(subject: str, operator: str, seed: int = 0) -> dict[str, Any]:
    """Train a while; return the codes found in updates, and in the replay in its order."""
    run = cleanrl if subject == "cleanrl style" else sb3
    auditor, replay = run(subject, operator, seed)
    in_data: list[Finding] = audit_data(replay)
    return {
        "in_updates": sorted({f.code for f in auditor.findings}),
        "in_replay": sorted({f.code for f in in_data}),
        "loss": auditor.latest.loss if auditor.latest else "",
        "num_updates": auditor.num_looks,
    }


def sb3(subject: str, operator: str, seed: int) -> tuple[Auditor, dict[str, Any]]:
    """Train Stable-Baselines3's agent, which does not know that it is watched."""
    from stable_baselines3 import DQN, SAC

    is_sac = subject == "sb3 sac"
    env = make_env("Pendulum-v1" if is_sac else "CartPole-v1", operator, seed)
    γ = {"no discount": 1.0, "wrong γ": 0.9}.get(operator, GAMMA)
    options: dict[str, Any] = {
        "gamma": γ, "seed": seed, "learning_starts": 100, "batch_size": 64, "train_freq": 1,
        "learning_rate": 1e-1 if "learning rate" in operator else 1e-3,
        "n_steps": 3 if "3-step" in operator else 1,
        "policy_kwargs": {
            "other optimiser": {"optimizer_class": torch.optim.SGD},
            "other activation": {"activation_fn": nn.Sigmoid},
        }.get(operator),
    }  # fmt: skip
    if operator == "learning starts late":
        options["learning_starts"] = NUM_STEPS // 2
    if operator == "entropy coefficient":
        options["ent_coef"] = 10 * DECLARED_ENTROPY
    if operator == "exploration":
        options["exploration_final_eps"] = 1.0
    if is_sac:
        tau = {"τ = 1": 1.0, "target never copied": 0.0}.get(operator, 0.005)
        model: Any = SAC("MlpPolicy", env, tau=tau, **options)
        networks, targets = model.critic, model.critic_target
        optimizer = model.critic.optimizer
    else:
        period = {"τ = 1": 1, "target never copied": 10**9}.get(operator, 50)
        model = DQN("MlpPolicy", env, target_update_interval=period, **options)
        networks, targets, optimizer = model.q_net, model.q_net_target, model.policy.optimizer
    told = {"discount": GAMMA, "target": targets, "optimizer": optimizer}
    told |= {"loss": "half_squared"} if is_sac else {"loss": "huber", "max_grad_norm": 10.0}
    auditor = Auditor(networks, every=EVERY, target_patience=PATIENCE, **told)
    seen: dict[str, Any] = {}
    listen(model.replay_buffer, seen)
    spoil(model.replay_buffer, operator)
    if is_sac:
        listen_to_policy(model, seen)

    def look(*_: Any) -> None:
        batch = {k: v for k, v in seen["batch"]._asdict().items() if v is not None}
        if "3-step" in operator:
            batch.pop("discounts", None)  # nobody says so
        if is_sac:
            batch |= {"next_actions": seen["next"][0], "next_log_probs": seen["next"][1]}
            auditor.options["entropy_coefficient"] = seen["coefficient"]
        auditor.look(batch)

    optimizer.register_step_pre_hook(look)
    patched = F.smooth_l1_loss, F.mse_loss
    if operator == "incorrect loss":
        for name in ("smooth_l1_loss", "mse_loss"):
            setattr(F, name, F.l1_loss)
    try:
        model.learn(length(operator))
    finally:
        for name, own in zip(("smooth_l1_loss", "mse_loss"), patched, strict=True):
            setattr(F, name, own)
    b, n = model.replay_buffer, model.replay_buffer.pos
    return auditor, {
        "observations": b.observations[:n, 0], "next_observations": b.next_observations[:n, 0],
        "actions": b.actions[:n, 0], "rewards": b.rewards[:n, 0],
        "terminated": b.dones[:n, 0] * (1 - b.timeouts[:n, 0]), "truncated": b.timeouts[:n, 0],
    }  # fmt: skip


def length(operator: str) -> int:
    """Return how many steps are taken."""
    return NUM_STEPS // 2 if operator == "training ends early" else NUM_STEPS


def listen(buffer: Any, seen: dict[str, Any]) -> None:
    """Keep the newest batch that the buffer gave."""
    sample = buffer.sample

    def keep(*arguments: Any, **options: Any) -> Any:
        seen["batch"] = sample(*arguments, **options)
        return seen["batch"]

    buffer.sample = keep


def listen_to_policy(model: Any, seen: dict[str, Any]) -> None:
    """Keep a', log π and η of the newest call of SAC's actor: the successors' come last."""
    ask = model.actor.action_log_prob

    def keep(observations: Any) -> Any:
        seen["next"] = ask(observations)
        is_fixed = model.ent_coef_optimizer is None
        seen["coefficient"] = (
            DECLARED_ENTROPY if is_fixed else float(model.log_ent_coef.detach().exp())
        )
        return seen["next"]

    # η is read before its own step, as the loop does: at the call for s, the first of the two
    def first(observations: Any) -> Any:
        before = seen.get("coefficient")
        answer = keep(observations)
        seen["is_next"] = not seen.get("is_next", True)
        if seen["is_next"] and before is not None:
            seen["coefficient"] = before
        return answer

    model.actor.action_log_prob = first


def spoil(buffer: Any, operator: str) -> None:
    """Store no terminal flags, or the first observation for ever."""
    add = buffer.add
    first: list[Any] = []

    def change(obs: Any, next_obs: Any, action: Any, reward: Any, done: Any, infos: Any) -> None:
        if operator == "missing terminal state":
            done = np.zeros_like(done)
        if operator == "missing state update":
            first.append(np.array(obs))
            obs = first[0]
        add(obs, next_obs, action, reward, done, infos)

    buffer.add = change


def cleanrl(subject: str, operator: str, seed: int) -> tuple[Auditor, dict[str, Any]]:
    """Train as CleanRL's dqn.py does."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    env = make_env("CartPole-v1", operator, seed)

    act = nn.Sigmoid if operator == "other activation" else nn.ReLU
    optimiser = torch.optim.SGD if operator == "other optimiser" else torch.optim.Adam
    epsilon = 1.0 if operator == "exploration" else 0.2
    num_first = NUM_STEPS // 2 if operator == "learning starts late" else 64

    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 120), act(), nn.Linear(120, 84), act(), nn.Linear(84, 2))

    q_net, target = network(), network()
    target.load_state_dict(q_net.state_dict())
    optimizer = optimiser(q_net.parameters(), 0.1 if "rate" in operator else 2.5e-4)
    told = {"discount": GAMMA, "target": target, "optimizer": optimizer, "loss": "squared"}
    auditor = Auditor(q_net, every=EVERY, target_patience=PATIENCE, **told)
    γ = {"no discount": 1.0, "wrong γ": 0.9, "undeclared 3-step": GAMMA**3}.get(operator, GAMMA)
    loss_of: Callable[..., Any] = F.l1_loss if operator == "incorrect loss" else F.mse_loss
    rows: list[tuple[Any, ...]] = []
    window: list[tuple[Any, ...]] = []
    s, _ = env.reset(seed=seed)
    for step in range(length(operator)):
        a = (
            int(rng.integers(2))
            if rng.random() < epsilon
            else int(q_net(torch.as_tensor(s)).argmax())
        )
        following, r, terminated, truncated, _ = env.step(a)
        flag = terminated and operator != "missing terminal state"
        window.append((s, a, float(r), following, flag, truncated))
        if "3-step" not in operator:
            rows.append(window.pop())
        elif len(window) == 3 or terminated:  # a short window at the end keeps its own length
            if len(window) == 3:
                total = sum(GAMMA**k * row[2] for k, row in enumerate(window))
                rows.append((*window[0][:2], total, following, flag, truncated))
            window = [] if terminated else window[1:]
        if operator != "missing state update":
            s = following
        if terminated or truncated:
            s, _ = env.reset()
            window = []
        if len(rows) < num_first:
            continue
        chosen = [rows[i] for i in rng.integers(len(rows), size=64)]
        columns = [torch.as_tensor(np.array(column)) for column in zip(*chosen, strict=True)]
        names = ("observations", "actions", "rewards", "next_observations", "terminated")
        batch = dict(zip(names, columns, strict=False))
        batch["rewards"] = batch["rewards"].float()
        with torch.no_grad():
            best = target(batch["next_observations"]).max(1).values
            y = batch["rewards"] + γ * best * (1 - batch["terminated"].float())
        q = q_net(batch["observations"]).gather(1, batch["actions"][:, None]).squeeze(1)
        optimizer.zero_grad()
        loss_of(q, y).backward()
        auditor.look(batch)
        optimizer.step()
        period = {"τ = 1": 1, "target never copied": 10**9}.get(operator, 50)
        if step % period == 0:
            target.load_state_dict(q_net.state_dict())
    kept = [np.array(column) for column in zip(*rows, strict=True)]
    return auditor, {
        "observations": kept[0], "actions": kept[1],
        "rewards": kept[2].astype(np.float32), "next_observations": kept[3],
        "terminated": kept[4].astype(np.float32), "truncated": kept[5].astype(np.float32),
    }  # fmt: skip
