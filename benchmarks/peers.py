"""One training step of predictive coding by another library, in an interpreter of that library's own.

`step_time.py` runs this: JPC and PCX need versions of JAX that exclude each other, and neither needs this project. It
reads what to train from standard input, and prints the seconds of the fastest step.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

Step = Callable[[], object]


@dataclass(frozen=True)
class Task:
    """What to train and how to time it: plain numbers and names, since it crosses processes as JSON."""

    parameterisation: str
    skips: bool
    layer_shapes: list[tuple[int, int]]  #: (out, in) of every weight matrix, the input's first
    scalings: list[float]  #: a_1 … a_L
    batch_size: int
    steps: int  #: T
    activity_lr: float
    weight_lr: float
    seed: int
    cores: list[int]
    clock: str  #: `wall` or `cpu`
    repeats: int

    @property
    def n_hidden(self) -> int:
        """H."""
        return len(self.layer_shapes) - 1


def fastest(step: Step, repeats: int, clock: str) -> float:
    """Shortest time of `step`, after two runs that are not counted: what else a machine does only adds to it."""
    now = time.process_time if clock == "cpu" else time.perf_counter
    times = []
    for _ in range(repeats + 2):
        start = now()
        step()
        times.append(now() - start)
    return min(times[2:])


def batch(task: Task):
    """Random inputs and one-hot targets, as JAX arrays."""
    import jax
    import numpy as np

    rng = np.random.default_rng(task.seed)
    n_in, n_out = task.layer_shapes[0][1], task.layer_shapes[-1][0]
    y = np.eye(n_out, dtype=np.float32)[rng.integers(n_out, size=task.batch_size)]
    return jax.numpy.asarray(rng.standard_normal((task.batch_size, n_in), dtype=np.float32)), jax.numpy.asarray(y)


def jpc(task: Task) -> Step:
    """The library of the μPC paper, as its examples use it: one jitted call for a step of inference."""
    import equinox
    import jax
    import jpc
    import optax

    n_layers = task.n_hidden + 1
    sizes = (task.layer_shapes[0][1], task.layer_shapes[0][0], n_layers, task.layer_shapes[-1][0])
    kind = {"param_type": task.parameterisation}
    model = jpc.make_mlp(jax.random.PRNGKey(task.seed), *sizes, "relu", False, task.parameterisation)
    params = (model, jpc.make_skip_model(n_layers) if task.skips else None)
    infer, learn = optax.sgd(task.activity_lr), optax.adam(task.weight_lr)
    state = learn.init((equinox.filter(params[0], equinox.is_array), params[1]))
    x, y = batch(task)

    def step() -> None:
        nonlocal params, state
        z = jpc.init_activities_with_ffwd(params[0], x, skip_model=params[1], **kind)
        z_state = infer.init(z)
        for _ in range(task.steps):
            moved = jpc.update_pc_activities(params, z, infer, z_state, y, input=x, **kind)
            z, z_state = moved["activities"], moved["opt_state"]
        learned = jpc.update_pc_params(params, z, learn, state, y, input=x, **kind)
        params, state = (learned["model"], learned["skip_model"]), learned["opt_state"]
        jax.block_until_ready(equinox.filter(params[0], equinox.is_array))

    return step


def pcx(task: Task) -> Step:
    """PCX, with the whole step in one jitted function and its inference loop in one scan."""
    import jax
    import optax
    import pcx.functional as pxf
    import pcx.nn as pxnn
    import pcx.predictive_coding as pxc
    import pcx.utils as pxu

    per_sample = pxu.M(pxc.VodeParam | pxc.VodeParam.Cache).to((None, 0))

    def states():
        return pxu.M_hasnot(pxc.VodeParam, frozen=True)

    class Model(pxc.EnergyModule):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [pxnn.Linear(n_in, n_out, bias=False) for n_out, n_in in task.layer_shapes]
            self.vodes = [pxc.Vode() for _ in task.layer_shapes]
            self.vodes[-1].h.frozen = True

        def __call__(self, x, y=None):
            for index, (layer, vode) in enumerate(zip(self.layers, self.vodes, strict=True)):
                u = task.scalings[index] * layer(jax.nn.relu(x) if index else x)
                x = vode(u + x if task.skips and 0 < index < task.n_hidden else u)
            if y is not None:
                self.vodes[-1].set("h", y)
            return self.vodes[-1].get("u")

    @pxf.vmap(per_sample, in_axes=(0, 0), out_axes=0)
    def forward(x, y, *, model):
        return model(x, y)

    @pxf.vmap(per_sample, in_axes=(0,), out_axes=(None, 0), axis_name="batch")
    def energy(x, *, model):
        prediction = model(x)
        return jax.lax.pmean(model.energy().sum(), "batch"), prediction

    def infer(_, x, *, model, optim_h):
        with pxu.step(model, clear_params=pxc.VodeParam.Cache):
            _, gradient = pxf.value_and_grad(states().to([False, True]), has_aux=True)(energy)(x, model=model)
        optim_h.step(model, gradient["model"])
        return x, None

    @pxf.jit()
    def train(x, y, *, model, optim_w, optim_h):
        with pxu.step(model, (pxc.STATUS.INIT, None), clear_params=pxc.VodeParam.Cache):
            forward(x, y, model=model)
        optim_h.init(states()(model))
        pxf.scan(infer, length=task.steps)(x, model=model, optim_h=optim_h)
        optim_h.clear()
        with pxu.step(model, clear_params=pxc.VodeParam.Cache):
            weights = pxu.M(pxnn.LayerParam).to([False, True])
            _, gradient = pxf.value_and_grad(weights, has_aux=True)(energy)(x, model=model)
        optim_w.step(model, gradient["model"])

    x, y = batch(task)
    model = Model()
    optim_h = pxu.Optim(lambda: optax.sgd(task.activity_lr))
    optim_w = pxu.Optim(lambda: optax.adam(task.weight_lr), pxu.M(pxnn.LayerParam)(model))

    def step() -> None:
        train(x, y, model=model, optim_w=optim_w, optim_h=optim_h)
        jax.block_until_ready([layer.nn.weight.get() for layer in model.layers])

    return step


LIBRARIES = {"jpc": jpc, "pcx": pcx}

if __name__ == "__main__":
    asked = Task(**json.load(sys.stdin))
    # before JAX starts threads: it counts the cores once
    os.sched_setaffinity(0, asked.cores)
    print(fastest(LIBRARIES[sys.argv[1]](asked), asked.repeats, asked.clock))
