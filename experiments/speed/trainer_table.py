"""The table of the trainer's benchmark: its rows, the aims, and how both are printed."""

import statistics
from typing import Any

from experiments.speed import loops
from experiments.speed.rounds import CLOCKS, Times
from experiments.tables import markdown


def row(mine: Times, ours: Times, turn: int) -> dict[str, Any]:
    """Return one row: milliseconds of an agent step, and what it takes of our time."""
    entry: dict[str, Any] = {"status": mine.failure or "measured"}
    if mine.failure or ours.failure:
        return entry
    for clock in CLOCKS:
        seconds, base = mine.seconds(clock), ours.seconds(clock)
        ratios = sorted(a / b for a, b in zip(seconds, base, strict=True))
        quarter = len(ratios) // 4
        entry[clock] = {
            "ms_per_step": round(1e3 * statistics.median(seconds) / turn, 3),
            "times_ours": round(statistics.median(ratios), 3),
            "quartiles": [round(ratios[quarter], 3), round(ratios[-1 - quarter], 3)],
            "times_ours_in_all": round(sum(seconds) / sum(base), 3),
        }
    return entry


def aims(rows: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each aim with what was measured, by processor time."""

    def has(*names: str) -> bool:
        return all(rows.get(name, {}).get("status") == "measured" for name in names)

    def ratio(name: str, over: str) -> float:
        return rows[name]["cpu"]["times_ours"] / rows[over]["cpu"]["times_ours"]

    reached = []
    for peer in loops.PEERS:
        for ours, least in ((loops.OURS, 1.5), (loops.BFLOAT16, 2.0)):
            if has(peer, ours):
                value = ratio(peer, ours)
                reached.append(_aim(f"{ours}: ≥ {least}× {peer}", f"{value:.2f}×", value >= least))
    if has("SB3's DQN"):
        theirs, own = (rows[n]["replay_bytes_per_transition"] for n in ("SB3's DQN", loops.OURS))
        share = f"1/{theirs / own:.2f}"
        reached.append(_aim("replay: an eighth of SB3's", share, round(theirs / own, 1) >= 8.0))
    if has(loops.WATCHED):
        extra = rows[loops.WATCHED]["cpu"]["times_ours_in_all"] - 1
        own_account = rows[loops.WATCHED]["monitors_own_account"]
        measured = f"{extra:+.1%}, by its own account {own_account:.1%}"
        reached.append(_aim("monitor at default settings: ≤ 5 %", measured, extra <= 0.05))
    return reached


def _aim(aim: str, measured: str, met: bool) -> dict[str, Any]:
    return {"aim": aim, "measured": measured, "met": met}


def text(rows: dict[str, dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    titles = ("loop", "CPU ms a step", "× ours", "quartiles", "wall ms a step", "× ours",
              "replay, bytes")  # fmt: skip
    return markdown(titles, (_line(*row) for row in rows.items()))


def _line(name: str, row: dict[str, Any]) -> tuple[str, ...]:
    if row["status"] != "measured":
        return name, row["status"]
    cpu, wall = row["cpu"], row["wall"]
    quartiles = "–".join(f"{each:.2f}" for each in cpu["quartiles"])
    times = [f"{clock[key]:.2f}" for clock in (cpu, wall) for key in ("ms_per_step", "times_ours")]
    return name, *times[:2], quartiles, *times[2:], f"{row['replay_bytes_per_transition']:,}"
