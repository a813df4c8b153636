"""The laboratory's entry points: exact problems, their solvers, and what is measured on them."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from qdiverge import mdp
from qdiverge.mdp import problems
from tests.fuzz.door import Door


def one_state() -> mdp.MDP:
    return mdp.MDP(np.array([[[0.5, 0.5], [0.0, 1.0]]] * 2), np.array([[1.0, 0.0]] * 2), 0.9)


def of_mdp(call: Callable[..., Any], counts: tuple[str, ...] = (), **more: Any) -> Door:
    """A solver of a small problem."""
    return Door(call, lambda _: {"mdp": one_state()} | copy.deepcopy(more), counts)


def linear() -> mdp.LinearProblem:
    return problems.w_to_2w()


def q_of() -> np.ndarray:
    return np.array([[1.0, 2.0], [0.0, 3.0]])


HALF = np.full(4, 0.25)
POLICY = np.array([0, 1])


LABORATORY: dict[str, Door] = {
    "MDP": Door(mdp.MDP, lambda f: {
        "transitions": np.array([[[0.5, 0.5], [0.0, 1.0]]] * 2), "rewards": q_of(),
        "discount": 0.9, "start": 0, "observations": np.eye(2), "terminal": None}),
    "LinearProblem": Door(mdp.LinearProblem, lambda f: {
        "mdp": one_state(), "features": np.eye(4)}),
    "value_iteration": of_mdp(mdp.value_iteration, tolerance=1e-3, temperature=0.0,
                              initial=None, max_iterations=1000),
    "q_value_iteration": of_mdp(mdp.q_value_iteration, tolerance=1e-3, temperature=0.1,
                                initial=q_of(), max_iterations=1000),
    "policy_iteration": of_mdp(mdp.policy_iteration, initial=POLICY),
    "modified_policy_iteration": of_mdp(mdp.modified_policy_iteration, tolerance=1e-3,
                                        num_sweeps=3, max_iterations=1000),
    "linear_program": of_mdp(mdp.linear_program),
    "policy_values": of_mdp(mdp.policy_values, policy=POLICY),
    "discounted_visits": of_mdp(mdp.discounted_visits, policy=POLICY, discount=0.9),
    "visits_within": of_mdp(mdp.visits_within, ("horizon",), policy=POLICY, horizon=3,
                            discount=0.9),
    "induced_chain": of_mdp(mdp.induced_chain, policy=POLICY),
    "optimal_backup": of_mdp(mdp.optimal_backup, q=q_of(), temperature=0.1),
    "q_from_values": of_mdp(mdp.q_from_values, values=np.ones(2)),
    "soft_maximum": Door(mdp.soft_maximum, lambda f: {"q": q_of(), "temperature": 0.1}),
    "soft_policy": Door(mdp.soft_policy, lambda f: {"q": q_of(), "temperature": 0.1}),
    "tabular_operator": of_mdp(mdp.tabular_operator, learning_rate=0.1),
    "sampled_operator": of_mdp(mdp.sampled_operator, learning_rate=0.1, rho=HALF),
    "kernel_operator": of_mdp(mdp.kernel_operator, kernel=np.eye(4), learning_rate=0.1, rho=HALF),
    "q_learning": of_mdp(mdp.q_learning, ("num_steps",), num_steps=20, learning_rate=0.1,
                         initial=q_of(), seed=0),
    "fitted_value_iteration": of_mdp(mdp.fitted_value_iteration, ("num_iterations",),
                                     fit=np.eye(2), num_iterations=3, initial=None),
    "fitted_q_iteration": Door(mdp.fitted_q_iteration, lambda f: {
        "problem": linear(), "num_iterations": 3}, ("num_iterations",)),
    "linear_q_learning": Door(mdp.linear_q_learning, lambda f: {
        "problem": linear(), "num_updates": 3, "learning_rate": 0.1, "target_period": 2},
        ("num_updates",)),
    "td_solution": Door(mdp.td_solution, lambda f: {"problem": linear()}),
    "td_matrix": Door(mdp.td_matrix, lambda f: {"problem": linear()}),
    "is_averager": Door(mdp.is_averager, lambda f: {"fit": np.eye(2)}),
    "estimator_bias": Door(mdp.estimator_bias, lambda f: {
        "values": np.ones(3), "num_samples": 4, "noise": 1.0, "trials": 10, "seed": 0},
        ("num_samples", "trials")),
    "overestimation_bound": Door(mdp.overestimation_bound, lambda f: {
        "estimates": np.array([1.0, 2.0]), "value": 1.0}),
    "uniform_overestimation": Door(mdp.uniform_overestimation, lambda f: {
        "num_actions": 3, "half_width": 1.0}),
    "epsilon_greedy": Door(mdp.epsilon_greedy, lambda f: {"epsilon": 0.1}),
    "visit_rate": Door(mdp.visit_rate, lambda f: {"exponent": 0.8}),
    "Sampler": Door(mdp.Sampler, lambda f: {"mdp": one_state(), "seed": 0}),
    "linearise": Door(mdp.linearise, lambda f: {
        "q_net": nn.Linear(2, 2), "mdp": one_state(), "learning_rate": 0.1, "rho": HALF}),
    "as_environment": of_mdp(mdp.as_environment, as_features=True),
    "measure_contraction": Door(mdp.measure_contraction, lambda f: {
        "operator": mdp.tabular_operator(one_state(), 0.1), "q": q_of(),
        "q_star": np.array([[2.0, 1.0], [0.0, 0.0]]), "num_updates": 3}),
    "worst_pair": Door(mdp.worst_pair, lambda f: {
        "operator": mdp.kernel_operator(one_state(), np.eye(4), 0.1)}),
    "UpdateOperator.contraction": Door(
        lambda **pair: mdp.tabular_operator(one_state(), 0.1).contraction(**pair),
        lambda f: {"one": q_of(), "other": q_of() + 1}),
    "train_network": Door(mdp.train_network, lambda f: {
        "q_net": nn.Linear(2, 2), "mdp": one_state(), "num_updates": 3, "learning_rate": 0.1,
        "rho": HALF, "target_period": 2}),
    "LinearisedNetwork.train": Door(mdp.linearise(nn.Linear(2, 2), one_state(), 0.1).train,
        lambda f: {"num_updates": 3, "target_period": 2}),
    "linearisation_gap": Door(mdp.linearisation_gap, lambda f: {
        "true": np.stack([q_of(), q_of() + 1]), "linear": np.stack([q_of(), q_of() + 2])}),
    "fitted_overestimation": Door(mdp.fitted_overestimation, lambda f: {
        "function": np.sin, "degree": 3, "num_actions": 3, "states": np.linspace(-6, 6, 5)}),
    "garnet": Door(problems.garnet, lambda f: {
        "num_states": 4, "num_actions": 2, "branching": 2, "seed": 0},
        ("num_states", "num_actions", "branching")),
    "kolter": Door(problems.kolter, lambda f: {"p": 0.5, "epsilon": 0.1, "discount": 0.9}),
    "Spiral": Door(problems.Spiral, lambda f: {"discount": 0.9, "epsilon": 0.05}),
    "Spiral.run": Door(lambda **given: problems.Spiral().run(**given), lambda f: {
        "num_updates": 3, "learning_rate": 1e-3, "w": 0.0}),
    "Spiral.gradient": Door(problems.Spiral().gradient, lambda f: {"w": 0.0}),
    "baird": Door(problems.baird, lambda f: {"discount": 0.9}),
    "baird_mdp": Door(problems.baird_mdp, lambda f: {"discount": 0.9}),
    "w_to_2w": Door(problems.w_to_2w, lambda f: {
        "discount": 0.9, "epsilon": 0.1, "first_only": True}),
    "nearest_averager": Door(problems.nearest_averager, lambda f: {
        "points": np.array([[0.0], [1.0], [3.0]]), "anchors": np.array([0, 2]),
        "num_neighbours": 1}),
    "cliffwalk": Door(problems.cliffwalk, lambda f: {
        "num_states": 4, "discount": 0.9, "reward": 10.0, "seed": 0}),
    "four_rooms": Door(problems.four_rooms, lambda f: {
        "discount": 0.9, "goal": (6, 8), "slip": 0.3}),
    "gridworld": Door(problems.gridworld, lambda f: {
        "map_rows": ["S.#", "..G"], "discount": 0.9, "slip": 0.1, "absorbing": True}),
    "random_gridworld": Door(problems.random_gridworld, lambda f: {
        "size": 5, "observations": "one_hot", "discount": 0.9, "wall_ratio": 0.2, "slip": 0.05,
        "seed": 0}),
    "mountain_car": Door(problems.mountain_car, lambda f: {
        "num_positions": 9, "num_speeds": 5, "discount": 0.9, "reward": 10.0}),
    "pendulum": Door(problems.pendulum, lambda f: {
        "num_bins": 6, "num_torques": 3, "discount": 0.9}),
    "sparse_graph": Door(problems.sparse_graph, lambda f: {
        "num_states": 9, "num_actions": 3, "discount": 0.9, "reward": 10.0, "seed": 0}),
}  # fmt: skip
