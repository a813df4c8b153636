"""What an evaluation found, in a few lines for a person."""

from collections.abc import Mapping
from typing import Any

from qdiverge.agents.evaluation.protocols import FRAMES_A_MINUTE


def summary_of(result: Mapping[str, Any]) -> str:
    """Return the lines that ``qdiverge evaluate`` prints.

    Args:
        result: From :func:`qdiverge.agents.evaluation.evaluation_file.result_of`.

    Returns:
        A line for each finding, beginning with what it is.
    """
    lines = [
        _head(result),
        f"score         {_score(result['score'])}",
        f"human         {_human(result['human_normalised'])}",
    ]
    if "random_agent" in result:
        lines.append(f"random agent  {_score(result['random_agent']['score'])}")
    if "training_episodes" in result:
        training = result["training_episodes"]
        count = training["score"]["num_episodes"]
        lines.append(f"training      {_score(training['score'])} (its last {count} episodes)")
    return "\n".join([*lines, f"values        {_values(result['values'])}"])


def _head(result: Mapping[str, Any]) -> str:
    protocol = result["protocol"]
    episodes = f"{protocol['episodes']} episode{'s' if protocol['episodes'] > 1 else ''}"
    parts = [episodes]
    if protocol["max_episode_frames"] is not None:
        minutes = protocol["max_episode_frames"] / FRAMES_A_MINUTE
        parts[0] += f" of at most {minutes:g} minutes"
    parts.append(f"ε = {protocol['epsilon']:g}" if protocol["epsilon"] else "greedy")
    if protocol["repeat_action_probability"]:
        parts.append(f"sticky actions {protocol['repeat_action_probability']:g}")
    where = f"{result['environment']}, step {result['step']:,}"
    return f"{protocol['name']} on {where}: {', '.join(parts)}, seed {result['seed']}"


def _score(score: Mapping[str, Any]) -> str:
    if score["low"] is None:
        return f"{score['mean']:,.1f}, one episode: no interval"
    return (
        f"{score['mean']:,.1f}, 95 % interval {score['low']:,.1f} to {score['high']:,.1f};"
        f" median {score['median']:,.1f}, s.d. {score['std']:,.1f}"
    )


def _human(normalised: Mapping[str, Any]) -> str:
    if normalised["mean"] is None:
        return f"not normalised: {normalised['reason']}"
    of = normalised["references"]
    interval = ""
    if normalised["low"] is not None:
        interval = f" ({normalised['low']:.1f} to {normalised['high']:.1f})"
    return (
        f"{normalised['mean']:.1f} %{interval} of the way from random play ({of['random']:g}) to a"
        f" human ({of['human']:g}); DQN of the paper: {of['dqn']:g}"
    )


def _values(values: Mapping[str, Any]) -> str:
    if values["bias"] is None:
        return "no return is known: every episode was cut short too early"
    return (
        f"predicted {values['predicted']:.4g}, realised {values['realised']:.4g},"
        f" bias {values['bias']:+.4g}, over {values['num_steps']:,} steps"
    )
