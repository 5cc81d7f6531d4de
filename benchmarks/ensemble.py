"""Training an ensemble beside training its members one by one, through Lightning, in one run.

    python benchmarks/ensemble.py [--members 9] [--steps 40] [--shape a]

Prints seconds of one core a step of all members, and the ratio. Starting Lightning is left out: the time of a short
training is taken away from that of one which is longer by `--steps`. Members see random images.
"""

import argparse
import time
from collections.abc import Sequence

import torch
from step_time import BATCH, SEED, SHAPES, SIZES, WEIGHT_LR, Shape, initial

from deepcredit.rules.options import SteppedInference
from deepcredit.training.fit import Options, train
from deepcredit.training.images import ImageData
from deepcredit.training.members import Member, Recipe
from deepcredit.training.recorders import Schedule

SHORT = 5


def random_images(n: int = 20 * BATCH) -> ImageData:
    """Images of noise with random labels."""
    rng = torch.Generator().manual_seed(SEED)
    x, labels = torch.randn(n, SIZES.n_inputs, generator=rng), torch.randint(SIZES.n_classes, (n,), generator=rng)
    return ImageData(x, torch.nn.functional.one_hot(labels, SIZES.n_classes).float(), x[:BATCH], labels[:BATCH])


def seconds(shape: Shape, members: Sequence[Member], data: ImageData, n_steps: int) -> float:
    """Processor time of training these members together."""
    recipe = Recipe(shape.net, initial(shape), 1.0, "pc", BATCH)
    start = time.process_time()
    train(recipe, members, data, Schedule(n_steps, n_steps, BATCH), OPTIONS, condition=False)
    return time.process_time() - start


def a_step(shape: Shape, members: Sequence[Member], data: ImageData, n_steps: int) -> float:
    """Processor time of one more step."""
    longer = seconds(shape, members, data, SHORT + n_steps)
    return (longer - seconds(shape, members, data, SHORT)) / n_steps


OPTIONS = Options(torch.device("cpu"), memory=8 * 2**30, checkpoints=None)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=9)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--shape", choices=list(SHAPES), action="append")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = random_images()
    for name in options.shape or ["a", "b"]:
        shape = SHAPES[name]
        own = SteppedInference(shape.activity_lr, max_t=shape.steps)
        members = [Member(seed, WEIGHT_LR, own) for seed in range(options.members)]
        seconds(shape, members[:1], images, SHORT)
        together = a_step(shape, members, images, options.steps)
        alone = sum(a_step(shape, [member], images, options.steps) for member in members)
        print(f"({name}) {shape}\n    {len(members)} members together {together * 1e3:9.2f} ms a step", flush=True)
        print(
            f"    {len(members)} times one      {alone * 1e3:9.2f} ms a step   ratio {alone / together:.2f}", flush=True
        )
