"""A library for the Arduino IDE and arduino-cli."""

from __future__ import annotations

from collections.abc import Mapping

from sparse_rl.artifact.source_files import version

_PROPERTIES = """\
name=srl_actor
version={version}
author=sparse_rl
maintainer=sparse_rl
sentence={title}
paragraph=A neural network that acts, as C99. It allocates nothing and needs an int of 32 bits.
category=Data Processing
url=
architectures=*
includes=srl_actor.h
"""

_SKETCH = """\
// Asks the actor for its known answers, then acts on an observation of zeros, once a second.
#include <srl_actor.h>

static srl_observation observation[SRL_OBSERVATION_SIZE];
static srl_action action[SRL_ACTION_SIZE];
#ifdef SRL_SCRATCH_BYTES // a large actor has more arrays than a stack holds
static srl_scratch scratch;
static int selftest() { return srl_selftest_in(&scratch); }
static int act() { return srl_act_in(&scratch, observation, action); }
#else
static int selftest() { return srl_selftest(); }
static int act() { return srl_act(observation, action); }
#endif

void setup()
{
    Serial.begin(115200);
    const int wrong = selftest();
    if (wrong != 0) {
        Serial.print("known answer not given: ");
        Serial.println(wrong);
    } else {
        Serial.println("all known answers are given");
    }
}

void loop()
{
    const unsigned long start = micros();
    const int refused = act();
    const unsigned long taken = micros() - start;
    Serial.print(refused != 0 ? "refused" : "action");
    for (int i = 0; refused == 0 && i < SRL_ACTION_SIZE; i++) {
        Serial.print(" ");
        Serial.print(action[i]);
    }
    Serial.print(", microseconds: ");
    Serial.println(taken);
    delay(1000);
}
"""


def arduino(sources: Mapping[str, str], title: str) -> dict[str, str]:
    """The files of the library; the example asks for the known answers and acts.

    The IDE links src/ as an archive or drops what is not called, so the known answers cost a sketch
    nothing that does not ask for them.
    """
    return {
        "library.properties": _PROPERTIES.replace("{title}", title).replace("{version}", version()),
        "src/srl_actor.h": sources["srl_actor.h"],
        "src/srl_actor.c": sources["srl_actor.c"],
        "src/srl_selftest.c": sources["srl_selftest.c"],
        "examples/SelfTest/SelfTest.ino": _SKETCH,
    }
