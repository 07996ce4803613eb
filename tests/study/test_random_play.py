"""The return of acting at random: from the prefill where it tells it, else played."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparse_rl.config.experiment import Config
from sparse_rl.config.reading import from_mapping
from sparse_rl.study import random_play
from sparse_rl.study.preparation import prepare
from sparse_rl.study.training import train
from sparse_rl.summary.final_table import random_return


def config(name: str, **changes: Any) -> Config:
    values: dict[str, Any] = {
        "environment": name,
        "seeds": 3,
        "first_seed": 7,
        "network": {"hidden": [8]},
        "replay": {"capacity": 40, "batch_size": 4},
        "training": {"steps": 60, "learning_starts": 20},
        "sparsity": {"levels": [0], "interval": 6},
        "quantization": {"modes": []},
        "evaluation": {"every": 60, "episodes": 1, "final_episodes": 1},
    }
    return from_mapping(values | changes)


def test_it_is_played_where_the_prefill_does_not_tell_it() -> None:
    study = prepare(config("gymnax/Pendulum-v1?time_limit=30"))
    assert not random_play.must_be_played(study, np.array([np.nan, -3.0]))
    assert random_play.must_be_played(study, np.array([np.nan, np.nan]))


def test_a_run_whose_prefill_ends_no_episode_records_it(tmp_path: Path) -> None:
    made = config("gymnax/Pendulum-v1?time_limit=30", out=str(tmp_path / "run"))
    run = train(made)
    rows = run.metrics[(run.metrics["phase"] == "prefill") & (run.metrics["metric"] == "return")]
    assert sorted(rows["seed"]) == [7, 8, 9]
    # The reward of a step lies between -16.3 and 0, and hanging down at rest it is about -10.
    assert (rows["value"] > -30 * 16.3).all() and (rows["value"] < -20).all()
    assert random_return(run.metrics) == pytest.approx(rows["value"].mean())
    study = prepare(made)
    again = random_play.random_returns(study, study.phases[0])
    np.testing.assert_allclose(again[:3], rows.sort_values("seed")["value"], rtol=1e-6)
