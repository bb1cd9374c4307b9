/* SPDX-License-Identifier: MIT */
/* Spill files that go: the name at once, the room soon, and nothing of what others still name. */
#include "spill_io.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES (3 * DROP_FILES)
#define FILE_BYTES (256u << 10)

static char dir_path[] = "/var/tmp/objstore-drop-XXXXXX";

static int make_dir(void)
{
    snprintf(dir_path, sizeof dir_path, "/var/tmp/objstore-drop-XXXXXX");
    REQUIRE(mkdtemp(dir_path) != NULL);
    int dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(dir >= 0);
    return dir;
}

/* A file with room for all its bytes, still open. */
static int make_file(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    REQUIRE(fd >= 0 && posix_fallocate(fd, 0, FILE_BYTES) == 0);
    return fd;
}

static blkcnt_t blocks_of(int fd)
{
    struct stat st;

    REQUIRE(fstat(fd, &st) == 0);
    return st.st_blocks;
}

static bool is_there(int dir, const char *name)
{
    return faccessat(dir, name, F_OK, 0) == 0;
}

/* More than are on their way at once. Who still has them open sees their blocks gone. */
static void room_of_many(void)
{
    struct io_dropper d = { .is_up = false };
    int dir = make_dir(), fds[FILES];
    char name[32];

    for (int i = 0; i < (int)FILES; i++) {
        snprintf(name, sizeof name, "f%d", i);
        fds[i] = make_file(dir, name);
        io_drop(&d, dir, name);
        CHECK(!is_there(dir, name));
    }
    if (!d.is_up)
        printf("    no io_uring here: the files are removed plainly\n");
    CHECK(d.is_up == io_drop_wait(&d));
    CHECK(!io_drop_wait(&d)); /* there are none any more */
    for (int i = 0; i < (int)FILES; i++) {
        CHECK(!d.is_up || blocks_of(fds[i]) == 0);
        close(fds[i]);
    }
    io_drop_end(&d);
    close(dir);
    CHECK_EQ(rmdir(dir_path), 0);
}

/* As long as reads are under way room waits, but not the name, nor who finds the disk full. */
static void room_waits_for_reads(void)
{
    struct io_dropper d = { .is_up = false };
    int dir = make_dir(), fds[3];
    char name[32];

    for (int round = 0; round < 2; round++) {
        io_drop_hold(&d, true);
        for (int i = 0; i < 3; i++) {
            snprintf(name, sizeof name, "f%d-%d", round, i);
            fds[i] = make_file(dir, name);
            io_drop(&d, dir, name);
            CHECK(!is_there(dir, name));
        }
        bool is_up = d.is_up;
        CHECK_EQ(d.count, is_up ? 3u : 0u);
        for (int i = 0; i < 3 && is_up; i++)
            CHECK(blocks_of(fds[i]) > 0);
        if (round == 0) {
            CHECK(d.is_up == io_drop_wait(&d));
        } else {
            io_drop_hold(&d, false);
            CHECK_EQ(d.count, 0u); /* all on their way */
            io_drop_end(&d);
        }
        for (int i = 0; i < 3; i++) {
            CHECK(!is_up || blocks_of(fds[i]) == 0);
            close(fds[i]);
        }
    }
    close(dir);
    CHECK_EQ(rmdir(dir_path), 0);
}

/* No more of it than that: the oldest goes. */
static void not_too_much_waits(void)
{
    struct io_dropper d = { .is_up = false };
    int dir = make_dir(), fds[4];
    char name[32];

    io_drop_hold(&d, true);
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "f%d", i);
        fds[i] = make_file(dir, name);
        REQUIRE(ftruncate(fds[i], DROP_BYTES / 3) == 0); /* a hole, but for its beginning */
        io_drop(&d, dir, name);
        CHECK_EQ(d.count, !d.is_up ? 0u : i < 3 ? (uint32_t)i + 1 : 3u);
    }
    io_drop_end(&d);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    close(dir);
    CHECK_EQ(rmdir(dir_path), 0);
}

/* Somebody gave it a second name, or put a link in its place: what that names stays whole. */
static void not_ours_alone(void)
{
    struct io_dropper d = { .is_up = false };
    int dir = make_dir(), fd = make_file(dir, "a");
    blkcnt_t blocks = blocks_of(fd);

    CHECK(blocks > 0);
    REQUIRE(linkat(dir, "a", dir, "b", 0) == 0);
    io_drop(&d, dir, "a");
    CHECK(!is_there(dir, "a"));
    REQUIRE(symlinkat("b", dir, "c") == 0);
    io_drop(&d, dir, "c");
    CHECK(!is_there(dir, "c"));
    REQUIRE(mkfifoat(dir, "p", 0600) == 0);
    io_drop(&d, dir, "p");
    CHECK(!is_there(dir, "p"));
    io_drop(&d, dir, "never");
    (void)io_drop_wait(&d);
    CHECK_EQ(blocks_of(fd), blocks);
    CHECK_EQ(unlinkat(dir, "b", 0), 0);
    close(fd);
    io_drop_end(&d);
    close(dir);
    CHECK_EQ(rmdir(dir_path), 0);
}

/* Another thread of the process has the ring, or it was refused: all is done plainly. */
static void plainly(void)
{
    struct io_dropper d = { .is_refused = true };
    int dir = make_dir();

    close(make_file(dir, "refused"));
    io_drop(&d, dir, "refused");
    CHECK(!is_there(dir, "refused") && !d.is_up);
    d.is_refused = false;
    au32_store_release(&d.busy, 1);
    close(make_file(dir, "busy"));
    io_drop(&d, dir, "busy");
    CHECK(!is_there(dir, "busy") && !d.is_up);
    CHECK(!io_drop_wait(&d));
    au32_store_release(&d.busy, 0);
    io_drop_end(&d);
    close(dir);
    CHECK_EQ(rmdir(dir_path), 0);
}

TESTS("spill files that go", { "the room of many", room_of_many },
      { "room waits for reads", room_waits_for_reads }, { "but not too much", not_too_much_waits },
      { "not of what has another name", not_ours_alone }, { "plainly", plainly })
