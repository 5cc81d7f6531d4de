"""Expected and measured time of the cells in the store, by their provenance.

    python benchmarks/cost.py [--scale quick] [--from 10]

Prints a line for every cell that took at least `--from` seconds, then how many estimates are within a factor of two.
"""

import argparse

from deepcredit.core import paths
from deepcredit.plan import machine
from deepcredit.plan.plan import plan
from deepcredit.store.provenance import array_record

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="quick")
    parser.add_argument("--from", dest="least", type=float, default=10.0, help="seconds")
    options = parser.parse_args()
    print(f"a core here is {machine.speed():.2f} nominal ones\n{'measured':>10s} {'expected':>10s} {'ratio':>6s}")
    ratios = []
    for cell in (cell for cells in plan(options.scale).cells.values() for cell in cells):
        record = array_record(paths.root() / cell.path)
        if record is not None and record["seconds"] >= options.least:
            ratios.append(cell.seconds / record["seconds"])
            print(f"{record['seconds']:10.1f} {cell.seconds:10.1f} {ratios[-1]:6.2f}  {cell.path}")
    within = sum(0.5 <= ratio <= 2 for ratio in ratios)
    print(f"{within} of {len(ratios)} within a factor of two")
