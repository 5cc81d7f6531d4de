"""Target alignment against the published per-seed values, the recipe of the draws, and exact cases."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from deepcredit.core.errors import UserError
from deepcredit.nets.mlp import MLP, Weights
from deepcredit.nets.names import Init
from deepcredit.rules.options import HalvingInference
from deepcredit.rules.rule import RULES
from deepcredit.studies.prospective.experiments.target_alignment import draw, run
from deepcredit.studies.prospective.schemas.target_alignment import (
    AlignmentData,
    AlignmentModel,
    AlignmentOptimizer,
    TargetAlignment,
)
from deepcredit.theory.alignment import target_alignment

BASE_SEEDS = [1482555873, 698841058, 2283198659]
ORACLE = json.loads((Path(__file__).parents[1] / "oracles/given/target_alignment_depth.json").read_text())["values"]
CASES = sorted({(value["rule"], value["num_layers"]) for value in ORACLE})


def config(**sections: Any) -> TargetAlignment:
    return TargetAlignment(experiment="test", scale="paper", **{"seed": BASE_SEEDS, **sections})


class TestPublished:
    @pytest.mark.parametrize(("rule", "num_layers"), CASES)
    def test_every_seed_has_the_published_alignment(self, rule: str, num_layers: int) -> None:
        measured = run(config(model=AlignmentModel(num_layers), rule=[rule.lower()]))
        published = {
            v["seed"]: v["target_alignment"] for v in ORACLE if (v["rule"], v["num_layers"]) == (rule, num_layers)
        }
        assert sorted(published) == sorted(BASE_SEEDS)
        for seed, value in published.items():
            assert measured.target_alignment.sel(seed=seed).item() == pytest.approx(value, abs=0.002)


class TestDraws:
    @pytest.mark.parametrize("init", [Init.xavier_uniform, Init.orthogonal], ids=lambda i: i.name)
    def test_stream_is_that_of_building_linear_layers_after_a_global_seed(self, init: Init) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(5)
            x = torch.normal(mean=torch.zeros(2, 64), std=1.0)
            y = torch.normal(mean=torch.zeros(2, 64), std=1.0)
            layers = [nn.Linear(64, 64, bias=False) for _ in range(3)]
            for layer in layers:
                getattr(nn.init, f"{init.name}_")(layer.weight, gain=nn.init.calculate_gain("tanh"))
        drawn = draw(5, AlignmentModel(3, init=init), "tanh", 2)
        expected = [x, y, *(layer.weight.detach() for layer in layers)]
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(drawn, expected, strict=True))

    def test_draws_leave_the_global_generator_alone(self) -> None:
        before = torch.get_rng_state()
        draw(3, AlignmentModel(2), "linear", 1)
        assert torch.equal(torch.get_rng_state(), before)


class TestMembers:
    def test_a_member_is_the_same_alone_and_in_company(self) -> None:
        sections = {
            "model": AlignmentModel(5, act_fn=["tanh", "sigmoid"]),
            "optimizer": AlignmentOptimizer([0.1, 0.001]),
        }
        together = run(config(**sections)).target_alignment
        alone = config(
            seed=BASE_SEEDS[1:2],
            model=AlignmentModel(5, act_fn=["sigmoid"]),
            optimizer=AlignmentOptimizer([0.001]),
            rule=["bp", "pc"],
        )
        alone = run(alone).target_alignment
        same = together.sel(rule=alone.rule, act_fn=alone.act_fn, weight_lr=alone.weight_lr, seed=alone.seed)
        assert same.values.tobytes() == alone.values.tobytes()

    @pytest.mark.parametrize("rule", ["pc", "bp", "tp"])
    def test_a_stack_of_one_has_the_bytes_of_a_stack_of_many(self, rule: str) -> None:
        section = {"model": AlignmentModel(3), "rule": [rule]}
        many = run(config(**section))
        one = run(config(seed=BASE_SEEDS[2:], **section))
        for name in many.data_vars:
            assert many[name].isel(seed=slice(2, None)).values.tobytes() == one[name].values.tobytes()


class TestExactCases:
    @pytest.mark.parametrize("num_layers", [2, 7])
    def test_orthogonal_weights_align_both_rules_exactly_at_any_rate(self, num_layers: int) -> None:
        """Every layer's contribution to the output's move is then a multiple of the output's own error."""
        ds = run(
            config(model=AlignmentModel(num_layers, init=Init.orthogonal), optimizer=AlignmentOptimizer([0.01, 0.001]))
        )
        assert ds.target_alignment.values == pytest.approx(1, abs=1e-6)

    def test_one_inference_step_teaches_the_last_layer_only_which_aligns_exactly(self) -> None:
        ds = run(config(model=AlignmentModel(6), inference=HalvingInference(0.1, 1), rule=["pc"]))
        assert ds.target_alignment.values == pytest.approx(1, abs=1e-6)

    def test_overshoot_grows_with_the_rate_and_flags_the_seed_that_is_thrown_back(self) -> None:
        ds = run(config(model=AlignmentModel(4), rule=["tp"], optimizer=AlignmentOptimizer([1e-3, 1e-5])))
        assert (ds.overshoot.sel(weight_lr=1e-3) / ds.overshoot.sel(weight_lr=1e-5)).values == pytest.approx(100)
        assert ds.overshoot.sel(weight_lr=1e-3, seed=698841058).item() > 1
        gentle = ds.sel(rule="tp", weight_lr=1e-5)
        assert (gentle.overshoot < 1).all()
        assert gentle.target_alignment.values == pytest.approx(1, abs=1e-5)

    def test_batch_gradient_is_the_sum_over_samples(self) -> None:
        """A batch that repeats one sample steps as that sample does with a rate larger by the batch size."""
        x, y, *layers = (t.double()[None] for t in draw(1, AlignmentModel(3, width=8), "tanh", 1))
        net, weights = MLP(8, 8, 2, 8, "tanh"), Weights.from_layers(layers)
        for rule, options in (("bp", None), ("pc", HalvingInference(0.1, 20))):
            learner = RULES[rule].learner("direction")
            one = learner(net, weights, 1, options).learn(x, y)
            five = learner(net, weights, 5, options).learn(x.expand(1, 5, 8), y.expand(1, 5, 8))
            for mine, theirs in zip(five, one, strict=True):
                torch.testing.assert_close(mine, 5 * theirs)


class TestMeasure:
    def test_known_angles(self) -> None:
        before = torch.zeros(5, 1, 2)
        target = torch.tensor([2.0, 0.0]).expand(5, 1, 2)
        moves = torch.tensor([[1.0, 0], [-3, 0], [0, 1], [1, 3**0.5], [0, 0]])[:, None]
        assert target_alignment(before, before + moves, target).tolist() == pytest.approx([1, -1, 0, 0.5, 0], abs=1e-7)

    def test_mean_over_the_batch_and_only_directions_count(self) -> None:
        before = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
        target = torch.tensor([[[3.0, 1.0], [0.0, 5.0]]])
        after = torch.tensor([[[1.5, 1.0], [7.0, 0.0]]])
        assert target_alignment(before, after, target).tolist() == pytest.approx([0.5])


class TestConfig:
    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda: AlignmentModel(0), "model.num_layers=0 is not valid"),
            (lambda: AlignmentModel(init=Init.standard), "model.init='standard'.*xavier_uniform, orthogonal"),
            (lambda: AlignmentModel(act_fn=[]), r"model.act_fn=\[\]"),
            (lambda: config(rule=["pc", "pc"]), "rule='pc'.*without repetitions"),
            (lambda: config(rule=[]), r"rule=\[\].*at least one"),
            (lambda: config(rule=["PC"]), "rule: unknown rule 'PC'; allowed: bp, pc, tp"),
            (lambda: config(rule_options={"gain": 1.0}), "rule_options.gain=1.0 is no option of pc, bp; allowed: none"),
            (lambda: HalvingInference(lr=0), "inference.lr=0"),
            (lambda: HalvingInference(n_steps=0), "inference.n_steps=0"),
            (lambda: AlignmentOptimizer([0.1, -1]), r"optimizer.lr=\[0.1, -1\]"),
            (lambda: AlignmentData(0), "data.batch_size=0"),
            (
                lambda: config(model=AlignmentModel(act_fn=["tanh"]), rule=["tp"]),
                r"model.act_fn=\['tanh'\].*rule holds tp",
            ),
            (
                lambda: config(data=AlignmentData(2), rule=["tp"]),
                "data.batch_size=2.*at most 1 while rule holds tp",
            ),
        ],
    )
    def test_what_cannot_be_run_names_the_setting_and_what_is_allowed(self, build: Any, message: str) -> None:
        with pytest.raises(UserError, match=message):
            build()
