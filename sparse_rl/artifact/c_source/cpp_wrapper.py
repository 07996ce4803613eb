"""srl_actor.hpp: the C interface in C++17, with sizes in its types."""

from __future__ import annotations

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact.graph import Graph


def cpp_wrapper(graph: Graph) -> str:
    """A header of inline functions: arrays of fixed sizes in, an optional action out."""
    if isinstance(graph.output, ArgMax):
        action, meaning = "srl_action", "The index of the largest output."
        given = "observation.data(), &action"
    else:
        action, meaning = "std::array<srl_action, SRL_ACTION_SIZE>", "In the environment's units."
        given = "observation.data(), action.data()"
    return f"""\
// srl_actor.h for C++17. Nothing is allocated and nothing is thrown.
#ifndef SRL_ACTOR_HPP
#define SRL_ACTOR_HPP

#include <array>
#include <optional>

#include "srl_actor.h"

namespace srl_actor {{

using Observation = std::array<srl_observation, SRL_OBSERVATION_SIZE>;
// {meaning}
using Action = {action};
using Outputs = std::array<float, SRL_OUTPUT_SIZE>;

// The action; nothing where the observation holds a number that is not finite, or is too large.
[[nodiscard]] inline std::optional<Action> act(const Observation &observation) noexcept
{{
    Action action{{}};
    if (srl_act({given}) != 0) return std::nullopt;
    return action;
}}

#ifdef SRL_SCRATCH_BYTES
// The same as below and above with its arrays in scratch and not on the stack.
[[nodiscard]] inline std::optional<Action> act(const Observation &observation,
                                               srl_scratch &scratch) noexcept
{{
    Action action{{}};
    if (srl_act_in(&scratch, {given}) != 0) return std::nullopt;
    return action;
}}

[[nodiscard]] inline std::optional<Outputs> outputs(const Observation &observation,
                                                    srl_scratch &scratch) noexcept
{{
    Outputs found{{}};
    if (srl_outputs_in(&scratch, observation.data(), found.data()) != 0) return std::nullopt;
    return found;
}}

[[nodiscard]] inline bool selftest(srl_scratch &scratch) noexcept
{{
    return srl_selftest_in(&scratch) == 0;
}}
#endif

// The last layer's outputs, before tanh or the choice of the largest; nothing as for act.
[[nodiscard]] inline std::optional<Outputs> outputs(const Observation &observation) noexcept
{{
    Outputs found{{}};
    if (srl_outputs(observation.data(), found.data()) != 0) return std::nullopt;
    return found;
}}

// Whether the known answers are given here; srl_selftest.c must be linked.
[[nodiscard]] inline bool selftest() noexcept
{{
    return srl_selftest() == 0;
}}

}}  // namespace srl_actor

#endif
"""
