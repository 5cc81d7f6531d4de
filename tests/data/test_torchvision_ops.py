"""torchvision and Lightning import beside any torch build, because the operators they ask for are declared first."""

import subprocess
import sys

import pytest


def python(program: str) -> str:
    """Output of a program in a fresh interpreter, in which warnings are errors."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_torchvision_and_lightning_import_after_it() -> None:
    python("import deepcredit.data.torchvision_ops, torchvision, pytorch_lightning")


def test_datasets_and_transforms_work_after_it() -> None:
    program = """
import deepcredit.data.torchvision_ops
import torch
from torchvision import datasets, transforms
half = transforms.Normalize((0.5,), (0.25,))(torch.full((1, 2, 2), 0.75))
print(half.unique().tolist(), issubclass(datasets.FashionMNIST, datasets.MNIST))
"""
    assert python(program).split("\n")[0] == "[1.0] True"


@pytest.mark.parametrize("present", [["nms"], ["nms", "qnms"]])
def test_operators_that_exist_are_left_alone(present: list[str]) -> None:
    """A second definition of an operator is an error in torch, so only the others may be declared."""
    program = f"""
import torch
own = torch.library.Library("torchvision", "DEF")
for name in {present!r}:
    own.define(name + "(Tensor a, Tensor b, float c) -> Tensor")
from deepcredit.data import torchvision_ops
print(len(torch.ops.torchvision.nms.default._schema.arguments), torchvision_ops.declare_missing())
print([str(argument.name) for argument in torch.ops.torchvision.nms.default._schema.arguments])
import torchvision
"""
    lines = python(program).splitlines()
    assert lines[0] == "3 None"
    assert lines[1] == "['a', 'b', 'c']"
