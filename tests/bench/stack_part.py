"""Part `stack`: live sessions over the three real processes, which share one core."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.comparison import Say
from bench.config import BenchConfig
from bench.load import LoadFailed, NoGenerator, load_row, pinned, require_generator, talk
from bench.results import Results
from stack_process import running_stack

WHAT = "stack on one core"


def run(config: BenchConfig, results: Results, say: Say) -> None:
    """Leaves a row for each number of sessions with the embedded model."""
    try:
        require_generator()
    except NoGenerator as missing:
        results.notes.append(f"{WHAT}: {missing}")
        return
    slots = str(max(config.effort.stack_sessions))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        log = Path(folder) / "stack.log"
        flags = ("--slots", slots, "--threads", "1", "--device", "cpu")
        with pinned(config.core):
            stack = running.enter_context(running_stack(log, *flags))
        try:
            for sessions in config.effort.stack_sessions:
                say(f"{WHAT}: {sessions} sessions for {config.effort.talk_s:g} s")
                seconds, core = config.effort.talk_s, config.load_core
                figures = talk(stack.gateway, stack.metrics, sessions, seconds, core)
                results.loads.append(load_row(WHAT, figures))
        except LoadFailed as failure:
            results.notes.append(str(failure))
