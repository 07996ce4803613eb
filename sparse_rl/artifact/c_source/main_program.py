"""The example program of a C artifact and its Makefile."""

from __future__ import annotations

from sparse_rl.architecture.operations import ArgMax
from sparse_rl.artifact.graph import Graph


def main_program(graph: Graph, scratch: bool) -> str:
    """main.c: observations from the standard input, actions to the standard output.

    What is no observation ends it with one line and status 1. With a `scratch` the arrays of the
    actor, which may be more than a stack holds, are not there.
    """
    discrete = isinstance(graph.output, ArgMax)
    floats = graph.observation.dtype == "float32"
    number = (
        "float number = strtof(word, &end)" if floats else "long number = strtol(word, &end, 10)"
    )
    noun = "a number" if floats else "a whole number"
    largest = 255 if graph.observation.dtype == "uint8" else 1
    range_check = (
        ""
        if floats
        else f"""
        if (number < 0 || number > {largest}) {{
            fprintf(stderr, "number %ld: found %s; allowed: 0 to {largest}\\n", count, word);
            return 1;
        }}"""
    )
    act = "srl_act_in(&scratch, " if scratch else "srl_act("
    return f"""\
/* Reads observations as text, SRL_OBSERVATION_SIZE numbers each, and prints one action per line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "srl_actor.h"

static srl_observation observation[SRL_OBSERVATION_SIZE];
static srl_action action[SRL_ACTION_SIZE];
{"static srl_scratch scratch;" + chr(10) if scratch else ""}
int main(void)
{{
    char word[128], *end;
    long count = 0;
    int i, n = 0;
    while (scanf("%127s", word) == 1) {{
        const {number};
        count++;
        if (*end || strlen(word) == sizeof word - 1) {{ /* a longer word would be read as two */
            fprintf(stderr, "number %ld: not {noun}\\n", count);
            return 1;
        }}{range_check}
        observation[n++] = (srl_observation)number;
        if (n < SRL_OBSERVATION_SIZE) continue;
        n = 0;
        if ({act}observation, action)) {{
            fprintf(stderr, "observation: a number is not finite, or too large to act on\\n");
            return 1;
        }}
        for (i = 0; i < SRL_ACTION_SIZE; i++) {{
            printf("{"%d" if discrete else "%.9g"}", action[i]);
            putchar(i + 1 < SRL_ACTION_SIZE ? ' ' : '\\n');
        }}
    }}
    if (ferror(stdin)) {{
        fprintf(stderr, "the observations cannot be read\\n");
        return 1;
    }}
    if (n) {{
        fprintf(stderr, "the last observation is incomplete: %d of %d numbers\\n", n,
                SRL_OBSERVATION_SIZE);
        return 1;
    }}
    if (fflush(stdout) || ferror(stdout)) {{
        fprintf(stderr, "the actions cannot be written\\n");
        return 1;
    }}
    return 0;
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
