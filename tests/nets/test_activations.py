"""Activation functions: derivatives by automatic differentiation, gains, what a record may be, one from outside.

Expectations: torch's own functions, automatic differentiation in float64, quadrature.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from deepcredit.core.errors import UserError
from deepcredit.nets.activations import ACTIVATIONS, Activation
from deepcredit.nets.activations import tanh as functions
from tests.outside import environment, install

#: on both sides of the kink, far out, and enough of them for a vector register and a rest
Z = torch.cat(
    [torch.linspace(-4, 4, 81, dtype=torch.float64)[torch.arange(81) != 40], torch.tensor([-9.0, 9.0]).double()]
)


@pytest.fixture(params=ACTIVATIONS.names)
def act_fn(request: pytest.FixtureRequest) -> Activation:
    return ACTIVATIONS[request.param]


def differentiated(function, z: Tensor) -> Tensor:
    z = z.clone().requires_grad_()
    return torch.autograd.grad(function(z).sum(), z, allow_unused=True, materialize_grads=True)[0]


def test_the_slope_is_the_derivative_of_the_value(act_fn: Activation) -> None:
    expected = differentiated(act_fn.value, Z)
    torch.testing.assert_close(act_fn.slope(Z, act_fn.value(Z)), expected, rtol=1e-12, atol=1e-15)


def test_the_second_derivative_is_that_of_the_slope(act_fn: Activation) -> None:
    """Automatic differentiation passes through the slope, as the numerical Hessian asks it to."""
    slope = lambda z: act_fn.slope(z, act_fn.value(z)) + 0 * z  # noqa: E731 - a constant slope has a derivative, too
    torch.testing.assert_close(act_fn.bend(Z, act_fn.value(Z)), differentiated(slope, Z), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-12)])
def test_pulling_back_is_multiplying_with_the_slope(act_fn: Activation, dtype: torch.dtype, tolerance: float) -> None:
    z = Z.to(dtype)
    phi, sent = act_fn.value(z), torch.randn(len(z), dtype=dtype, generator=torch.Generator().manual_seed(1))
    expected = sent * act_fn.slope(z, phi)
    torch.testing.assert_close(act_fn.pull_back(z, phi, sent), expected, rtol=0, atol=0)
    own = sent.clone()
    assert act_fn.pull_back_(z, phi, own) is own
    torch.testing.assert_close(own, expected, rtol=tolerance, atol=tolerance)


def test_a_value_can_be_written_where_it_is_wanted(act_fn: Activation) -> None:
    room = torch.full_like(Z, torch.nan)
    assert act_fn.value(Z, out=room) is room
    torch.testing.assert_close(room, act_fn.value(Z))


def test_kinks_have_the_slope_from_the_left() -> None:
    zero = torch.zeros(1)
    assert ACTIVATIONS["relu"].slope(zero, zero).item() == 0


@pytest.mark.parametrize("name", ["linear", "tanh", "relu", "sigmoid"])
def test_gains_are_the_framework_s_where_it_has_them(name: str) -> None:
    assert ACTIVATIONS[name].gain == pytest.approx(torch.nn.init.calculate_gain(name))


@pytest.mark.parametrize("name", ["linear", "relu", "gelu", "silu"])
def test_gains_keep_the_size_of_pre_activations(name: str) -> None:
    """E[φ(z)²] for z ~ N(0, 1), by the trapezoidal rule."""
    z = torch.linspace(-12, 12, 240_001, dtype=torch.float64)
    weighted = ACTIVATIONS[name].value(z).square() * (-z.square() / 2).exp() / (2 * torch.pi) ** 0.5
    assert ACTIVATIONS[name].gain == pytest.approx(torch.trapezoid(weighted, z).item() ** -0.5, rel=1e-9)


def test_what_an_activation_function_has_decides_where_it_may_be_used() -> None:
    bare = Activation(name="bare", value=functions.value, slope=functions.slope)
    assert [bare.allows(need) for need in ("", "second_derivative", "linear")] == [True, False, False]
    assert [a.name for a in ACTIVATIONS if a.allows("linear")] == ["linear"]
    with pytest.raises(UserError, match="'bare' has no second derivative"):
        bare.bend(Z, Z)


def test_functions_whose_edit_would_go_unnoticed_are_refused() -> None:
    for wrong in (lambda z, phi: z, torch.sin, np.sin):
        with pytest.raises(UserError, match=r"'mine': slope=.* is not valid; allowed: .* by `def`"):
            Activation(name="mine", value=functions.value, slope=wrong)


def test_without_a_pull_back_of_its_own_the_slope_does() -> None:
    bare = Activation(name="bare", value=functions.value, slope=functions.slope)
    phi = functions.value(Z)
    assert torch.equal(bare.pull_back_(Z, phi, torch.ones_like(Z)), functions.slope(Z, phi))


# --- from outside -------------------------------------------------------------------------------------------------

SWISH = '''
"""z σ(2z), and nothing but what must be."""

from deepcredit.nets.activations import Activation


def value(z, out=None):
    import torch

    return torch.mul(z, (2 * z).sigmoid(), out=out)


def slope(z, phi):
    sigma = (2 * z).sigmoid()
    return sigma + 2 * z * sigma * (1 - sigma)


RECORD = Activation(name="swish2", value=value, slope=slope)
'''

#: trains by predictive coding, and says what it was trained by, what was learned, and how far φ′ is from the truth
TRAINING = """
import json, sys
from deepcredit.config.compose import experiment_config
from deepcredit.config.cells import single_cell
words = ["experiment=mupc_depth", "scale=ci", "seed=[0]", "inference.lr=0.5", "model.n_hidden=2", "model.act_fn=swish2"]
config = single_cell(experiment_config(words)).config
assert "torch" not in sys.modules

import torch
from deepcredit.nets.activations import ACTIVATIONS
from deepcredit.nets.mlp import feedforward
from deepcredit.rules.predictive_coding.energy import energy
from deepcredit.rules.predictive_coding.learner import Learner
from deepcredit.studies.mupc.experiments.pc_training import recipe
from deepcredit.training.members import Member
from deepcredit.training.stack import stacks

swish = ACTIVATIONS["swish2"]
z = torch.linspace(-5, 5, 101, dtype=torch.float64, requires_grad=True)
(slope,) = torch.autograd.grad(swish.value(z).sum(), z)

(stack,) = stacks(recipe(config), [Member(0, 0.01, config.member_options[0])], torch.device("cpu"))
rng = torch.Generator().manual_seed(0)
x = torch.randn(1, config.data.batch_size, 784, generator=rng)
y = torch.eye(10)[torch.randint(10, (1, config.data.batch_size), generator=rng)]
optimizer = torch.optim.Adam([parameter for _, own in stack.parameters_of() for parameter in own], lr=0.01)
losses = []
for _ in range(20):
    losses.append(stack.learn(x, y).item())
    optimizer.step()

weights, x, y = stack.weights.map(lambda w: w.double()), x.double(), y.double()
learner = Learner(stack.recipe.net, weights, len(x[0]), config.member_options)
learned = learner.learn(x, y)
watched = weights.map(lambda w: w.clone().requires_grad_())
expected = torch.autograd.grad(energy(stack.recipe.net, watched, learner.activities, x, y).sum(), watched)
errors = [((g - e).norm() / e.norm()).item() for g, e in zip(learned, expected)]
print(json.dumps({
    "steps": [type(part).__name__ for part in stack.learner._parts], "losses": losses,
    "slope": (swish.slope(z, swish.value(z)) - slope).abs().max().item(), "gradients": errors,
}))
"""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed package that brings `swish2`."""
    points = {"deepcredit.activations": {"swish2": "brings_swish.swish:RECORD"}}
    return install(tmp_path_factory.mktemp("site"), "brings_swish", {"swish": SWISH}, points)


def said(outside: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], env=environment(outside), capture_output=True, text=True)


def test_one_file_of_an_installed_package_trains_by_predictive_coding(outside: Path) -> None:
    done = said(outside, "-c", TRAINING)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["steps"] == ["TensorSteps"]
    assert found["slope"] < 1e-14
    assert found["losses"][-1] < found["losses"][0] / 2
    assert max(found["gradients"]) < 1e-9


def test_what_it_lacks_is_refused_in_one_line_before_anything_is_computed(outside: Path) -> None:
    words = ["-m", "deepcredit", "run", "experiment=mupc_condition", "seed=[0]", "model.act_fn=swish2"]
    done = said(outside, *words)
    assert done.returncode == 2
    assert done.stderr.strip().endswith("false with model.act_fn=swish2, which has no second derivative")
    hessian = said(outside, "-m", "deepcredit", "run", "experiment=activity_hessian", "model.act_fn=[swish2]")
    assert hessian.returncode == 2
    names = "gelu, linear, relu, sigmoid, silu, tanh"
    assert hessian.stderr.strip().endswith(f"model.act_fn='swish2' is not valid; allowed: {names}")
