"""The configuration: what it accepts it keeps, what it refuses it names in one line."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sparse_rl.agents.options import DQNOptions
from sparse_rl.config.error import ConfigError
from sparse_rl.config.experiment import Config, to_yaml
from sparse_rl.config.reading import continued, from_mapping, from_yaml, load_config
from sparse_rl.config.sections import SparsityConfig

AGENTS = "sac, dqn, td3, ddpg, ppo, a2c, trpo, reinforce, pqn"
FAST = settings(
    derandomize=True,
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def reals(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, exclude_min=low == 0)


shares = st.floats(0, 1)
agents = st.one_of(
    st.fixed_dictionaries(
        {"name": st.just("sac")},
        optional={
            "learning_rate": reals(0, 1),
            "adam_epsilon": reals(0, 1),
            "weight_decay": st.floats(0, 1),
            "discount": shares,
            "tau": shares,
            "initial_temperature": reals(0, 1e3),
        },
    ),
    st.fixed_dictionaries(
        {"name": st.just("dqn"), "target_interval": st.integers(1, 100).map(lambda n: 8 * n)},
        optional={"double": st.booleans(), "gradient_clip": reals(0, 1e6), "discount": shares},
    ),
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


# How an experiment is run, which says nothing about what it is.
circumstances = st.fixed_dictionaries(
    {
        "devices": st.integers(0, 1024),
        "out": texts,
        "resume": texts,
        "checkpoint": st.fixed_dictionaries(
            {
                "every": st.floats(0, 1e6),
                "unit": st.sampled_from(["minutes", "steps"]),
                "replay": st.sampled_from(["full", "compressed", "none"]),
                "keep": st.integers(1, 9),
            }
        ),
        "population": st.just({"split": 1}),
        "distributed": st.integers(1, 9).flatmap(
            lambda processes: st.fixed_dictionaries(
                {
                    "coordinator": st.just("host:1234"),
                    "processes": st.just(processes),
                    "index": st.integers(0, processes - 1),
                }
            )
        ),
    }
)


@st.composite
def valid_mappings(draw: st.DrawFn) -> dict[str, object]:
    """Values that fit each other by construction, written by hand from the rules."""
    frequency = draw(st.sampled_from([1, 2, 4, 8]))
    updates = draw(st.integers(100, 10_000))
    begin, end = sorted(draw(st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 1.0))))
    steps = updates * frequency
    span = round(updates * end) - round(updates * begin)
    assume(span >= 1)
    capacity = draw(st.integers(20, 10**6))
    starts = draw(st.integers(5, round(updates * begin))) * frequency
    return {
        "environment": draw(texts),
        "seeds": draw(st.integers(1, 100_000)),
        "first_seed": draw(st.integers(0, 2**30)),
        "agent": draw(agents),
        "network": {
            "torso": draw(st.sampled_from(["mlp", "minatar", "nature", "impala"])),
            "hidden": draw(st.lists(st.integers(1, 4096), max_size=4)),
        },
        "replay": {
            "capacity": capacity,
            "batch_size": draw(st.integers(1, capacity - 1)),
            "n_step": draw(st.integers(1, 4)),
        },
        "training": {
            "steps": steps,
            "learning_starts": starts,
            "train_frequency": frequency,
            "gradient_steps": draw(st.integers(1, 8)),
        },
        "sparsity": {
            "levels": [0, *draw(st.lists(st.integers(1, 99), unique=True).map(hundredths))],
            "distribution": draw(st.sampled_from(["uniform", "erk", "er_paper", "global"])),
            "begin": begin,
            "end": end,
            "interval": draw(st.integers(1, span)) * frequency,
        },
        "quantization": {
            "modes": draw(st.lists(st.sampled_from(["int8", "int8w"]), unique=True)),
            "fraction": draw(st.floats(0.05, 10)),
        },
        "evaluation": {
            "every": draw(st.integers(1, 1000)) * frequency,
            "episodes": draw(st.integers(1, 1000)),
            "final_episodes": draw(st.integers(1, 1000)),
        },
        **draw(circumstances),
    }


def hundredths(levels: list[int]) -> list[float]:
    return [level / 100 for level in levels]


@FAST
@given(valid_mappings())
def test_what_is_valid_is_accepted_kept_and_comes_back_from_yaml(values: dict[str, object]) -> None:
    config = from_mapping(values)
    assert from_yaml(to_yaml(config)) == config
    asked = dataclasses.asdict(config)

    def compare(given: object, kept: object) -> None:
        if isinstance(given, dict):
            assert isinstance(kept, dict)
            for key, value in given.items():
                compare(value, kept[key])
        elif isinstance(given, list):
            assert tuple(given) == kept
        else:
            assert given == kept

    compare(values, asked)


@FAST
@given(valid_mappings(), circumstances)
def test_digest_and_hash(values: dict[str, object], other_way: dict[str, object]) -> None:
    config = from_mapping(values)
    elsewhere = from_mapping(values | other_way)
    assert elsewhere.digest() == config.digest()
    assert len(config.digest()) == 12
    assert hash(from_mapping(values)) == hash(config)
    other = from_mapping(values | {"first_seed": config.first_seed + 1})
    assert other.digest() != config.digest()
    assert other != config


def test_digests_of_earlier_versions() -> None:
    """What was added since, at its default, changes no digest: checkpoints stay readable.

    Their layers were all pruned alike; a run's own configuration says so.
    """
    old = {"sparsity": {"distribution": "uniform"}}
    assert from_mapping(old).digest() == "cbd43fd36e08"
    assert from_mapping(old | {"agent": {"name": "dqn"}}).digest() == "e255221c45bb"
    assert from_mapping({}).digest() != "cbd43fd36e08"
    assert from_mapping(old | {"training": {"environments": 2}}).digest() != "cbd43fd36e08"
    assert from_mapping(old | {"replay": {"n_step": 2, "n_step_begin": 500}}).digest() != (
        from_mapping(old | {"replay": {"n_step": 2}}).digest()
    )


def test_frozen() -> None:
    config = Config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seeds = 3  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.sparsity.begin = 0.3  # type: ignore[misc]


def nested(key: str, value: object) -> dict[str, object]:
    *path, last = key.split(".")
    values: dict[str, object] = {last: value}
    for name in reversed(path):
        values = {name: values}
    return values


def refusal(values: dict[str, object]) -> str:
    with pytest.raises(ConfigError) as caught:
        from_mapping(values)
    line = str(caught.value)
    assert line.isprintable() and len(line) < 400
    return line


FIELDS = [
    ("sparsity.levels", [0, 1.2], "found 1.2; allowed: numbers >= 0 and < 1, one or more"),
    ("sparsity.levels", [0, 1], "found 1; allowed: numbers >= 0 and < 1"),
    ("sparsity.levels", [], "found []; allowed: numbers >= 0 and < 1, one or more"),
    ("sparsity.levels", 0.9, "found 0.9; allowed: numbers"),
    ("sparsity.levels", {"a": 1}, "found {'a': 1}; allowed: numbers"),
    ("sparsity.levels", "0 0.9", "found '0 0.9'; allowed: numbers"),
    ("sparsity.levels", [0, True], "found True; allowed: numbers"),
    ("sparsity.levels", [0, math.nan], "found nan; allowed: numbers"),
    ("sparsity.begin", math.inf, "found inf; allowed: a number from 0 to 1"),
    ("sparsity.begin", -0.1, "found -0.1; allowed: a number from 0 to 1"),
    ("sparsity.begin", 10**400, "allowed: a number from 0 to 1"),
    ("sparsity.distribution", "erx", "found 'erx'; allowed: one of uniform, erk, er_paper, global"),
    ("seeds", 0, "found 0; allowed: a whole number from 1 to 100000"),
    ("seeds", -3, "found -3; allowed: a whole number from 1 to 100000"),
    ("seeds", 2.5, "found 2.5; allowed: a whole number from 1 to 100000"),
    ("seeds", "three", "found 'three'; allowed: a whole number from 1 to 100000"),
    ("seeds", None, "found None; allowed: a whole number from 1 to 100000"),
    ("seeds", [3], "found [3]; allowed: a whole number from 1 to 100000"),
    ("seeds", True, "found True; allowed: a whole number from 1 to 100000"),
    ("seeds", "", "found ''; allowed: a whole number from 1 to 100000"),
    ("seeds", math.nan, "found nan; allowed: a whole number from 1 to 100000"),
    pytest.param("seeds", 10**5000, "allowed: a whole number from 1 to 100000", id="huge"),
    ("first_seed", -1, "found -1; allowed: a whole number >= 0"),
    ("replay.capacity", 1e10, "allowed: a whole number >= 1 and <= 2147483647"),
    ("evaluation.episodes", 2e9, "allowed: a whole number from 1 to 100000"),
    ("evaluation.final_episodes", 100_001, "allowed: a whole number from 1 to 100000"),
    ("training.environments", 0, "found 0; allowed: a whole number from 1 to 65536"),
    ("sparsity.methods", ["gradul"], "unknown method 'gradul'; did you mean gradual? allowed: "),
    ("sparsity.methods", [], "found []; allowed: any of gradual"),
    ("sparsity.gradul", {"x": 1}, "unknown key; "),
    ("sparsity.of_methods", {"gradual": {}}, "unknown key; allowed: a section named after"),
    ("imports", ["no such package"], "no such package: ModuleNotFoundError: No module named"),
    ("devices", 1025, "found 1025; allowed: a whole number from 0 to 1024"),
    ("agent.learning_rate", 0, "found 0; allowed: a number > 0"),
    ("agent.discount", 1.01, "found 1.01; allowed: a number from 0 to 1"),
    ("network.hidden", [64, 0], "found 0; allowed: whole numbers >= 1"),
    ("network.hidden", [64, "b"], "found 'b'; allowed: whole numbers >= 1"),
    ("network.torso", "cnn", "unknown network 'cnn'; allowed: mlp, minatar, nature, impala"),
    ("quantization.modes", ["int4"], "found 'int4'; allowed: any of int8w, int8, integer"),
    ("quantization.fraction", 0, "found 0; allowed: a number > 0 and <= 10"),
    ("environment", 3, "found 3; allowed: text"),
    ("out", True, "found True; allowed: text"),
    ("network", "mlp", "found 'mlp'; allowed: its own keys and values, such as network.torso"),
    ("network", None, "found None; allowed: its own keys and values, such as network.torso"),
    ("network", ["mlp"], "found ['mlp']; allowed: its own keys and values"),
    ("agent", "dqn", "found 'dqn'; allowed: its own keys and values, such as agent.name"),
    ("agent", [], "found []; allowed: its own keys and values, such as agent.name"),
    ("agent.name", "c51", "unknown agent 'c51'; allowed: " + AGENTS),
    (
        "agent.name",
        ["sac"],
        "unknown agent ['sac']; did you mean sac? allowed: " + AGENTS,
    ),
    ("agent.name", None, "unknown agent None; allowed: " + AGENTS),
]


@pytest.mark.parametrize(("key", "value", "message"), FIELDS)
def test_a_wrong_value_is_refused_with_its_key_and_what_is_allowed(
    key: str, value: object, message: str
) -> None:
    line = refusal(nested(key, value))
    assert line.startswith(f"{key}: ")
    assert message in line


TOGETHER = [
    ({"sparsity": {"begin": 0.8, "end": 0.2}}, "sparsity.end: found 0.2", "< sparsity.end <= 1"),
    ({"sparsity": {"begin": 0.5, "end": 0.5}}, "sparsity.end: found 0.5", "< sparsity.end <= 1"),
    (
        {"replay": {"capacity": 100, "batch_size": 100}},
        "replay.batch_size: found 100",
        "less than replay.capacity",
    ),
    ({"replay": {"capacity": 100}}, "replay.batch_size: found 256", "less than replay.capacity"),
    (
        {"training": {"steps": 10_000, "learning_starts": 2_001}},
        "training.learning_starts: found 2001",
        "at most sparsity.begin * training.steps",
    ),
    (
        {"training": {"steps": 10_000, "learning_starts": 10_000}, "sparsity": {"levels": [0]}},
        "training.learning_starts: found 10000",
        "less than training.steps, 10000",
    ),
    (
        {"sparsity": {"interval": 600_001}},
        "sparsity.interval: found 600001",
        "allowed: at most 600000",
    ),
    (
        {"training": {"environments": 3}},
        "training.steps: found 1000000",
        "a multiple of training.train_frequency * training.environments, 3",
    ),
    ({"sparsity": {"critic_levels": [0.5]}}, "sparsity.critic_levels: found [0.5]", "with 0"),
    ({"sparsity": {"methods": ["gradual"] * 2}}, "sparsity.methods: found", "each once"),
    (
        {"training": {"train_frequency": 3}},
        "training.steps: found 1000000",
        "a multiple of training.train_frequency, 3",
    ),
    (
        {"training": {"train_frequency": 4}, "evaluation": {"every": 10_001}},
        "evaluation.every: found 10001",
        "a multiple of training.train_frequency, 4",
    ),
    (
        {"training": {"train_frequency": 4}, "sparsity": {"interval": 1_002}},
        "sparsity.interval: found 1002",
        "a multiple of training.train_frequency, 4",
    ),
    (
        {"training": {"train_frequency": 4}, "agent": {"name": "dqn", "target_interval": 10}},
        "agent.target_interval: found 10",
        "a multiple of training.train_frequency, 4",
    ),
    (
        {"training": {"steps": 2**30 + 2}},
        "training.steps: found 1073741826",
        "allowed: at most 2**30",
    ),
    (
        {"training": {"steps": 2**30}, "quantization": {"fraction": 1.0}},
        "quantization.fraction: found 1,",
        "an end before step 2**31",
    ),
    (
        {"quantization": {"fraction": 1e-9}},
        "quantization.fraction: found 1e-09",
        "no quantization.modes",
    ),
    ({"first_seed": 2**31 - 1, "seeds": 2}, "first_seed: found 2147483647", "below 2**31"),
    (
        {"agent": {"name": "ppo", "learning_rate_decay": 1}},
        "agent.learning_rate_decay: found 1",
        "less, or no quantization.modes",
    ),
    ({"replay": {"capacity": 3, "batch_size": 1, "n_step": 3}}, "replay.n_step: found 3", "less"),
    (
        {"training": {"environments": 50, "learning_starts": 100}, "replay": {"n_step": 2}},
        "replay.n_step: found 2",  # each environment has two steps before the first update
        "training.learning_starts, 100, each over training.environments, 50",
    ),
    (
        {
            "training": {"environments": 50},
            "replay": {"capacity": 149, "batch_size": 8, "n_step": 2},
        },
        "replay.n_step: found 2",  # 149 steps of 50 environments are two rows
        "replay.capacity, 149, and training.learning_starts, 10000, each over",
    ),
    ({"sparsity": {"levels": [0.9]}}, "sparsity.levels: found [0.9]", "a list with 0"),
    ({"sparsity": {"levels": [0, 0.5, 0.5]}}, "sparsity.levels: found", "differ"),
    ({"sparsity": {"levels": [0, -0.0]}}, "sparsity.levels: found", "differ"),
    ({"sparsity": {"levels": [0, 0.9, 0.90000001]}}, "sparsity.levels: found", "six digits"),
    ({"sparsity": {"levels": [0, 0.99999999]}}, "sparsity.levels: found", "below 1"),
    ({"quantization": {"modes": ["int8", "int8"]}}, "quantization.modes: found", "each once"),
    ({"out": "runs/\0"}, "out: found", "null"),
    ({"resume": "runs/\0"}, "resume: found", "null"),
    (
        {"distributed": {"processes": 2, "index": 2, "coordinator": "host:1"}},
        "distributed.index: found 2",
        "less than distributed.processes, 2",
    ),
    ({"distributed": {"processes": 2}}, "distributed.coordinator: found none", "HOST:PORT"),
]


@pytest.mark.parametrize(("values", "start", "allowed"), TOGETHER)
def test_values_that_do_not_fit_each_other_are_refused(
    values: dict[str, object], start: str, allowed: str
) -> None:
    line = refusal(values)
    assert line.startswith(start)
    assert allowed in line


def test_where_nothing_is_pruned_no_schedule_is_asked_for() -> None:
    given: dict[str, dict[str, object]] = {
        "training": {"steps": 10_000, "learning_starts": 8_000, "train_frequency": 4},
        "sparsity": {"begin": 0.5, "end": 0.2, "interval": 999, "levels": [0]},
    }
    assert from_mapping(given).training.learning_starts == 8_000
    given["sparsity"] |= {"critic_levels": [0, 0.5]}
    assert refusal(given).startswith("sparsity.interval: found 999; allowed: a multiple of ")


UNKNOWN = [
    ("seed", "near: seeds"),
    ("sac", "allowed: environment, seeds"),
    ("levels", "near: sparsity.levels"),
    ("learning_rate", "near: agent.learning_rate"),
    ("env", "near: environment, training.environments"),
    ("sparsity.level", "near: sparsity.levels"),
    ("replay.batchsize", "near: replay.batch_size"),
    ("sparsity.xyz", "allowed: sparsity.levels, sparsity.critic_levels, "),
    ("agent.learningrate", "unknown key of sac; near: agent.learning_rate"),
    ("agent.double", "unknown key of sac; allowed: agent.name, agent.learning_rate"),
    ("agent.sac", "unknown key of sac"),
]


@pytest.mark.parametrize(("key", "message"), UNKNOWN)
def test_an_unknown_key_is_refused_with_what_may_have_been_meant(key: str, message: str) -> None:
    line = refusal(nested(key, 3))
    assert line.startswith(f"{key}: unknown key")
    assert message in line


def test_a_key_of_the_other_agent_is_not_offered() -> None:
    line = refusal({"agent": {"name": "dqn", "initial_temperature": 1.0}})
    assert line.startswith("agent.initial_temperature: unknown key of dqn; allowed: agent.name")
    assert "initial_temperature" not in line.partition("allowed")[2]


@pytest.mark.parametrize("key", [3, None, True, 2.5, ("a", "b")])
def test_a_key_that_is_not_text_is_refused(key: object) -> None:
    assert "unknown key" in refusal({key: 4})  # type: ignore[dict-item]
    assert "unknown key" in refusal({"network": {key: 4}})


def test_numbers_may_be_written_in_every_usual_way() -> None:
    config = from_yaml(
        """
        seeds: "3"
        agent: {learning_rate: "3e-4", weight_decay: 1e-4}
        replay: {capacity: 1e5}
        training: {steps: 1e6, learning_starts: 1.0e+4}
        sparsity: {levels: [0, "0.9", 9.5e-1], begin: 2e-1}
        """
    )
    assert (config.seeds, config.agent.learning_rate) == (3, 3e-4)
    assert (config.replay.capacity, config.training.steps) == (100_000, 1_000_000)
    assert type(config.training.steps) is int and type(config.seeds) is int
    assert config.sparsity.levels == (0.0, 0.9, 0.95)


def test_overrides_are_values_parts_or_dotted_names() -> None:
    plain = load_config("sac_pendulum")
    changed = load_config(
        "sac_pendulum", seeds=3, sparsity={"levels": [0, 0.9]}, **{"agent.tau": 0.5}
    )
    assert (changed.seeds, changed.sparsity.levels) == (3, (0.0, 0.9))
    assert changed.sparsity.interval == plain.sparsity.interval
    assert changed.agent == dataclasses.replace(plain.agent, tau=0.5)
    for key, line in {
        "agent.tao": "agent.tao: unknown key of sac; near: agent.tau",
        "seeds.x": "seeds.x: found 10 as the value of seeds; allowed: its own keys and values",
    }.items():
        with pytest.raises(ConfigError) as caught:
            load_config("sac_pendulum", **{key: 3})
        assert str(caught.value).startswith(line)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: Config(seeds="x"), "seeds: found 'x'; allowed: a whole number from 1 to 100000"),
        (lambda: Config(sparsity={"levels": [2]}), "sparsity.levels: found 2; allowed: numbers"),
        (
            lambda: Config(agent={"name": "sak"}),
            "agent.name: unknown agent 'sak'; did you mean sac",
        ),
        (lambda: Config(agent=3), "agent: found 3; allowed: its own keys and values"),
        (lambda: Config(network=DQNOptions()), "network: found DQNOptions("),
        (lambda: Config(bogus=1), "bogus: unknown key; "),
        (lambda: DQNOptions(tau=2), "tau: found 2; allowed: a number from 0 to 1"),
        (lambda: SparsityConfig(methods=("rigl?",)), "methods: unknown method 'rigl?'"),
        (lambda: SparsityConfig(of_methods=3), "of_methods: found no sections"),
        (lambda: dataclasses.replace(Config(), seeds=0), "seeds: found 0; allowed"),
    ],
)
def test_python_gets_one_line_too(make: Callable[[], object], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(line)
    assert str(caught.value).isprintable()


def test_numbers_of_numpy_become_plain_numbers() -> None:
    values = {
        "seeds": np.int64(3),
        "agent": {"learning_rate": np.float32(0.5)},
        "network": {"hidden": [np.int32(8)]},
        "sparsity": {"levels": list(np.linspace(0, 0.9, 7))},
    }
    config = from_mapping(values)
    assert from_yaml(to_yaml(config)) == config
    assert type(config.seeds) is int and type(config.sparsity.levels[3]) is float


def test_an_agent_without_a_name_is_sac_and_an_empty_file_is_the_default() -> None:
    assert from_yaml("") == Config() == from_mapping({})
    assert (
        from_yaml("agent: {learning_rate: 0.1}").agent
        == from_yaml("agent: {name: sac, learning_rate: 0.1}").agent
    )
    assert isinstance(from_yaml("agent: {name: dqn}").agent, DQNOptions)


def test_steps_of_the_phases_are_whole_updates() -> None:
    config = from_mapping(
        {
            "agent": {"name": "dqn"},
            "training": {"steps": 1_000, "learning_starts": 40, "train_frequency": 8},
            "sparsity": {"begin": 0.333, "end": 0.777, "interval": 8},
            "quantization": {"fraction": 0.111},
            "evaluation": {"every": 80},
        }
    )
    assert (config.prune_begin, config.prune_end, config.quantize_end) == (336, 776, 1112)


TEXTS = [
    ("seeds: 3\n\tnetwork: {}", "line 2: found character '\\t' that cannot start any token"),
    ("seeds: [1, 2", "line 1: expected ',' or ']'"),
    ("seeds: 3\nagent: {}\nseeds: 4", "line 3: seeds stands here a second time"),
    ("agent: {tau: 1, tau: 1}", "line 1: tau stands here a second time"),
    ("- 3\n- 4", "found [3, 4]; allowed: keys and values"),
    ("just words", "found 'just words'; allowed: keys and values"),
    ("a: 1\n---\nb: 2", "but found another document"),
    ("a: !!python/object:os.system {}", "could not determine a constructor"),
    ("a: 2020-99-99", "not YAML: month must be in 1..12"),
    ("a: !!int x", "not YAML"),
    ("? [a]\n: b", "found unhashable key"),
    ("a: \x07", "special characters are not allowed"),
    ("[" * 5000, "nested too deeply"),
]


@pytest.mark.parametrize(("text", "message"), TEXTS)
def test_text_that_is_not_keys_and_values_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_yaml(text)
    line = str(caught.value)
    assert line.isprintable() and line.startswith("configuration")
    assert message in line


def test_yaml_of_a_config_holds_every_field() -> None:
    written = yaml.safe_load(to_yaml(Config()))
    for field in dataclasses.fields(Config):
        part = getattr(Config(), field.name)
        if dataclasses.is_dataclass(part):
            own = {inner.name for inner in dataclasses.fields(part)} - {"of_methods"}
            own |= set(Config().sparsity.methods) if field.name == "sparsity" else set()
            assert set(written[field.name]) == own
        else:
            assert written[field.name] == (list(part) if isinstance(part, tuple) else part)
    assert set(written) == {field.name for field in dataclasses.fields(Config)}


@pytest.mark.parametrize("method", ["rigl", "set", "ste", "n_m_ste"])
def test_a_method_that_would_stop_before_it_begins_is_refused(method: str) -> None:
    values: dict[str, Any] = {
        "training": {"steps": 10_000, "learning_starts": 2_000},
        "sparsity": {"levels": [0, 0.5], "methods": [method], "interval": 500},
    }
    from_mapping(values)
    early = values | {"sparsity": values["sparsity"] | {method: {"stop": 0.2}}}
    with pytest.raises(ConfigError, match=rf"sparsity\.{method}\.stop: found 0\.2, step 2000: "):
        from_mapping(early)
    coarse = values | {"sparsity": values["sparsity"] | {"interval": 9_000}}
    if method in ("rigl", "set"):
        with pytest.raises(ConfigError, match=r"the next multiple of sparsity\.interval, 9000"):
            from_mapping(coarse)
    else:
        from_mapping(coarse)


def test_an_emptied_run_does_not_resume_with_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("")
    for read in (continued, load_config):
        with pytest.raises(ConfigError, match=r"config\.yaml: found nothing; allowed: keys"):
            read(str(tmp_path))


def test_a_path_from_python_is_a_directory(tmp_path: Path) -> None:
    given = load_config("sac_pendulum", out=tmp_path, compilation_cache=tmp_path / "kept")
    assert given.out == str(tmp_path)
    assert given == load_config(
        "sac_pendulum", out=str(tmp_path), compilation_cache=str(tmp_path / "kept")
    )


def test_off_needs_no_quotation_marks() -> None:
    """Unlike other words it is a truth value in YAML; what is written is read back."""
    config = from_yaml("compilation_cache: off")
    assert config.compilation_cache == "off"
    assert from_yaml(to_yaml(config)) == config
    with pytest.raises(ConfigError, match="compilation_cache: found True; allowed: text"):
        from_yaml("compilation_cache: on")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("agent.learning_rate: 0.001", "agent: {learning_rate: ...}"),
        ("sparsity.rigl.stop: 0.5", "sparsity: {rigl: {stop: ...}}"),
        ("sparsity: {rigl.stop: 0.5}", "sparsity: {rigl: {stop: ...}}"),
    ],
)
def test_a_dotted_key_in_a_file_is_told_how_it_is_written_there(text: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_yaml(text)
    assert str(error.value).endswith(f": a dotted key; allowed: {allowed}")
