/* SPDX-License-Identifier: MIT */
/* What workers print reaches the driver's descriptor, by lines, and never holds a worker up. */
#define _GNU_SOURCE /* pipe2 */
#include "kit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Writes its payload as it is; the result is its pid. */
static int say(struct wsched_task *task, void *ctx)
{
    size_t size;
    const char *text = wsched_task_payload(task, &size);
    long pid = getpid();

    (void)ctx;
    while (size > 0) {
        ssize_t n = write(STDOUT_FILENO, text, size);
        if (n < 0)
            return -errno;
        text += n;
        size -= (size_t)n;
    }
    return wsched_task_result(task, &pid, sizeof pid);
}

/* Leaves a line unfinished in its first attempt, and dies. */
static int die_in_line(struct wsched_task *task, void *ctx)
{
    bool is_first = wsched_task_attempt(task) == 1;

    (void)ctx;
    if (is_first ? write(STDERR_FILENO, "half a li", 9) != 9
                 : write(STDERR_FILENO, "whole\n", 6) != 6)
        return -errno;
    if (is_first)
        kill(getpid(), SIGKILL);
    return 0;
}

/* Numbered lines, to standard error, which has no buffer. */
static int many(struct wsched_task *task, void *ctx)
{
    const int *n = wsched_task_payload(task, NULL);

    (void)ctx;
    for (int i = 0; i < *n; i++)
        if (fprintf(stderr, "line %d of those that fill a pipe\n", i) < 0)
            return -errno;
    return 0;
}

static int print(struct wsched_task *task, void *ctx)
{
    const char *text = wsched_task_payload(task, NULL);

    (void)ctx;
    return fputs(text, stdout) < 0 ? -errno : 0;
}

static const struct wsched_kernel kernels[] = {
    { "say", say, NULL },
    { "die_in_line", die_in_line, NULL },
    { "many", many, NULL },
    { "print", print, NULL },
};

static struct wsched *open_to(int fd, uint32_t workers)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool = NULL;

    o.workers = workers;
    o.output_fd = fd;
    o.payload_max = 1 << 16;
    REQUIRE_OK(wsched_open(&o, kernels, sizeof kernels / sizeof *kernels, &pool));
    return pool;
}

static FILE *from;
static int into;

static struct wsched *open_piped(uint32_t workers)
{
    int ends[2];

    REQUIRE(!pipe2(ends, O_CLOEXEC));
    struct wsched *pool = open_to(ends[1], workers);
    into = ends[1];
    from = fdopen(ends[0], "r");
    REQUIRE(from != NULL);
    return pool;
}

static void close_piped(struct wsched *pool)
{
    wsched_close(pool);
    close(into);
    fclose(from);
}

static long said(struct wsched *pool, const char *text)
{
    return kit_long(pool, kit_submit(pool, "say", text, strlen(text)));
}

/* The next line, without its newline; "" at the end. */
static const char *line(void)
{
    static char text[1 << 16];

    if (!fgets(text, sizeof text, from))
        return "";
    text[strcspn(text, "\n")] = 0;
    return text;
}

static void expect(const char *kernel, long pid, const char *text)
{
    char want[20000];
    const char *got = line();

    snprintf(want, sizeof want, "(%s pid=%ld) %s", kernel, pid, text);
    if (strcmp(got, want))
        fprintf(stderr, "got '%.300s', not '%.300s'\n", got, want);
    CHECK(!strcmp(got, want));
}

static void lines_name_kernel_and_pid(void)
{
    struct wsched *pool = open_piped(1);
    long pid = said(pool, "one\ntwo\n");

    CHECK(pid > 0 && pid != getpid());
    expect("say", pid, "one");
    expect("say", pid, "two");
    CHECK_EQ(said(pool, "be"), pid); /* a line of three tasks */
    CHECK_EQ(said(pool, "gin"), pid);
    CHECK_EQ(said(pool, "ning\r\nbar 1\rbar 2\n\nlast"), pid);
    expect("say", pid, "beginning");
    expect("say", pid, "bar 1");
    expect("say", pid, "bar 2");
    expect("say", pid, "");
    wsched_close(pool); /* what was not finished is told at the end */
    close(into);
    expect("say", pid, "last");
    CHECK(!strcmp(line(), ""));
    fclose(from);
}

/* Kernels that end right after they printed, one after the other: each has its own lines. */
static void each_kernel_has_its_lines(void)
{
    struct wsched *pool = open_piped(1);
    struct wsched_future f[400];
    bool seen[400] = { false };
    char want[40];

    for (int i = 0; i < 400; i++) {
        snprintf(want, sizeof want, "%s %d\n", i % 3 ? "say" : "print", i);
        f[i] = kit_submit(pool, i % 3 ? "say" : "print", want, strlen(want) + (i % 3 == 0));
    }
    for (int i = 0; i < 400; i++) { /* in whatever order they ran */
        char kernel[8] = "", text[8] = "";
        int pid, number = 0;
        CHECK_EQ(sscanf(line(), "(%7s pid=%d) %7s %d", kernel, &pid, text, &number), 4);
        CHECK(number >= 0 && number < 400 && !seen[number]);
        CHECK(!strcmp(kernel, text) && !strcmp(kernel, number % 3 ? "say" : "print"));
        seen[number % 400] = true;
    }
    for (int i = 0; i < 400; i++)
        CHECK_EQ(kit_wait(pool, f[i]), 0);
    close_piped(pool);
}

static void stdio_is_by_lines(void)
{
    struct wsched *pool = open_piped(1);
    struct wsched_future f = kit_submit(pool, "print", "shown\nkept", 11);

    CHECK_EQ(kit_wait(pool, f), 0);
    const char *got = line();
    CHECK(!strncmp(got, "(print pid=", 11) && strstr(got, ") shown"));
    wsched_close(pool);
    close(into);
    CHECK(strstr(line(), ") kept") != NULL);
    fclose(from);
}

static void a_dead_workers_line_is_its_own(void)
{
    struct wsched *pool = open_piped(1);
    struct wsched_death death;
    uint64_t cursor = 0;

    CHECK_EQ(kit_wait(pool, kit_submit(pool, "die_in_line", NULL, 0)), 0);
    REQUIRE(wsched_next_death(pool, &cursor, &death) == 1);
    expect("die_in_line", death.pid, "half a li [its worker died]");
    const char *got = line();
    CHECK(!strncmp(got, "(die_in_line pid=", 17) &&
          strstr(got, ") whole") == got + strlen(got) - 7);
    close_piped(pool);
}

static void long_lines_come_in_pieces(void)
{
    struct wsched *pool = open_piped(1);
    char text[10001], piece[4100];

    memset(text, 'x', sizeof text - 1);
    text[9999] = '\n';
    text[10000] = 0;
    long pid = said(pool, text);
    memset(piece, 'x', 4096);
    memcpy(piece + 4096, "\\", 2);
    expect("say", pid, piece);
    expect("say", pid, piece);
    piece[9999 - 2 * 4096] = 0;
    expect("say", pid, piece);
    text[4096] = '\n'; /* exactly full: one piece */
    text[4097] = 0;
    CHECK_EQ(said(pool, text), pid);
    piece[9999 - 2 * 4096] = 'x';
    piece[4096] = 0;
    expect("say", pid, piece);
    close_piped(pool);
}

static void bytes_that_disturb_are_spelt(void)
{
    static const char bytes[] = "a\0b\x01\x7f\tc\x1b[1mbold\x1b]0;title\xc3\xa9\xff\n";
    struct wsched *pool = open_piped(1);
    long pid = kit_long(pool, kit_submit(pool, "say", bytes, sizeof bytes - 1));

    expect("say", pid, "a\\x00b\\x01\\x7f\tc\x1b[1mbold\\x1b]0;title\xc3\xa9\xff");
    close_piped(pool);
}

static void repeated_lines_are_folded(void)
{
    struct wsched *pool = open_piped(1);
    long pid = 0;

    for (int i = 0; i < 8; i++)
        pid = said(pool, "the same\n");
    CHECK_EQ(said(pool, "another\n"), pid);
    expect("say", pid, "the same");
    expect("say", pid, "another");
    expect("say", pid, "the same [repeated 7x]"); /* by itself, after its time */
    for (int i = 0; i < 3; i++)
        CHECK_EQ(said(pool, "once more\n"), pid);
    wsched_close(pool); /* at the latest */
    close(into);
    expect("say", pid, "once more");
    expect("say", pid, "once more [repeated 2x]");
    CHECK(!strcmp(line(), ""));
    fclose(from);
}

/* More different lines than are remembered: nothing is lost, counts are told when they give way. */
static void folding_loses_nothing(void)
{
    struct wsched *pool = open_piped(1);
    unsigned told = 0;
    char text[100];

    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "number %d\n", i % 100);
        said(pool, text);
        said(pool, text);
    }
    wsched_close(pool);
    close(into);
    for (const char *got = line(); *got; got = line()) {
        const char *again = strstr(got, "[repeated ");
        told += again ? (unsigned)strtoul(again + 10, NULL, 10) : 1;
    }
    CHECK_EQ(told, 600);
    fclose(from);
}

/* 40,000 lines, over a megabyte, into a pipe that nobody reads before the task is over. */
static void a_worker_never_waits_for_the_reader(void)
{
    struct wsched *pool = open_piped(1);
    unsigned long next = 0, lines = 0, dropped = 0;

    CHECK_EQ(kit_wait(pool, kit_submit(pool, "many", &(int){ 40000 }, sizeof(int))), 0);
    said(pool, "after\n");
    bool is_over = false, is_asked = false;
    while (!is_over) {
        const char *got = line(), *at = strstr(got, ") line ");
        unsigned long n;
        if (sscanf(got, "(%lu lines of output were dropped)", &n) == 1) {
            dropped += n;
        } else if (at) {
            unsigned long number = strtoul(at + 7, NULL, 10);
            CHECK(number >= next);
            next = number + 1;
            lines++;
        } else {
            CHECK(strstr(got, ") after") != NULL);
            is_over = true;
        }
        if (!is_asked && lines + dropped >= 1000) { /* the first one may have been dropped */
            said(pool, "after\n");
            is_asked = true;
        }
    }
    CHECK(lines > 100 && dropped > 0);
    CHECK(lines + dropped == 40000 || lines + dropped == 40001);
    close_piped(pool);
}

static void a_reader_that_has_gone_disturbs_nobody(void)
{
    struct wsched *pool = open_piped(2);

    fclose(from);
    close(into);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(kit_wait(pool, kit_submit(pool, "many", &(int){ 100 }, sizeof(int))), 0);
    struct wsched_stats s;
    REQUIRE_OK(wsched_stats(pool, &s));
    CHECK_EQ(s.worker_deaths, 0);
    wsched_close(pool);
}

static void files_and_sockets_will_do(void)
{
    char path[] = "/tmp/wsched-output-XXXXXX";
    int fd = mkstemp(path), ends[2];
    long pids[2];

    REQUIRE(fd >= 0 && !socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    struct wsched *pool = open_to(fd, 1);
    pids[0] = said(pool, "to a file\n");
    wsched_close(pool);
    from = fopen(path, "r");
    REQUIRE(from != NULL);
    expect("say", pids[0], "to a file");
    fclose(from);
    close(fd);
    unlink(path);
    pool = open_to(ends[1], 1);
    pids[1] = said(pool, "to a socket\n");
    from = fdopen(ends[0], "r");
    REQUIRE(from != NULL);
    expect("say", pids[1], "to a socket");
    wsched_close(pool);
    close(ends[1]);
    fclose(from);
}

static void a_new_supervisor_goes_on(void)
{
    struct wsched *pool = open_piped(1);
    struct wsched_info info;
    char old[40];

    long pid = said(pool, "before\n"), next;
    expect("say", pid, "before");
    REQUIRE_OK(wsched_info(pool, &info));
    kill(info.supervisor, SIGKILL);
    do /* the worker may outlive it by a moment, and then prints to nobody */
        next = said(pool, "after\n");
    while (next == pid);
    snprintf(old, sizeof old, "(say pid=%ld) ", pid);
    const char *got = line();
    while (!strncmp(got, old, strlen(old)))
        got = line();
    snprintf(old, sizeof old, "(say pid=%ld) after", next);
    CHECK(!strcmp(got, old));
    close_piped(pool);
}

static void refuses_what_is_no_descriptor(void)
{
    struct wsched_options o = WSCHED_OPTIONS_INIT;
    struct wsched *pool;

    o.workers = 1;
    o.output_fd = 1000000;
    CHECK_EQ(wsched_open(&o, kernels, 1, &pool), -EBADF);
    o.output_fd = -1;
    CHECK_EQ(wsched_open(&o, kernels, 1, &pool), -EINVAL);
}

TESTS("output", { "lines name kernel and pid", lines_name_kernel_and_pid },
      { "each kernel has its lines", each_kernel_has_its_lines },
      { "stdio is by lines", stdio_is_by_lines },
      { "a dead worker's line is its own", a_dead_workers_line_is_its_own },
      { "long lines come in pieces", long_lines_come_in_pieces },
      { "bytes that disturb are spelt", bytes_that_disturb_are_spelt },
      { "repeated lines are folded", repeated_lines_are_folded },
      { "folding loses nothing", folding_loses_nothing },
      { "a worker never waits for the reader", a_worker_never_waits_for_the_reader },
      { "a reader that has gone disturbs nobody", a_reader_that_has_gone_disturbs_nobody },
      { "files and sockets will do", files_and_sockets_will_do },
      { "a new supervisor goes on", a_new_supervisor_goes_on },
      { "refuses what is no descriptor", refuses_what_is_no_descriptor })
