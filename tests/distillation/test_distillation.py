"""Distilled policies act as their originals, are as sparse as asked, and do not meet each other."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.artifact import reference
from sparse_rl.artifact.fixed_scales import unit_of
from sparse_rl.artifact.graph import Rescale, layers
from sparse_rl.artifact.weights import DynamicScale
from sparse_rl.compression.magnitude import pruned
from sparse_rl.compression.options import DistillationOptions
from sparse_rl.compression.policies import Policies
from sparse_rl.compression.units import without_units
from sparse_rl.distillation import school
from sparse_rl.distillation.distillation import Distillation, build
from sparse_rl.envs import make
from sparse_rl.playing.play import play

PENDULUM = "gymnax/Pendulum-v1"
QUICK = DistillationOptions(
    updates=2_000, batch_size=64, environments=4, updates_per_step=8, capacity=2_000
)


def pendulum_actor(seed):
    """A random actor whose torques differ from state to state."""
    return synthetic.mlp_actor((3, 24, 24, 1), 0.0, "float32", seed)


@pytest.fixture(scope="module")
def policies():
    graphs = tuple(pendulum_actor(seed) for seed in range(2))
    graphs = tuple(_in_pendulum(graph) for graph in graphs)
    seen = tuple(
        play(lambda x, g=graph: reference.act(g, x), make(PENDULUM), 4, 7, keep=500).observations
        for graph in graphs
    )
    return Policies(graphs, graphs, seen, (0, 1), PENDULUM)


def _in_pendulum(graph):
    from sparse_rl.architecture import Squash

    return replace(graph, output=Squash((-2.0,), (2.0,)))


def error(graph, policies, index):
    """Mean absolute difference of the torque, of 4 from the lowest to the highest."""
    seen = policies.observations[index]
    wanted = reference.act(policies.originals[index], seen)
    return float(np.abs(reference.act(graph, seen) - wanted).mean())


@pytest.fixture(scope="module")
def distilled(policies):
    family = [
        Distillation(replace(QUICK, level=level, arithmetic=arithmetic))
        for level in (0.0, 0.8)
        for arithmetic in ("float32", "int8", "integer")
    ]
    made = family[0].together(family, policies)
    return {
        (one.options.level, one.options.arithmetic): result
        for one, result in zip(family, made, strict=True)
    }


def test_levels_are_met_exactly(distilled, policies):
    total = sum(layer.weights.values.size for layer in layers(policies.graphs[0].operations))
    for arithmetic in ("float32", "int8"):
        for graph in distilled[0.8, arithmetic].graphs:
            left = sum(layer.weights.nonzero for layer in layers(graph.operations))
            assert left <= round(0.2 * total) + 1  # int8 may round some to zero
            if arithmetic == "float32":
                assert left >= round(0.2 * total) - 1


def test_they_learn_to_act_alike(distilled, policies):
    """Pruned at once the torque is off by a tenth of its range or more; learned, by less."""
    for index, original in enumerate(policies.originals):
        at_once = error(pruned(original, 0.8, "erk"), policies, index)
        learned = error(distilled[0.8, "float32"].graphs[index], policies, index)
        assert learned < 0.5 * at_once
        for arithmetic in ("int8", "integer"):
            assert error(distilled[0.0, arithmetic].graphs[index], policies, index) < 0.2


def test_int8_is_delivered_as_trained(distilled):
    for graph in distilled[0.8, "int8"].graphs:
        for layer in layers(graph.operations):
            assert layer.input_scale == DynamicScale()
            assert layer.weights.values.dtype == np.int8


def test_fixed_powers_of_two_follow_what_the_students_met(distilled, policies):
    for index, graph in enumerate(distilled[0.8, "integer"].graphs):
        assert all(unit_of(layer) is not None for layer in layers(graph.operations))
        first = graph.operations[0]
        assert isinstance(first, Rescale)
        # Cosine and sine of the angle, and a speed of up to eight.
        seen = np.abs(policies.observations[index]).max(axis=0)
        assert (seen * first.factors <= 127 * 1.1).all()
        assert first.exponents[2] < first.exponents[0]


def test_what_is_zero_stays_zero(policies):
    sparse = tuple(pruned(graph, 0.9, "erk") for graph in policies.graphs)
    made = build(replace(QUICK, updates=200))(replace(policies, graphs=sparse))
    for before, after in zip(sparse, made.graphs, strict=True):
        for one, two in zip(layers(before.operations), layers(after.operations), strict=True):
            np.testing.assert_array_equal(one.weights.values == 0, two.weights.values == 0)


def test_narrow_policies_learn_from_wide_originals(policies):
    narrow = tuple(without_units(graph, 0.5) for graph in policies.graphs)
    made = build(QUICK)(replace(policies, graphs=narrow))
    for index, graph in enumerate(made.graphs):
        assert [len(layer.bias) for layer in layers(graph.operations)] == [12, 12, 1]
        assert error(graph, policies, index) < 0.5 * error(narrow[index], policies, index)


def test_learning_in_int8_is_a_fifth_as_long_and_its_steps_three_tenths_as_large(policies):
    one = school.School.of(policies, replace(QUICK, learning_rate=0.01), (0.0,))
    sizes, updates = [], []
    for course in map(one.course, ("float32", "int8")):
        weight = np.float32(0.0)
        # Adam's first step is as large as its learning rate, whatever the gradient.
        step, _ = course.optimizer.update(np.float32(5.0), course.optimizer.init(weight), weight)
        sizes.append(-float(step))
        updates.append((course.iterations - course.prefill) * course.updates)
    assert sizes == pytest.approx([0.01, 0.003], rel=1e-4)
    assert updates == [2_000, 400]


def test_refused_in_one_line(policies):
    with pytest.raises(ValueError, match=r"^distil: no environment is known; allowed: --env NAME$"):
        build(QUICK)(replace(policies, environment=""))
    mixed = (policies.graphs[0], without_units(policies.graphs[1], 0.5))
    with pytest.raises(ValueError, match=r"^distil: the policies have different networks"):
        build(QUICK)(replace(policies, graphs=mixed))


def test_a_policy_alone_is_the_same_as_among_others(policies):
    alone = replace(
        policies,
        graphs=policies.graphs[1:],
        originals=policies.originals[1:],
        observations=policies.observations[1:],
        seeds=(1,),
    )
    short = replace(QUICK, updates=40)
    made = build(replace(short, level=0.8))(alone).graphs[0]
    family = [Distillation(replace(short, level=level)) for level in (0.0, 0.8)]
    other = family[0].together(family, policies)[1].graphs[1]
    for one, two in zip(layers(made.operations), layers(other.operations), strict=True):
        # Masks are the same, weights to the order of summation.
        np.testing.assert_array_equal(one.weights.values == 0, two.weights.values == 0)
        np.testing.assert_allclose(one.weights.values, two.weights.values, rtol=2e-3, atol=2e-4)


def test_how_often_progress_is_told_changes_nothing(policies, monkeypatch):
    short = replace(QUICK, updates=400, level=0.8)
    heard, made = [], []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr(school, "CHUNK_SECONDS", seconds)
        shares = []
        one = Distillation(short)
        made += one.together([one], policies, lambda _, share, to=shares: to.append(share))
        heard.append(shares)
    often, seldom = heard
    assert len(often) == 1 + 500 + 50  # one iteration a call: 2,000 observations, 400 updates
    assert len(seldom) < 30
    for shares in heard:
        assert shares == sorted(shares) and (shares[0], shares[-1]) == (0.0, 1.0)
    for one, two in zip(*(layers(each.graphs[0].operations) for each in made), strict=True):
        np.testing.assert_array_equal(one.weights.values, two.weights.values)


def test_a_call_takes_about_a_second():
    assert school.next_count(10, 2.0, 10_000) == 5
    assert school.next_count(10, 0.5, 10_000) == 20
    assert school.next_count(10, 0.001, 10_000) == 40  # the first ones only look
    assert school.next_count(900, 0.1, 10_000) == 500  # a twentieth of all
    assert school.next_count(1, 60.0, 10_000) == 1
