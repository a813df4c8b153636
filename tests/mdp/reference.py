"""Slow, obvious versions of what qdiverge.mdp computes; they read only P, R, γ and the ends."""

import itertools

import numpy as np


def backup(mdp, q):
    """T*Q by five nested loops' worth of definition."""
    P, S, A = mdp.dense, mdp.num_states, mdp.num_actions
    out = np.zeros((S, A))
    for s, a in itertools.product(range(S), range(A)):
        out[s, a] = mdp.rewards[s, a]
        for after in range(S):
            if not mdp.terminal[after]:
                out[s, a] += mdp.discount * P[s, a, after] * max(q[after])
    return out


def evaluate(mdp, actions, num_sweeps=3000):
    """V of a deterministic policy by sweeps in place."""
    P, values = mdp.dense, np.zeros(mdp.num_states)
    for _ in range(num_sweeps):
        for s in range(mdp.num_states):
            if not mdp.terminal[s]:
                following = P[s, actions[s]] @ values
                values[s] = mdp.rewards[s, actions[s]] + mdp.discount * following
    return values


def best_values(mdp):
    """V* as the best of all deterministic policies."""
    policies = itertools.product(range(mdp.num_actions), repeat=mdp.num_states)
    return np.max([np.linalg.solve(*_system(mdp, np.array(p))) for p in policies], axis=0)


def modulus_by_policies(step, mdp):
    """max over the deterministic policies π of ‖I − G + γG(1 − d)P_π‖∞: U Q = Q + G(T*Q − Q)."""
    S, A = mdp.num_states, mdp.num_actions
    P = mdp.dense.reshape(S * A, S) * ~mdp.terminal
    best = 0.0
    for policy in itertools.product(range(A), repeat=S):
        P_pi = np.zeros((S * A, S * A))
        for s, a in enumerate(policy):
            P_pi[:, s * A + a] = P[:, s]
        best = max(best, np.abs(np.eye(S * A) - step + mdp.discount * step @ P_pi).sum(1).max())
    return best


def _system(mdp, actions):
    rows = np.arange(mdp.num_states)
    P = mdp.dense[rows, actions] * ~mdp.terminal
    return np.eye(mdp.num_states) - mdp.discount * P, mdp.rewards[rows, actions]
