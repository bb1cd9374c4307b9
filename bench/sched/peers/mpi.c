/* SPDX-License-Identifier: MIT */
/*
 * mpi.c -- one round of MPI as master and one worker (two ranks on two CPUs: both spin). With two
 * workers and a master on two CPUs it is ten times slower.
 */
#include <mpi.h>
#include <sys/resource.h>

#include "../cases.h"

#define TASKS 1000000
#define WINDOW 8
#define TRIPS 20000

enum { TASK = 1, DONE, STOP };
static const char *const impl = "MPI (1 worker)";

static void work(void)
{
    for (;;) {
        MPI_Status status;
        int task;
        MPI_Recv(&task, 1, MPI_INT, 0, MPI_ANY_TAG, MPI_COMM_WORLD, &status);
        if (status.MPI_TAG == STOP)
            break;
        MPI_Send(&task, 1, MPI_INT, 0, DONE, MPI_COMM_WORLD);
    }
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    double s = (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6;
    MPI_Send(&s, 1, MPI_DOUBLE, 0, DONE, MPI_COMM_WORLD);
}

static double many_ns(int count)
{
    int64_t begin = now_ns();

    for (int i = 0; i < count + WINDOW; i++) {
        int back;
        if (i >= WINDOW)
            MPI_Recv(&back, 1, MPI_INT, 1, DONE, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        if (i < count)
            MPI_Send(&i, 1, MPI_INT, 1, TASK, MPI_COMM_WORLD);
    }
    return (double)(now_ns() - begin);
}

static void trips(const char *name, int count, long gap_ns)
{
    static double us[TRIPS];

    for (int i = 0; i < count; i++) {
        int back;
        if (gap_ns)
            nanosleep(&(struct timespec){ 0, gap_ns }, NULL);
        int64_t begin = now_ns();
        MPI_Send(&i, 1, MPI_INT, 1, TASK, MPI_COMM_WORLD);
        MPI_Recv(&back, 1, MPI_INT, 1, DONE, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        us[i] = (double)(now_ns() - begin) / 1e3;
    }
    say_trips(impl, name, us, count);
}

static void master(void)
{
    int64_t begin = now_ns();
    int stop = 0;
    double cpu_s;

    say(impl, CASE_EMPTY, "throughput", "M/s", "higher", TASKS / many_ns(TASKS) * 1e3);
    say(impl, CASE_MILLION, "time", "s", "lower", many_ns(1000000) / 1e9);
    say(impl, CASE_FAN, "time", "us", "lower", many_ns(FAN) / 1e3);
    trips(CASE_HOT, TRIPS, 0);
    trips(CASE_COLD, 100, 3000000);
    nanosleep(&(struct timespec){ 1, 0 }, NULL);
    MPI_Send(&stop, 1, MPI_INT, 1, STOP, MPI_COMM_WORLD);
    MPI_Recv(&cpu_s, 1, MPI_DOUBLE, 1, DONE, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    say(impl, CASE_IDLE, "CPU of the pool", "%", "lower",
        cpu_s / ((double)(now_ns() - begin) / 1e9) * 100); /* it never sleeps */
}

int main(int argc, char **argv)
{
    int rank;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank)
        work();
    else
        master();
    MPI_Finalize();
    return 0;
}
