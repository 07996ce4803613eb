/* What an actor calls of the C library's mathematics, where there is no C library. */
#ifndef SRL_MATH_H
#define SRL_MATH_H

float sqrtf(float x); /* an instruction of WebAssembly */
float tanhf(float x);

#endif
