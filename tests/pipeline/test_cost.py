"""What cells cost: how it grows, what jobs ask of a cluster for it, and how cells share jobs.

Expectations: operation counts worked out by hand, and the bounds that the job limits promise.
"""

import pytest

from deepcredit.config.cells import cells_of, single_cell
from deepcredit.config.compose import experiment_config, experiment_names
from deepcredit.config.schema import Experiment
from deepcredit.plan import batches, cost, machine
from deepcredit.plan.cost import Cost, CudaWork, Device
from deepcredit.plan.plan import Plan, PlannedCell
from deepcredit.rules.costs import moved_layers
from deepcredit.rules.options import SteppedInference
from deepcredit.studies.mupc.costs import pc_training as training_cost
from deepcredit.studies.mupc.schemas.pc_training import PcTraining


def training(*overrides: str) -> PcTraining:
    base = ("experiment=mupc_depth", "scale=paper", "seed=[0]", "inference.lr=0.5", "model.act_fn=tanh")
    config = single_cell(experiment_config([*base, *overrides])).config
    assert isinstance(config, PcTraining)
    return config


@pytest.mark.parametrize("name", experiment_names())
def test_every_cell_of_the_paper_has_a_cost_of_its_own(name: str) -> None:
    for cell in cells_of(name, "paper"):
        found = cost.cost(cell.config)
        assert found.process_bytes() > cost.PROCESS_BYTES
        assert found.core_seconds > 0 or cell.kind in ("interference", "linear_regression", "tp_linear")


@pytest.mark.parametrize(
    ("steps", "moved"),
    [
        (0, 0),  # no inference
        (3, 1 + 2 + 3),  # the error climbs a layer a step
        (8, 36),  # and is at the bottom after as many steps as layers
        (10, 36 + 2 * 8),  # from then on all layers move
    ],
)
def test_layers_moved_by_inference(steps: int, moved: int) -> None:
    assert moved_layers(8, SteppedInference(max_t=steps)) == moved


def test_with_activity_decay_all_layers_move_in_every_step() -> None:
    assert moved_layers(8, SteppedInference(max_t=3, activity_decay=0.1)) == 24


def test_what_members_share_is_counted_once() -> None:
    one = training_cost.core_seconds(training("model.n_hidden=8"))
    shared = training_cost.BATCH * training().data.n_steps
    six = training_cost.core_seconds(training("model.n_hidden=8", "seed=[0,1,2]", "inference.lr=[0.5,1]"))
    assert six - shared == pytest.approx(6 * (one - shared))


def operations(*overrides: str) -> float:
    return training_cost.cuda(training(*overrides)).operations


def test_operations_are_those_of_the_products() -> None:
    """A hidden layer more: 2 B N² up, for the gradient and, under backpropagation, down; 4 B N² for every move."""
    of_layer = 2 * 64 * 4096**2
    for rule, expected in (("rule=bp", 3 * of_layer), ("inference.max_t=0", 2 * of_layer)):
        shallow, deep = (operations(rule, "data.n_test=64", f"model.n_hidden={h}", "model.width=4096") for h in (8, 9))
        steps, tests = 937, 3 * 2 * 64 * 4096**2
        assert deep - shallow == pytest.approx(steps * expected + tests)
    short, long = (operations("model.n_hidden=8", f"inference.max_t={t}") for t in (10, 11))
    assert long - short == pytest.approx(937 * 8 * 4 * 64 * 512**2)


def test_seconds_follow_the_speed_of_the_machine() -> None:
    work = Cost(20.0, cuda=CudaWork(operations=1e12, kernels=1000.0, bytes=6e9, host_seconds=8.0))
    assert work.cpu_seconds(2.0) - cost.CELL_SECONDS == pytest.approx(10.0)
    on_cuda = work.cuda_seconds(Device(operations=1e12, bytes=3e9), 2.0)
    assert on_cuda == pytest.approx(cost.CELL_SECONDS + 1.0 + 2.0 + 1000 * cost.KERNEL_SECONDS + 4.0)
    assert Cost(1.0, 1.0).cuda_seconds() is None


def test_a_machine_that_was_not_measured_is_taken_for_the_slowest_that_was(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict = {}
    monkeypatch.setattr(machine, "_known", lambda: known)
    for measured, expected in (
        ({}, 1.0),
        ({"a": {"core": 1.5}, "b": {"core": 0.7}}, 0.7),
        ({"a": {"core": 1.5}, machine.socket.gethostname(): {"core": 3.0}}, 3.0),
    ):
        known.clear()
        known.update(measured)
        machine.speed.cache_clear()
        assert machine.speed() == expected
    machine.speed.cache_clear()


# --- jobs ---------------------------------------------------------------------------------------------------------


def cell(number: int, seconds: float, *, memory_bytes: float = 2e9, cuda: bool = False) -> PlannedCell:
    """A cell that a core of this machine is expected to compute in so many seconds, in a process of this memory."""
    core_seconds = (seconds - cost.CELL_SECONDS) * machine.speed()
    return PlannedCell(
        config=Experiment(kind="some", experiment="some"),
        labels={"n": number},
        overrides=(f"n={number}",),
        path=f"results/store/some/absent-{number}.nc",
        cost=Cost(core_seconds, memory_bytes - cost.PROCESS_BYTES, CudaWork(1.0, 1.0) if cuda else None),
        datasets=(),
    )


def jobs(*cells: PlannedCell, cluster: bool = False, gpus: bool = False) -> list[batches.Batch]:
    return batches.batches(Plan("quick", {"some": tuple(cells)}, {}), cluster, gpus)


def test_cheap_cells_share_a_job_and_dear_ones_do_not() -> None:
    cells = [cell(1, 5.0), cell(2, 6.0), cell(3, 100.0), cell(4, 1.0)]
    assert [len(job.outputs) for job in jobs(*cells)] == [2, 1, 1]
    assert [len(job.outputs) for job in jobs(*cells, cluster=True)] == [4]


def test_a_job_has_time_and_memory_to_spare_and_more_of_both_when_it_comes_again() -> None:
    (job,) = jobs(cell(1, 3600.0))
    assert job.minutes(1) >= 2 * 60
    assert job.minutes(2) == 2 * job.minutes(1)
    assert job.memory(1) >= 1.4 * 2000
    assert job.memory(3) == 3 * job.memory(1)


def test_only_a_long_job_that_has_a_use_for_a_gpu_wants_one() -> None:
    assert [job.gpu for job in jobs(cell(1, 3600.0, cuda=True), gpus=True)] == [True]
    assert [job.gpu for job in jobs(cell(1, 3600.0, cuda=True))] == [False]
    assert [job.gpu for job in jobs(cell(1, 3600.0), gpus=True)] == [False]
    assert [job.gpu for job in jobs(cell(1, 20.0, cuda=True), gpus=True)] == [False]


def test_a_large_cell_is_granted_the_memory_that_its_job_asks_for_on_a_cluster_only() -> None:
    large = cell(1, 100.0, memory_bytes=40 * 2**30)
    (job,) = jobs(large, cluster=True)
    assert "trainer.memory_gib=60" in job.arguments
    assert job.memory(1) * 1e6 >= 60 * 2**30
    assert "memory_gib" not in jobs(large)[0].arguments


def test_the_name_of_a_shared_job_says_which_cells_it_computes() -> None:
    first, second = jobs(cell(1, 100.0), cell(2, 100.0))
    (again, *_) = jobs(cell(1, 100.0), cell(3, 100.0))
    assert first.rule == again.rule
    assert first.rule != second.rule
