"""Which candidates there are, and that what they share is made once."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from benchmarks import synthetic
from sparse_rl.artifact.graph import layers
from sparse_rl.compression.options import PruneOptions
from sparse_rl.compression.policies import JointPass, Policies
from sparse_rl.compression.steps import parse_chain
from sparse_rl.registry import PASSES, Entry
from sparse_rl.selection.candidates import grid, made, named


def quiet(course, share):
    pass


def policies():
    graphs = tuple(synthetic.mlp_actor((3, 8, 8, 1), 0.0, "float32", seed) for seed in range(2))
    seen = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    return Policies(graphs, graphs, (seen, seen), (0, 1), "gymnax/Pendulum-v1")


def test_the_grid():
    chains = named(grid(["distil", "prune"], [0.9], ["float32", "int8", "int8_static"], {}))
    assert list(chains) == [
        "int8",
        "int8_static",
        "distil0.9",
        "distil0.9-int8",
        "distil0.9+int8_static",
        "prune0.9",
        "prune0.9+int8",
        "prune0.9+int8_static",
    ]


def test_narrow_is_units_and_then_distillation():
    chains = named(
        grid(["narrow"], [0.9], ["float32", "int8", "int4w"], {"distil": {"updates": 7}})
    )
    assert list(chains)[2:] == ["units0.9+distil", "units0.9+distil-int8", "units0.9+distil+int4w"]
    assert chains["units0.9+distil"][1].options.updates == 7


@pytest.mark.parametrize(
    ("methods", "arithmetic", "line"),
    [
        (["distill"], ["float32"], "--methods: found distill; allowed: narrow, prune, units, low"),
        (["prune"], ["int7"], "--arithmetic: found int7; allowed: float32, int8"),
    ],
)
def test_unknown_names(methods, arithmetic, line):
    with pytest.raises(ValueError, match=line.split("?")[0].replace("'", ".")):
        grid(methods, [0.9], arithmetic, {})


def test_each_candidate_is_its_steps_one_after_the_other():
    given = policies()
    chains = named(
        [parse_chain(w) for w in ("int8", "prune:0.5", "prune:0.5+int8", "units:0.5+prune:0.5")]
    )
    found = dict(made(chains, given, quiet))
    assert set(found) == set(chains)
    for name, chain in chains.items():
        wanted = given
        for step in chain:
            wanted = step.build()(wanted)
        for one, other in zip(found[name].graphs, wanted.graphs, strict=True):
            for a, b in zip(layers(one.operations), layers(other.operations), strict=True):
                np.testing.assert_array_equal(a.weights.values, b.weights.values)


CALLS: list[list[float]] = []


@dataclass(frozen=True)
class Counted(JointPass):
    """A joint pass that notes which levels it makes together."""

    options: PruneOptions

    @property
    def family(self):
        return replace(self.options, level=0.0)

    def together(self, family, given, told=quiet):
        CALLS.append([one.options.level for one in family])
        return [given for _ in family]


def test_a_family_is_made_together(monkeypatch):
    monkeypatch.setattr(PASSES, "_entries", dict(PASSES._entries))
    PASSES.add(Entry("counted", PruneOptions, Counted))
    CALLS.clear()
    words = ("counted:0.5", "counted:0.9+int8", "counted:0.9", "counted:0.9:distribution=uniform")
    found = dict(made(named([parse_chain(word) for word in words]), policies(), quiet))
    assert len(found) == 4
    assert CALLS == [[0.5, 0.9], [0.9]]


@dataclass(frozen=True)
class Alike:
    """A pass that has what a joint one has and is none."""

    options: PruneOptions
    family = "alike"

    def __call__(self, given):
        return given

    def together(self, family, given):
        raise AssertionError("this is another word here")


def test_a_pass_is_joint_where_it_says_so_and_not_by_its_words(monkeypatch):
    monkeypatch.setattr(PASSES, "_entries", dict(PASSES._entries))
    PASSES.add(Entry("alike", PruneOptions, Alike))
    found = dict(
        made(named([parse_chain(w) for w in ("alike:0.5", "alike:0.9")]), policies(), quiet)
    )
    assert len(found) == 2


def test_a_pass_that_cannot_be_done_names_the_candidate():
    chains = named([parse_chain("distil:0.5")])
    with pytest.raises(ValueError, match=r"^distil0.5: distil: no environment is known"):
        list(made(chains, replace(policies(), environment=""), quiet))


def test_what_differs_from_the_common_value_is_in_the_name():
    common = {"distil": {"updates": 5000}}
    words = ("distil:0.9", "distil:0.9:updates=20000", "distil:0.9:updates=5000")
    chains = named([parse_chain(word, common) for word in words])
    assert {name: chain[0].options.updates for name, chain in chains.items()} == {
        "distil0.9": 5000,
        "distil0.9-updates20000": 20000,
    }


def test_two_candidates_of_one_name_are_refused():
    chains = [parse_chain("prune:0.9000001"), parse_chain("prune:0.9000002")]
    with pytest.raises(ValueError, match=r"^prune0\.9: found two candidates of this name; allowed"):
        named(chains)
