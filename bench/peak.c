/* Prints the GFLOP/s that fused multiply-adds reach on all cores at once: the ceiling for any product.
 *
 * Usage: peak SECONDS. Compiled for the machine it runs on (-O3 -march=native -pthread), so that the widest
 * vectors are used. Nothing but registers is touched: memory cannot hold the figure back.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif

typedef double vec __attribute__((vector_size(WIDTH)));

/* Two pipes of latency four need eight independent chains; twelve leave room and still fit 16 registers. */
enum { CHAINS = 12, BLOCK = 100000, MAX_THREADS = 1024 };

static const double flops_per_block = 2.0 * CHAINS * BLOCK * (WIDTH / sizeof(double));

/* Volatile, so that the compiler can neither fold the recurrence nor drop it. */
static volatile double factor = 0.999999, term = 1e-6, sink;
static double run_seconds;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *work(void *result) {
    vec chains[CHAINS], x = {0}, y = {0};
    x += factor;
    y += term;
    for (int c = 0; c < CHAINS; c++) chains[c] = y * (double)c;
    double start = now(), elapsed;
    double blocks = 0;
    do {
        for (int i = 0; i < BLOCK; i++) {
#pragma GCC unroll 12
            for (int c = 0; c < CHAINS; c++) chains[c] = chains[c] * x + y;
        }
        blocks++;
        elapsed = now() - start;
    } while (elapsed < run_seconds);
    for (int c = 1; c < CHAINS; c++) chains[0] += chains[c];
    sink = chains[0][0];
    *(double *)result = blocks * flops_per_block / elapsed / 1e9;
    return NULL;
}

int main(int argc, char **argv) {
    cpu_set_t cpus;
    static pthread_t threads[MAX_THREADS];
    static double gflops[MAX_THREADS];
    run_seconds = argc > 1 ? atof(argv[1]) : 1.0;
    /* The cores this process may use, which in a container are fewer than the machine has. */
    int count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    if (count > MAX_THREADS) count = MAX_THREADS;
    for (int i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, work, &gflops[i]) != 0) return 1;
    }
    double sum = 0;
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        sum += gflops[i];
    }
    printf("{\"gflops\": %.2f, \"threads\": %d, \"vectorBits\": %d}\n", sum, count, WIDTH * 8);
    return 0;
}
