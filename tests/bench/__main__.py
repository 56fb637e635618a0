"""`make bench`: Kaiwa beside its peers, on one core, as one table."""

import os

import torch
from bench import codec_part, gateway_part, lm_part, stack_part
from bench.config import BenchConfig, parse
from bench.floors import measure_speeds
from bench.machine import describe
from bench.noise import CpuTimes, load_reasons, steal_reasons
from bench.plots import plot
from bench.results import Results
from bench.table import show
from rich.console import Console

TABLE_WIDTH = 150
"""A file or a narrow terminal is given whole lines all the same."""

RUNS = {
    "codec": codec_part.run,
    "lm": lm_part.run,
    "stack": stack_part.run,
    "gateway": gateway_part.run,
}


def main() -> None:
    """Runs the parts that are asked for, shows their figures and keeps them."""
    config = parse()
    console, progress = Console(), Console(stderr=True)
    console.width = max(console.width, TABLE_WIDTH)
    results = Results(describe(config.core), config.quick)
    before = CpuTimes.now()
    measure(config, results, lambda text: progress.print(text, style="dim", highlight=False))
    results.noise += load_reasons(results.machine) + steal_reasons(before, CpuTimes.now())
    config.out_dir.mkdir(parents=True, exist_ok=True)
    stem = f"{results.machine.at[:16].replace(':', '')}-{results.machine.commit}"
    path = config.out_dir / f"{stem}.json"
    results.write(path)
    show(console, results)
    pictures = plot(results, config.out_dir, stem)
    console.print("kept", ", ".join(map(str, (path, *pictures))), soft_wrap=True, highlight=False)


def measure(config: BenchConfig, results: Results, say: codec_part.Say) -> None:
    """Runs each part; models alone on their core, in one thread."""
    everywhere = os.sched_getaffinity(0)
    torch.set_num_threads(1)
    os.environ["RAYON_NUM_THREADS"] = "1"
    for part in config.parts:
        alone = part in ("codec", "lm")
        os.sched_setaffinity(0, {config.core} if alone else everywhere)
        if alone and results.speeds is None:
            say("the machine's speed")
            results.speeds = measure_speeds()
        RUNS[part](config, results, say)


if __name__ == "__main__":
    main()
