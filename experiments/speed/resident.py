"""How much memory a filled replay really takes: the resident set, in a process of its own."""

import json
import subprocess
import sys
from typing import Any

import numpy as np

from qdiverge.agents.replay.frames import FrameReplay, bytes_needed

NUM_ENVS = 8


def in_fresh_process(module: str, number: int) -> Any:
    """Return what a module prints as JSON when it is run on its own with a number."""
    command = [sys.executable, "-m", module, str(number)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def resident_bytes(capacity: int) -> dict[str, Any]:
    """Return the bytes by which the resident set rises while a replay is filled with frames."""
    return in_fresh_process("experiments.speed.resident", capacity)


def fill(replay: FrameReplay, steps: int) -> None:
    """Append random frames from every environment, an episode's end every 800 steps."""
    rng = np.random.default_rng(0)
    frames = rng.integers(256, size=(16, NUM_ENVS, 84, 84), dtype=np.uint8)
    replay.begin(frames[0])
    for step in range(steps):
        ended = np.full(NUM_ENVS, step % 800 == 799)
        rewards, actions = np.zeros(NUM_ENVS), rng.integers(6, size=NUM_ENVS)
        replay.append(actions, rewards, ended, frames[step % 16], ended, frames[0])


def resident() -> int:
    """Return this process's resident set, in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def main(capacity: int) -> None:
    """Print the measurement as JSON."""
    before = resident()
    replay = FrameReplay(capacity, NUM_ENVS, seed=0)
    fill(replay, capacity // NUM_ENVS + 100)  # once round the ring
    replay.sample(32)
    rise = resident() - before
    numbers = {"transitions": capacity, "promised": bytes_needed(capacity), "resident": rise}
    print(json.dumps(numbers))


if __name__ == "__main__":
    main(int(sys.argv[1]))
