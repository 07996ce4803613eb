/* Where a page writes observations and reads actions: addresses that the module exports. */
#include "srl_actor.h"

srl_observation srl_observations[SRL_PLACES * SRL_OBSERVATION_SIZE];
srl_action srl_actions[SRL_PLACES * SRL_ACTION_SIZE];
float srl_last_outputs[SRL_OUTPUT_SIZE];
