/* SPDX-License-Identifier: MIT */
/* server.h -- a peer that is a server of its own: started on a unix socket, ended with us. */
#ifndef BENCH_STORE_SERVER_H
#define BENCH_STORE_SERVER_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../ops.h"

static pid_t server_pid;

static char *server_path(void)
{
    static char path[64];

    if (!path[0])
        snprintf(path, sizeof path, "/tmp/bench-store-%d.sock", (int)getpid());
    return path;
}

/* A connection, or -1. */
static int server_connect(void)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strncpy(to.sun_path, server_path(), sizeof to.sun_path - 1);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void server_stop(void)
{
    kill(server_pid, SIGKILL);
    waitpid(server_pid, NULL, 0);
    unlink(server_path());
}

/* True once it answers on its socket. */
static bool server_start(const char *const *argv)
{
    server_pid = fork();
    if (server_pid == 0) {
        int null = open("/dev/null", O_RDWR);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    for (int tries = 0; tries < 500; tries++) {
        struct timespec pause = { 0, 10000000 };
        int fd = server_connect();

        if (fd >= 0) {
            close(fd);
            return true;
        }
        if (waitpid(server_pid, NULL, WNOHANG) == server_pid)
            return false;
        nanosleep(&pause, NULL);
    }
    server_stop();
    return false;
}

#endif
