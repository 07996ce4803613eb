"""The evaluations of a phase: of every member, in the environment that evaluations have."""

import numpy as np

from sparse_rl.study.evaluations import Evaluations
from sparse_rl.study.preparation import prepare
from sparse_rl.study.progress.events import Progress
from tests.study.test_random_play import config, with_other_rules


def test_policies_are_played_by_the_rules_of_evaluations() -> None:
    study = with_other_rules(prepare(config("gymnax/Pendulum-v1?time_limit=30")))
    phase = study.phases[0]
    found = Evaluations(study, phase, Progress()).of(study.fresh(phase))
    members = slice(len(phase.members))
    np.testing.assert_array_equal(found["return"][members], 30 * 7.0)
    np.testing.assert_array_equal(found["episode_length"][members], 30.0)


def test_members_meet_the_same_episodes_in_any_cohorts() -> None:
    found = []
    for cohort, sizes in ((0, (4,)), (1, (2, 2))):
        changes = {"population": {"cohort": cohort}, "devices": 2}
        study = prepare(config("gymnax/Pendulum-v1", **changes))
        state = study.fresh(study.phases[0])
        assert state.sizes == sizes
        found.append(Evaluations(study, study.phases[0], Progress()).of(state))
    assert len(np.unique(found[0]["return"])) == 3
    for name in ("return", "episode_length"):
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-5)


def test_final_evaluations_meet_the_same_episodes_whenever_a_variant_ends() -> None:
    """An arithmetic ends later than float32; while training goes on, episodes are new each time."""
    study = prepare(config("gymnax/Pendulum-v1"))
    phase = study.phases[0]
    early = study.fresh(phase)
    late = early.at(500)
    for final in (True, False):
        evaluations = Evaluations(study, phase, Progress(), final=final)
        returns = [evaluations.of(state)["return"] for state in (early, late)]
        assert np.array_equal(*returns) == final
