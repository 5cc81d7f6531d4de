"""What `step_time.py` times beside this engine: the shapes, and the same training step in other hands.

Import this after the cores have been set: JAX counts them once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from deepcredit.nets.activations import activate
from deepcredit.nets.mlp import MLP
from deepcredit.schema.common import ActFn
from deepcredit.schema.networks import Parameterisation

Step = Callable[[], object]
SEED = 0
INPUT, OUTPUT, BATCH = 784, 10, 64
WEIGHT_LR = 0.001


@dataclass(frozen=True)
class Shape:
    """One benchmark: a network and T."""

    parameterisation: str
    skips: bool
    n_hidden: int
    width: int
    steps: int
    activity_lr: float


SHAPES = {
    "a": Shape("sp", False, 8, 128, 100, 0.1),
    "b": Shape("mupc", True, 8, 512, 8, 0.5),
    "c": Shape("mupc", True, 32, 512, 32, 0.5),
    "d": Shape("mupc", True, 128, 512, 128, 0.5),
}


def network(shape: Shape) -> MLP:
    """The network that all implementations train."""
    parameterisation = Parameterisation(shape.parameterisation)
    return MLP(INPUT, shape.width, shape.n_hidden, OUTPUT, ActFn.relu, parameterisation, shape.skips)


def batch() -> tuple[Tensor, Tensor]:
    """Random images and one-hot targets."""
    rng = torch.Generator().manual_seed(SEED)
    labels = torch.randint(OUTPUT, (BATCH,), generator=rng)
    return torch.randn(BATCH, INPUT, generator=rng), torch.nn.functional.one_hot(labels, OUTPUT).float()


def plain_autograd(shape: Shape, device: str) -> Step:
    """The same step as one would first write it: a list of layers, the energy, torch's automatic differentiation."""
    net = network(shape)
    rng = torch.Generator().manual_seed(SEED)
    weights = [torch.randn(s, generator=rng).to(device).requires_grad_() for s in net.layer_shapes]
    optimiser = torch.optim.Adam(weights, lr=WEIGHT_LR)
    x, y = (t.to(device) for t in batch())

    def layer(index: int, z: Tensor) -> Tensor:
        out = net.scalings[index] * torch.nn.functional.linear(activate(net.act_fn, z) if index else z, weights[index])
        return out + z if net.skips and 0 < index < net.n_hidden else out

    def energy(z: list[Tensor]) -> Tensor:
        targets = [*z, y]
        total = sum((targets[i] - layer(i, z[i - 1] if i else x)).square().sum() for i in range(net.n_layers))
        return total / (2 * BATCH)

    def step() -> None:
        z = [x]
        with torch.no_grad():
            for index in range(net.n_hidden):
                z.append(layer(index, z[-1]))
        z = [state.requires_grad_() for state in z[1:]]
        for _ in range(shape.steps):
            for state, gradient in zip(z, torch.autograd.grad(energy(z), z), strict=True):
                state.data.sub_(gradient, alpha=shape.activity_lr)
        optimiser.zero_grad()
        energy([state.detach() for state in z]).backward()
        optimiser.step()

    return step


def jpc(shape: Shape) -> Step:
    """The source's library, as its examples use it: one jitted call for a step of inference."""
    import equinox
    import jax
    import jpc
    import optax

    n_layers = shape.n_hidden + 1
    sizes = (INPUT, shape.width, n_layers, OUTPUT)
    model = jpc.make_mlp(jax.random.PRNGKey(SEED), *sizes, "relu", False, shape.parameterisation)
    params = (model, jpc.make_skip_model(n_layers) if shape.skips else None)
    infer, learn = optax.sgd(shape.activity_lr), optax.adam(WEIGHT_LR)
    state = learn.init((equinox.filter(params[0], equinox.is_array), params[1]))
    x, y = (jax.numpy.asarray(t.numpy()) for t in batch())
    kind = {"param_type": shape.parameterisation}

    def step() -> None:
        nonlocal params, state
        z = jpc.init_activities_with_ffwd(params[0], x, skip_model=params[1], **kind)
        z_state = infer.init(z)
        for _ in range(shape.steps):
            moved = jpc.update_pc_activities(params, z, infer, z_state, y, input=x, **kind)
            z, z_state = moved["activities"], moved["opt_state"]
        learned = jpc.update_pc_params(params, z, learn, state, y, input=x, **kind)
        params, state = (learned["model"], learned["skip_model"]), learned["opt_state"]
        jax.block_until_ready(equinox.filter(params[0], equinox.is_array))

    return step


def pcx(shape: Shape) -> Step:
    """PCX, with the whole step in one jitted function and its inference loop in one scan."""
    import jax
    import optax
    import pcx.functional as pxf
    import pcx.nn as pxnn
    import pcx.predictive_coding as pxc
    import pcx.utils as pxu

    net = network(shape)
    per_sample = pxu.M(pxc.VodeParam | pxc.VodeParam.Cache).to((None, 0))

    def states():
        return pxu.M_hasnot(pxc.VodeParam, frozen=True)

    class Model(pxc.EnergyModule):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [pxnn.Linear(n_in, n_out, bias=False) for n_out, n_in in net.layer_shapes]
            self.vodes = [pxc.Vode() for _ in net.layer_shapes]
            self.vodes[-1].h.frozen = True

        def __call__(self, x, y=None):
            for index, (layer, vode) in enumerate(zip(self.layers, self.vodes, strict=True)):
                u = net.scalings[index] * layer(jax.nn.relu(x) if index else x)
                x = vode(u + x if net.skips and 0 < index < net.n_hidden else u)
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
        pxf.scan(infer, length=shape.steps)(x, model=model, optim_h=optim_h)
        optim_h.clear()
        with pxu.step(model, clear_params=pxc.VodeParam.Cache):
            weights = pxu.M(pxnn.LayerParam).to([False, True])
            _, gradient = pxf.value_and_grad(weights, has_aux=True)(energy)(x, model=model)
        optim_w.step(model, gradient["model"])

    x, y = (jax.numpy.asarray(t.numpy()) for t in batch())
    model = Model()
    optim_h = pxu.Optim(lambda: optax.sgd(shape.activity_lr))
    optim_w = pxu.Optim(lambda: optax.adam(WEIGHT_LR), pxu.M(pxnn.LayerParam)(model))

    def step() -> None:
        train(x, y, model=model, optim_w=optim_w, optim_h=optim_h)
        jax.block_until_ready([layer.nn.weight.get() for layer in model.layers])

    return step
