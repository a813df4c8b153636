"""A study for the tests of the sweep engine: cells that finish, wait, raise, or kill themselves."""

import os
import signal
import time

from qdiverge.errors import DivergenceError, InvalidValueError
from qdiverge.runs import RunLog


def cells(is_full):
    return [{"do": "sleep" if is_full else "square", "x": x / 10} for x in range(12)]


def run(config, folder):
    print("working on", config)
    attempts = folder / "attempts"
    attempt = len(attempts.read_text()) + 1 if attempts.exists() else 1
    attempts.write_text("." * attempt)
    if config["do"] == "die once" and attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if config["do"] == "log":
        with RunLog(folder / f"run-{attempt}"):
            if attempt == 1:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
    if config["do"] == "raise":
        raise RuntimeError(config.get("says", "no such luck"))
    if config["do"] == "refuse":
        raise InvalidValueError("x must be even", got=config["x"])
    if config["do"] == "diverge":
        raise DivergenceError("values stay bounded", got="max|Q| = 1e9")
    if config["do"] == "import":
        import a_package_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401
    if config["do"] == "sleep":
        time.sleep(config["x"] / 2)
    if config["do"] == "hang once" and attempt == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    return {"square": config["x"] ** 2, "attempt": attempt, "pid": os.getpid()}
