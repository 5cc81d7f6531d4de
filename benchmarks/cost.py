"""Expected and measured time of the cells in the store, by their provenance.

    python benchmarks/cost.py [--scale quick] [--from 10]

Prints a line for every cell that took at least `--from` seconds, then how many estimates are within a factor of two.
"""

import argparse
import json

from deepcredit.pipeline import machine, store
from deepcredit.pipeline.address import provenance_path
from deepcredit.pipeline.cells import cells_of
from deepcredit.pipeline.compose import experiment_names
from deepcredit.pipeline.cost import cost, cpu_seconds

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="quick")
    parser.add_argument("--from", dest="least", type=float, default=10.0, help="seconds")
    options = parser.parse_args()
    speed = machine.speed()
    print(f"a core here is {speed:.2f} nominal ones\n{'measured':>10s} {'expected':>10s} {'ratio':>6s}")
    ratios = []
    for cell in (cell for name in experiment_names() for cell in cells_of(name, options.scale)):
        record = provenance_path(store.path_of(cell))
        if not record.is_file():
            continue
        measured = json.loads(record.read_text(encoding="utf-8"))["seconds"]
        expected = cpu_seconds(cost(cell.config()), speed)
        if measured >= options.least:
            ratios.append(expected / measured)
            print(f"{measured:10.1f} {expected:10.1f} {ratios[-1]:6.2f}  {cell.experiment} {cell.name}")
    within = sum(0.5 <= ratio <= 2 for ratio in ratios)
    print(f"{within} of {len(ratios)} within a factor of two")
