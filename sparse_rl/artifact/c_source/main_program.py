"""The example program of a C artifact and its Makefile."""

from __future__ import annotations

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact.graph import Graph


def main_program(graph: Graph) -> str:
    """main.c: observations from the standard input, actions to the standard output."""
    discrete = isinstance(graph.output, ArgMax)
    reading = "float" if graph.observation.dtype == "float32" else "int"
    scan = "%f" if reading == "float" else "%d"
    noun = "a number" if reading == "float" else "a whole number"
    largest = 255 if graph.observation.dtype == "uint8" else 1
    range_check = (
        ""
        if reading == "float"
        else f"""
        if (number < 0 || number > {largest}) {{
            fprintf(stderr, "number %ld: found %d; allowed: 0 to {largest}\\n", count, number);
            return 1;
        }}"""
    )
    return f"""\
/* Reads observations as text, SRL_OBSERVATION_SIZE numbers each, and prints one action per line. */
#include <stdio.h>

#include "srl_actor.h"

int main(void)
{{
    static srl_observation observation[SRL_OBSERVATION_SIZE];
    srl_action action[SRL_ACTION_SIZE];
    {reading} number;
    long count = 0;
    int i, n = 0, found;
    while ((found = scanf("{scan}", &number)) == 1) {{
        count++;{range_check}
        observation[n++] = (srl_observation)number;
        if (n < SRL_OBSERVATION_SIZE) continue;
        n = 0;
        if (srl_act(observation, action)) {{
            fprintf(stderr, "observation: a number is not finite\\n");
            return 1;
        }}
        for (i = 0; i < SRL_ACTION_SIZE; i++) {{
            printf("{"%d" if discrete else "%.9g"}", action[i]);
            putchar(i + 1 < SRL_ACTION_SIZE ? ' ' : '\\n');
        }}
    }}
    if (found != EOF) {{
        fprintf(stderr, "number %ld: not {noun}\\n", count + 1);
        return 1;
    }}
    if (n) fprintf(stderr, "the last observation is incomplete: %d numbers\\n", n);
    return n != 0;
}}
"""


MAKEFILE = """\
CC = cc
CFLAGS = -std=c99 -O3 -march=native -ffp-contract=off -Wall -Wextra -Wshadow -pedantic

example: main.c srl_actor.c srl_actor.h
\t$(CC) $(CFLAGS) -o $@ main.c srl_actor.c -lm

libsrl_actor.so: srl_actor.c srl_actor.h
\t$(CC) $(CFLAGS) -shared -fPIC -o $@ srl_actor.c -lm

clean:
\trm -f example libsrl_actor.so

.PHONY: clean
"""
