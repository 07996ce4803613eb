"""What the registry holds before anybody adds to it: names and where they are defined.

Only names: a module is imported when its entry is first used.
"""

from sparse_rl.registry import AGENTS, METHODS, NETWORKS, SUITES, Entry

AGENTS.add(Entry("sac", "sparse_rl.agents.options:SACOptions", "sparse_rl.agents.build:sac"))
AGENTS.add(Entry("dqn", "sparse_rl.agents.options:DQNOptions", "sparse_rl.agents.build:dqn"))

METHODS.add(
    Entry(
        "gradual",
        "sparse_rl.sparsity.options:GradualOptions",
        "sparse_rl.sparsity.method:GradualPruning",
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
    "atari": "atari_suite",
    "brax": "brax_suite",
    "gymnasium": "gymnasium_suite",
    "gymnax": "gymnax_suite",
    "mujoco": "mujoco_suite",
    "probe": "probes",
    "synthetic": "probes",
}.items():
    SUITES.add(Entry(_name, None, f"sparse_rl.envs.{_module}"))
