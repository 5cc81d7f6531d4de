"""Time the whole `target_alignment_scatter` experiment on one core, and what stacking the seeds gains.

    python benchmarks/target_alignment_scatter.py

Prints the seconds of all 25 depths × 27 seeds (PC with 512 inference steps, and BP), with the seeds of a depth as one
stack; and, on a few depths, the ratio between the seeds one at a time and the stack, both measured in this run.
"""

import dataclasses
import time
from collections.abc import Sequence

import numpy as np
import torch

from deepcredit.config.cells import cells_of
from deepcredit.studies.prospective.experiments.target_alignment import run
from deepcredit.studies.prospective.schemas.target_alignment import TargetAlignment

COMPARED = (5, 15, 25)


def seconds(configs: Sequence[TargetAlignment]) -> float:
    """Time that `run` takes for all of `configs`."""
    start = time.perf_counter()
    for config in configs:
        run(config)
    return time.perf_counter() - start


def one_at_a_time(config: TargetAlignment) -> list[TargetAlignment]:
    """One config for each seed."""
    return [dataclasses.replace(config, seed=[seed]) for seed in config.seed]


def same_numbers(config: TargetAlignment) -> bool:
    """Whether the stack gives every member the bytes that it gets alone."""
    alone = [run(single).target_alignment.values for single in one_at_a_time(config)]
    return np.concatenate(alone, -1).tobytes() == run(config).target_alignment.values.tobytes()


def main() -> None:
    """Print the measurements."""
    torch.set_num_threads(1)
    configs = [cell.config for cell in cells_of("target_alignment_scatter", "paper")]
    run(configs[0])
    print(f"{len(configs)} depths × {len(configs[0].seed)} seeds, one core: {seconds(configs):.1f} s")
    for config in (c for c in configs if c.model.num_layers in COMPARED):
        stacked, single = seconds([config]), seconds(one_at_a_time(config))
        print(
            f"{config.model.num_layers:>2} layers: stack {stacked:.2f} s, one at a time {single:.2f} s, "
            f"ratio {single / stacked:.1f}, same bytes: {same_numbers(config)}"
        )


if __name__ == "__main__":
    main()
