/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "outfile.h"
#include "temp.h"
#include "test.h"

static struct diag diag;

static bool holds(const char *path, const char *want)
{
    char text[100] = "";
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    return n == strlen(want) && !strcmp(text, want);
}

static void appears_at_commit(void)
{
    struct outfile out;
    char path[400];
    strcpy(path, temp_path("new"));
    REQUIRE_OK(outfile_open(&out, path, &diag));
    fputs("text", out.stream);
    CHECK(access(path, F_OK) != 0);
    REQUIRE_OK(outfile_commit(&out, &diag));
    CHECK(holds(path, "text"));
    CHECK_EQ(temp_count(), 1);
    temp_clean();
}

static void replaces_and_keeps_the_mode(void)
{
    struct outfile out;
    char path[400];
    struct stat s;
    strcpy(path, temp_file("old", "old", 3));
    chmod(path, 0640);
    REQUIRE_OK(outfile_open(&out, path, &diag));
    fputs("new", out.stream);
    CHECK(holds(path, "old"));
    REQUIRE_OK(outfile_commit(&out, &diag));
    CHECK(holds(path, "new"));
    CHECK(stat(path, &s) == 0 && (s.st_mode & 0777) == 0640);
    CHECK_EQ(temp_count(), 1);
    temp_clean();
}

static void abort_leaves_the_old_file(void)
{
    struct outfile out;
    char path[400];
    strcpy(path, temp_file("old", "old", 3));
    REQUIRE_OK(outfile_open(&out, path, &diag));
    fputs("new", out.stream);
    outfile_abort(&out);
    CHECK(holds(path, "old"));
    CHECK_EQ(temp_count(), 1);
    temp_clean();
}

/* Two files, or none: all that can fail is tried before either has its name. */
static void flush_tells_before_commit(void)
{
    struct outfile good, bad;
    char path[400];
    strcpy(path, temp_file("old", "old", 3));
    REQUIRE_OK(outfile_open(&good, path, &diag));
    fputs("new", good.stream);
    CHECK_EQ(outfile_flush(&good, &diag), 0);
    CHECK(holds(path, "old"));
    REQUIRE_OK(outfile_open(&bad, "/dev/full", &diag));
    fputs("new", bad.stream);
    CHECK_EQ(outfile_flush(&bad, &diag), -ENOSPC);
    CHECK_EQ(outfile_commit(&bad, &diag), -ENOSPC);
    REQUIRE_OK(outfile_commit(&good, &diag));
    CHECK(holds(path, "new"));
    temp_clean();
}

static void follows_a_link(void)
{
    struct outfile out;
    char path[400], link[400];
    strcpy(path, temp_file("old", "old", 3));
    strcpy(link, temp_path("link"));
    REQUIRE(symlink(path, link) == 0);
    REQUIRE_OK(outfile_open(&out, link, &diag));
    fputs("new", out.stream);
    REQUIRE_OK(outfile_commit(&out, &diag));
    struct stat s;
    CHECK(holds(path, "new"));
    CHECK(lstat(link, &s) == 0 && S_ISLNK(s.st_mode));
    CHECK_EQ(temp_count(), 2);
    temp_clean();
}

/* A full disk, made with a limit on the size of files. */
static void full_disk(void)
{
    char path[400];
    strcpy(path, temp_file("old", "old", 3));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = { 100000, 100000 };
        signal(SIGXFSZ, SIG_IGN);
        CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        struct outfile out;
        CHILD_CHECK(outfile_open(&out, path, &diag) == 0);
        for (int i = 0; i < 100000; i++)
            fputs("text\n", out.stream);
        CHILD_CHECK(outfile_commit(&out, &diag) == -EFBIG);
        CHILD_CHECK(strstr(diag.text, "File too large") != NULL);
        CHILD_CHECK(outfile_open(&out, "/dev/full", &diag) == 0);
        fputs("text\n", out.stream);
        CHILD_CHECK(outfile_commit(&out, &diag) == -ENOSPC);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(holds(path, "old"));
    CHECK_EQ(temp_count(), 1);
    temp_clean();
}

static void cannot_be_opened(void)
{
    struct outfile out;
    CHECK_EQ(outfile_open(&out, "/nowhere/at/all", &diag), -ENOENT);
    CHECK_EQ(outfile_open(&out, "/tmp", &diag), -EISDIR);
    CHECK_EQ(outfile_open(&out, "", &diag), -ENOENT);
}

/* SIGKILL in the middle of writing. */
static void killed_while_writing(void)
{
    char path[400];
    strcpy(path, temp_file("old", "old", 3));
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct outfile out;
        CHILD_CHECK(outfile_open(&out, path, &diag) == 0);
        fputs("new", out.stream);
        fflush(out.stream);
        CHILD_CHECK(write(ready[1], "", 1) == 1);
        pause();
    }
    char byte;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    kill(child, SIGKILL);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    CHECK(holds(path, "old"));
    /* Where files can be nameless there is nothing left but the old one. */
    int fd = open("/tmp", O_TMPFILE | O_WRONLY, 0600);
    CHECK_EQ(temp_count(), fd < 0 ? 2 : 1);
    if (fd >= 0)
        close(fd);
    close(ready[0]);
    close(ready[1]);
    temp_clean();
}

/* As `tool -o - | head`: whoever read has gone, and nobody is to be told. */
static void the_reader_of_stdout_goes(void)
{
    struct outfile out;
    int pipes[2], saved = dup(STDOUT_FILENO);
    REQUIRE(saved >= 0 && pipe(pipes) == 0);
    fflush(NULL);
    signal(SIGPIPE, SIG_IGN);
    close(pipes[0]);
    dup2(pipes[1], STDOUT_FILENO);
    int opened = outfile_open(&out, "-", &diag);
    dup2(saved, STDOUT_FILENO);
    REQUIRE_OK(opened);
    fputs("text", out.stream);
    CHECK_EQ(outfile_flush(&out, &diag), 0);
    CHECK(ferror(out.stream) != 0);
    CHECK_EQ(outfile_commit(&out, &diag), 0);
    /* Another pipe that nobody reads is no standard output. */
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", pipes[1]);
    int err = outfile_open(&out, path, &diag);
    if (!err) { /* Linux opens a pipe without readers for writing only in this way */
        fputs("text", out.stream);
        CHECK_EQ(outfile_commit(&out, &diag), -EPIPE);
    }
    close(pipes[1]);
    close(saved);
    signal(SIGPIPE, SIG_DFL);
}

/* What an opening would say, without a trace. */
static void probe_changes_nothing(void)
{
    char path[400];
    strcpy(path, temp_file("old", "old", 3));
    CHECK_EQ(outfile_probe(path, &diag), 0);
    CHECK(holds(path, "old"));
    strcpy(path, temp_path("new"));
    CHECK_EQ(outfile_probe(path, &diag), 0);
    CHECK_EQ(temp_count(), 1);
    strcpy(path, temp_path("none/new"));
    CHECK_EQ(outfile_probe(path, &diag), -ENOENT);
    CHECK_EQ(outfile_probe("/tmp", &diag), -EISDIR);
    CHECK_EQ(outfile_probe("/dev/full", &diag), 0);
    CHECK_EQ(outfile_probe("-", &diag), 0);
    temp_clean();
}

TESTS("outfile", { "appears at commit", appears_at_commit },
      { "replaces and keeps the mode", replaces_and_keeps_the_mode },
      { "abort leaves the old file", abort_leaves_the_old_file },
      { "flush tells before commit", flush_tells_before_commit },
      { "follows a link", follows_a_link }, { "full disk", full_disk },
      { "cannot be opened", cannot_be_opened }, { "killed while writing", killed_while_writing },
      { "the reader of stdout goes", the_reader_of_stdout_goes },
      { "probe changes nothing", probe_changes_nothing })
