"""What the registry holds before anybody adds to it: names and where they are defined.

Only names: a module is imported when its entry is first used.
"""

from sparse_rl.registry import SUITES, Entry

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
