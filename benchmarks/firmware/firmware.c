/* Runs the actor on embedded observations; prints stack depth, timer ticks and actions as hex. */
#include <stdint.h>
#include <string.h>
#include "srl_actor.h"

OBSERVATIONS

extern uint32_t stack_top, stack_bottom;
void reset(void);

__attribute__((section(".vectors"), used)) static void *const vectors[] = {
    (void *)&stack_top, (void *)reset, (void *)reset, (void *)reset,
};

#define REGISTER(address) (*(volatile uint32_t *)(address))

static void semihosting(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void print(uint32_t value)
{
    char text[10];
    int i;
    for (i = 0; i < 8; i++) text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    text[8] = '\n';
    text[9] = 0;
    semihosting(4, text);
}

static uint32_t elapsed(uint32_t before) { return (before - REGISTER(0xe000e018u)) & 0xffffffu; }

/* 100,000 rounds of four instructions. */
static uint32_t known_loop(void)
{
    const uint32_t before = REGISTER(0xe000e018u);
    __asm__ volatile("ldr r2, =100000\n1: nop\nnop\nsubs r2, #1\nbne 1b\n" : : : "r2", "cc");
    return elapsed(before);
}

__attribute__((noinline)) static uint32_t stack_depth(void)
{
    static srl_action action[SRL_ACTION_SIZE];
    uint32_t marker, *low = &stack_bottom, *high = &marker - 16, *p;
    for (p = low; p < high; p++) *p = 0xa5a5a5a5u;
    srl_act((const srl_observation *)observations, action);
    for (p = low; p < high && *p == 0xa5a5a5a5u; p++) { }
    return (uint32_t)((char *)&marker - (char *)p);
}

void reset(void)
{
    static srl_action action[SRL_ACTION_SIZE];
    uint32_t ticks = 0, before, bits;
    int i, k;
    REGISTER(0xe000ed88u) |= 0xfu << 20; /* the floating point unit */
    __asm__ volatile("dsb\nisb\n");
    REGISTER(0xe000e014u) = 0xffffffu; /* SysTick: reload, clear, run from the processor clock */
    REGISTER(0xe000e018u) = 0;
    REGISTER(0xe000e010u) = 5;
    print(stack_depth());
    for (k = 0; k < NUMBER; k++) {
        before = REGISTER(0xe000e018u);
        srl_act((const srl_observation *)observations + k * SRL_OBSERVATION_SIZE, action);
        ticks += elapsed(before);
    }
    print(ticks);
    print(known_loop());
    for (k = 0; k < NUMBER; k++) {
        srl_act((const srl_observation *)observations + k * SRL_OBSERVATION_SIZE, action);
        for (i = 0; i < SRL_ACTION_SIZE; i++) {
            memcpy(&bits, action + i, 4);
            print(bits);
        }
    }
    semihosting(4, "done");
    semihosting(0x18, (void *)0x20026);
    for (;;) { }
}
