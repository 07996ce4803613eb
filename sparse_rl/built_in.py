"""What the registry holds before anybody adds to it: names and where they are defined.

Only names: a module is imported when its entry is first used.
"""

from sparse_rl.registry import AGENTS, METHODS, NETWORKS, PASSES, SUITES, Entry

for _name, _options, _build in (
    ("sac", "options:SACOptions", "sac:build"),
    ("dqn", "options:DQNOptions", "dqn:build"),
    ("td3", "options:TD3Options", "td3:build"),
    ("ddpg", "options:DDPGOptions", "td3:build"),
    ("ppo", "on_policy_options:PPOOptions", "ppo:build"),
    ("a2c", "on_policy_options:A2COptions", "a2c:build"),
    ("trpo", "on_policy_options:TRPOOptions", "trpo:build"),
    ("reinforce", "on_policy_options:ReinforceOptions", "reinforce:build"),
    ("pqn", "pqn_options:PQNOptions", "pqn:build"),
):
    AGENTS.add(Entry(_name, f"sparse_rl.agents.{_options}", f"sparse_rl.agents.{_build}"))

for _name, _options, _build in (
    ("gradual", "Gradual", "gradual:build"),
    ("one_shot", "OneShot", "single_shot:build_one_shot"),
    ("static", "Static", "dynamic:build_static"),
    ("set", "Dynamic", "dynamic:build_set"),
    ("rigl", "Dynamic", "dynamic:build_rigl"),
    ("snip", "Snip", "single_shot:build_snip"),
    ("n_m", "NM", "n_m:build"),
    ("lottery", "Lottery", "lottery:build"),
    ("ste", "StraightThrough", "straight_through:build"),
    ("n_m_ste", "NMStraightThrough", "straight_through:build_n_m"),
    ("adaptive", "Adaptive", "adaptive:build"),
):
    METHODS.add(
        Entry(
            _name,
            f"sparse_rl.sparsity.options:{_options}Options",
            f"sparse_rl.sparsity.{_build}",
        )
    )

for _name in ("mlp", "minatar", "nature", "impala"):
    NETWORKS.add(
        Entry(
            _name,
            "sparse_rl.architecture.options:TorsoOptions",
            f"sparse_rl.architecture.torsos:{_name}",
        )
    )

for _name, _module in {
    "atari": "atari",
    "brax": "brax",
    "gymnasium": "gymnasium",
    "gymnax": "gymnax",
    "mujoco": "mujoco.suite",
    "probe": "probes",
    "synthetic": "probes",
}.items():
    SUITES.add(Entry(_name, None, f"sparse_rl.envs.suites.{_module}"))

for _name, _options, _build in (
    ("prune", "Prune", "compression.magnitude:build"),
    ("units", "Units", "compression.units:build"),
    ("low_rank", "LowRank", "compression.low_rank:build"),
    ("int8", "Dynamic", "compression.post_training:build_dynamic"),
    ("int8_static", "Static", "compression.post_training:build_static"),
    ("int8w", "Weight", "compression.post_training:build_weights"),
    ("integer", "Integer", "compression.post_training:build_integer"),
    ("int4w", "Weight", "compression.post_training:build_four_bits"),
    ("distil", "Distillation", "distillation.distillation:build"),
):
    PASSES.add(
        Entry(_name, f"sparse_rl.compression.options:{_options}Options", f"sparse_rl.{_build}")
    )
