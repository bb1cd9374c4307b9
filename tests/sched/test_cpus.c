/* SPDX-License-Identifier: MIT */
/* How many CPUs quotas leave, in trees of files like those of cgroups of both versions. */
#include "cpus.h"
#include "test.h"
#include "wsched.h"

#include <sys/stat.h>

static char root[64], list[80];

/* A file of the tree, and the folders on its way. */
static void write_file(const char *path, const char *text)
{
    char name[256];

    snprintf(name, sizeof name, "%s/%s", root, path);
    for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        (void)mkdir(name, 0700);
        *slash = '/';
    }
    FILE *f = fopen(name, "w");
    REQUIRE(f && fputs(text, f) >= 0 && !fclose(f));
}

static void begin(const char *groups)
{
    snprintf(root, sizeof root, "/tmp/test-cpus-XXXXXX");
    REQUIRE(mkdtemp(root) != NULL);
    snprintf(list, sizeof list, "%s/list", root);
    write_file("list", groups);
}

static void end_with(uint32_t cpus)
{
    char command[80];

    CHECK_EQ(cpus_of_cgroups(list, root), cpus);
    snprintf(command, sizeof command, "rm -r %s", root);
    CHECK_EQ(system(command), 0);
}

/* Version 2: cpu.max, a quota and a period. */
static void version_2(void)
{
    begin("0::/a/b/c\n");
    write_file("a/b/c/cpu.max", "max 100000\n");
    write_file("a/b/cpu.max", "250000 100000\n"); /* rounded up */
    write_file("a/cpu.max", "800000 100000\n");
    end_with(3);

    begin("0::/a\n");
    write_file("a/cpu.max", "1000 100000\n"); /* a hundredth is one */
    end_with(1);

    begin("0::/\n");
    write_file("cpu.max", "200000 50000\n"); /* a container sees its own group as the root */
    end_with(4);
}

/* Version 1: a hierarchy for the CPU, alone or together with the accounting. */
static void version_1(void)
{
    begin("12:memory:/m\n4:cpu:/a/b\n");
    write_file("cpu/a/b/cpu.cfs_quota_us", "-1\n");
    write_file("cpu/a/b/cpu.cfs_period_us", "100000\n");
    write_file("cpu/a/cpu.cfs_quota_us", "150000\n");
    write_file("cpu/a/cpu.cfs_period_us", "100000\n");
    write_file("m/cpu.max", "100000 100000\n"); /* another hierarchy's */
    end_with(2);

    begin("4:cpuacct,cpu:/a\n0::/b\n");
    write_file("cpu,cpuacct/a/cpu.cfs_quota_us", "500000\n");
    write_file("cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    write_file("b/cpu.max", "600000 100000\n"); /* of both the least */
    end_with(5);

    begin("4:cpu:/\n");
    write_file("cpu/cpu.cfs_quota_us", "300000\n");
    write_file("cpu/cpu.cfs_period_us", "100000\n");
    end_with(3);

    begin("4:cpuset:/a\n"); /* not the same */
    write_file("cpu/a/cpu.cfs_quota_us", "100000\n");
    write_file("cpu/a/cpu.cfs_period_us", "100000\n");
    end_with(UINT32_MAX);
}

static void no_limit(void)
{
    begin("0::/gone\n");
    end_with(UINT32_MAX);

    begin("nonsense\n:\n1:\n0::\n3:cpu:\n");
    end_with(UINT32_MAX);

    begin("0::/a\n");
    write_file("a/cpu.max", "not a number\n");
    end_with(UINT32_MAX);

    begin("4:cpu:/a\n");
    write_file("cpu/a/cpu.cfs_quota_us", "100000\n"); /* without a period */
    end_with(UINT32_MAX);

    CHECK_EQ(cpus_of_cgroups("/tmp/no/such/list", "/tmp/no/such/root"), UINT32_MAX);
    CHECK(wsched_cpus() >= 1);
}

TESTS("wsched: CPUs", { "quotas of cgroups, version 2", version_2 },
      { "quotas of cgroups, version 1, and of both", version_1 },
      { "no limit, and what cannot be read", no_limit })
