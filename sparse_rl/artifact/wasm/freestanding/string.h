/* What an actor calls of the C library's memory functions: instructions of WebAssembly. */
#ifndef SRL_STRING_H
#define SRL_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);

#endif
