"""A learning rule that another package brings: trained through Lightning with options of its own, no file edited here.

Expectations: feedback alignment from the first weights takes the first step of backpropagation (Adam undoes factors of
the gradient) and others after it; and what the store promises: an array of a rule is stale after an edit of that
rule's code, and of no other's.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr

from tests.clones import Clone, copy_project

pytestmark = [pytest.mark.xdist_group("outside"), pytest.mark.timeout(600)]

RULE = '''
"""Feedback alignment (Lillicrap et al. 2016): errors are sent down by fixed matrices, the first weights."""

from dataclasses import dataclass

from deepcredit.core.errors import check
from deepcredit.rules.rule import Implementation, Rule


@dataclass
class Options:
    """Factor of the fixed matrices."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        check(self.gain > 0, "rule_options.gain", self.gain, "a positive number")


RECORD = Rule(
    name="fa",
    label="FA",
    color="#CC79A7",
    implements={"mlp": Implementation(code="feedback_alignment.learner:Learner", options=Options)},
)
'''

LEARNER = """
import torch

from deepcredit.nets.mlp import feedforward
from deepcredit.rules.backprop import gradient_at


class Learner:
    def __init__(self, net, weights, batch_size, options):
        self.net, self.weights, self.gradient = net, weights, weights.map(torch.zeros_like)
        gains = [own.gain for own in options]
        self.feedback = weights.map(lambda w: torch.stack([gain * one for gain, one in zip(gains, w)]))

    def learn(self, x, y):
        self.activities, self.prediction = feedforward(self.net, self.weights, x)
        found = gradient_at(self.net, self.feedback, self.activities, self.prediction, x, y)
        for buffer, gradient in zip(self.gradient, found):
            buffer.copy_(gradient)
        return self.gradient
"""


SMALL = (
    "experiment=bp_deep", "model.n_hidden=3", "model.width=16", "seed=[0]",
    "optimizer.lr=[0.01]", "data.max_steps=20", "data.test_every=20",
)  # fmt: skip
ALIGNMENT = ("experiment=target_alignment_depth", "model.num_layers=2")

#: prints for each line of overrides where the array would be, or the message of the error
ADDRESSES = """
import sys
from deepcredit.config.cells import single_cell
from deepcredit.config.compose import experiment_config
from deepcredit.core.errors import UserError
from deepcredit.store.address import path_of

for overrides in sys.argv[1:]:
    try:
        print(path_of(single_cell(experiment_config(overrides.split()))).name)
    except UserError as error:
        print(error)
"""


@dataclass(frozen=True)
class Project:
    """A clone, and a folder of installed packages beside it."""

    clone: Clone
    site: Path

    @property
    def package(self) -> Path:
        return self.site / "feedback_alignment"

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Python in an environment that has the package."""
        path = os.pathsep.join([self.clone.environment["PYTHONPATH"], str(self.site)])
        environment = {**self.clone.environment, "PYTHONPATH": path}
        return subprocess.run(
            self.clone.command(*words), cwd=self.clone.root, env=environment, capture_output=True, text=True
        )

    def addresses(self, *settings: tuple[str, ...]) -> list[str]:
        """For each of these settings the name of its array, or what is wrong with them."""
        done = self.python("-c", ADDRESSES, *(" ".join(["scale=ci", *own]) for own in settings))
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone beside a package that brings feedback alignment, installed as far as Python can tell."""
    folder = tmp_path_factory.mktemp("outside")
    found = Project(copy_project(folder / "clone"), folder / "site")
    found.package.mkdir(parents=True)
    for name, text in (("__init__", ""), ("rule", RULE), ("learner", LEARNER)):
        (found.package / f"{name}.py").write_text(text, encoding="utf-8")
    facts = found.site / "feedback_alignment-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: feedback-alignment\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[deepcredit.rules]\nfa = feedback_alignment.rule:RECORD\n")
    return found


def trained(project: Project, *settings: str) -> xr.Dataset:
    """The arrays of a run, which lie where they are planned to be."""
    (name,) = project.addresses((*SMALL, *settings))
    done = project.python("-m", "deepcredit", "run", "scale=ci", *SMALL, *settings)
    assert done.returncode == 0, done.stderr[-3000:]
    return xr.load_dataset(project.clone.root / "results" / "store" / "bp_deep" / name, engine="h5netcdf")


def test_it_trains_through_lightning_with_its_own_options(project: Project) -> None:
    found = trained(project, "rule=fa", "rule_options.gain=0.5")
    losses, others = (ds.train_loss.squeeze().values for ds in (found, trained(project, "rule=bp")))
    assert losses.shape == (20,)
    assert losses[0] == others[0]
    assert losses[1] == pytest.approx(others[1], rel=5e-3)
    assert losses[-1] != pytest.approx(others[-1], rel=2e-3)
    assert losses[-5:].mean() < losses[:5].mean()
    settings = json.loads(found.attrs["settings"])
    assert (settings["rule"], settings["rule_options"]) == ("fa", {"gain": 0.5})


FA = (*SMALL, "rule=fa")
BP = (*SMALL, "rule=bp")


def test_its_options_are_settings_whether_written_or_not(project: Project) -> None:
    as_default, written, other = project.addresses(FA, (*FA, "rule_options.gain=1"), (*FA, "rule_options={gain:2.0}"))
    assert as_default == written != other


MISTAKES: dict[tuple[str, ...], list[str]] = {
    (*SMALL, "rule=fs"): ["rule: unknown rule 'fs'", "'fa'", "allowed: bp, fa, pc"],
    (*FA, "rule_options.gian=1"): ["rule_options.gian=1 is no option of fa", "'gain'"],
    (*FA, "rule_options.gain=-1"): ["rule_options.gain=-1.0", "a positive number"],
    (*FA, "rule_options.gain=much"): ["rule_options.gain", "'much'"],
    (*BP, "rule_options.gain=1"): ["rule_options.gain=1 is no option of bp", "allowed: none"],
    (*FA, "inference.lr=[0.1,0.2]"): ["inference.lr=[0.1, 0.2]", "rule=fa infers nothing"],
    (*FA, "record.condition_number=true"): ["record.condition_number=True", "false with rule=fa"],
    (*ALIGNMENT, "rule=[fa]"): ["rule='fa' is not valid", "allowed: bp, pc, tp"],
}


def test_a_mistake_is_one_line_with_what_is_allowed(project: Project) -> None:
    for line, said in zip(project.addresses(*MISTAKES), MISTAKES.values(), strict=True):
        assert all(part in line for part in said), line


def test_a_mistake_on_the_command_line_exits_with_2_and_computes_nothing(project: Project) -> None:
    done = project.python("-m", "deepcredit", "run", "scale=ci", *SMALL, "rule=fs")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "unknown rule 'fs'" in done.stderr


def test_its_label_and_colour_are_in_no_array_and_its_code_in_its_own_alone(project: Project) -> None:
    before = project.addresses(FA, BP)
    project.clone.edit(project.package / "rule.py", "#CC79A7", "#000000")
    project.clone.edit(project.package / "rule.py", 'label="FA"', 'label="Feedback alignment"')
    assert project.addresses(FA, BP) == before
    project.clone.edit(project.package / "learner.py", "buffer.copy_(gradient)", "buffer.copy_(2 * gradient)")
    own, other = project.addresses(FA, BP)
    assert own != before[0]
    assert other == before[1]
