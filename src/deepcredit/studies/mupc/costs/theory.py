"""What the kinds of experiment of the theory of μPC cost."""

from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.plan.cost import Cost
from deepcredit.studies.mupc.schemas.activity_hessian import MATRICES, ActivityHessian
from deepcredit.studies.mupc.schemas.equilibrium_training import EquilibriumTraining
from deepcredit.studies.mupc.schemas.forward_pass import ForwardPass

#: float64 arrays of the size of a dense Hessian that its eigenvalues take: matrix, copy, workspace; and of its blocks
DENSE_COPIES, BLOCK_COPIES = 3, 12

#: float64 arrays as large as the weights: weights, gradient, two moments of Adam, Jacobians, one in passing
EQUILIBRIUM_COPIES = 6

#: float32 arrays as large as the weights: weights, gradients as layers and as a stack, two moments of Adam
FORWARD_COPIES = 5


def activity_hessian(config: ActivityHessian) -> Cost:
    """Extreme eigenvalues of every matrix, then the dense spectra of the slices."""
    width, n_hidden, longest = max(config.model.width), max(config.model.n_hidden), config.longest_spectrum
    return Cost(
        _hessian_seconds(config),
        8.0 * (DENSE_COPIES * longest**2 + BLOCK_COPIES * n_hidden * width**2),
        holds=f"the activity Hessian of networks up to width {width} and depth {n_hidden}, "
        f"with whole spectra of {longest} activities,",
        remedy="reduce model.width and model.n_hidden, or data.slice_width and data.slice_n_hidden",
    )


def equilibrium_training(config: EquilibriumTraining) -> Cost:
    """One network after the other, the widest deciding what is held."""
    width, n_hidden, sizes = max(config.model.width), config.model.n_hidden, config.data.sizes
    weights = width * (sizes.n_inputs + (n_hidden - 1) * width + sizes.n_classes)
    return Cost(
        _equilibrium_seconds(config),
        8.0 * (EQUILIBRIUM_COPIES * weights + 20 * n_hidden * width * config.data.batch_size),
        holds=f"training a network of width {width} with {n_hidden} hidden layers",
        remedy="reduce model.width or model.n_hidden",
    )


def forward_pass(config: ForwardPass) -> Cost:
    """One network after the other, the deepest deciding what is held."""
    width, depth = config.model.width, max(config.model.num_layers)
    weights = width * (config.data.sizes.n_inputs + (depth - 2) * width)
    return Cost(
        _forward_seconds(config),
        4.0 * (FORWARD_COPIES * weights + 5 * depth * width * config.data.batch_size),
        holds=f"training {depth} layers of width {width}",
        remedy="reduce model.width or model.num_layers",
    )


def _hessian_seconds(config: ActivityHessian) -> float:
    # extreme eigenvalues of every matrix, then the dense spectra of the slices
    model, data = config.model, config.data
    sizes = [(n, h) for n in model.width for h in model.n_hidden]
    some = sum(h * (3e-4 + 2.4e-9 * n**3) for n, h in sizes)
    whole = sum(1e-10 * (n * h) ** 3 for n, h in sizes if n == data.slice_width or h == data.slice_n_hidden)
    matrices = sum(len(MATRICES) if ACTIVATIONS[act_fn].linear else 1 for act_fn in model.act_fn)
    return len(config.seed) * matrices * (some + whole)


def _equilibrium_seconds(config: EquilibriumTraining) -> float:
    model, rows, n_inputs = config.model, config.data.batch_size, config.data.sizes.n_inputs
    exact = ACTIVATIONS[model.act_fn].linear

    def a_step(width: int) -> float:
        if exact:
            return 5e-4 + model.n_hidden * (1e-5 + 1e-9 * width**2) + 1.3e-8 * width * n_inputs
        # so many products until the gradient is small
        return 100 * model.n_hidden * (1e-4 + 4e-10 * rows * width**2 / 10)

    return len(config.seed) * config.optimizer.n_steps * sum(a_step(width) for width in model.width)


def _forward_seconds(config: ForwardPass) -> float:
    model = config.model
    a_layer = 1e-5 + model.width**2 * (2e-11 * config.data.batch_size + 1.3e-8)
    members = len(config.seed) * len(model.act_fn) * len(config.optimizer.name)
    return members * config.optimizer.n_steps * sum(model.num_layers) * a_layer
