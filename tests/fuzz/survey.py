"""``python -m tests.fuzz.survey CALLS [DOOR …]``: what comes of so many calls of each door."""

import sys
import time

from tests.fuzz.doors import DOORS
from tests.fuzz.test_fuzz import tallied

if __name__ == "__main__":
    num, number, *names = sys.argv[1:]
    total = faults = named = 0
    for name in names or DOORS:
        start = time.monotonic()
        tally = tallied(name, int(num), int(number))
        total, faults = total + tally.num_calls, faults + tally.faults.total()
        named += tally.named
        print(f"== {name} ({time.monotonic() - start:.1f} s): {tally}", flush=True)
    print(f"{total} calls of {len(names or DOORS)} doors, {named} named errors, {faults} faults")
