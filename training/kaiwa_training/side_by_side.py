"""Runs stages that do not wait for each other, in a process each."""

import subprocess
import time
from collections.abc import Mapping, Sequence

LOOKS_EVERY_S = 0.2


class StageFailed(Exception):
    """A stage's process ended with an error; its own words are above."""


def run_side_by_side(commands: Mapping[str, Sequence[str]]) -> None:
    """Runs the stages' commands (by name) until all have ended.

    Raises:
        StageFailed: one of them failed; the others were stopped.
    """
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in commands.items():
            running[name] = subprocess.Popen(command)
        while running:
            for name, process in list(running.items()):
                if process.poll() is not None:
                    del running[name]
                    if process.returncode:
                        raise StageFailed(f"{name} ended with {process.returncode}")
            time.sleep(LOOKS_EVERY_S)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()
