/* SPDX-License-Identifier: MIT */
/* test_timeline.c -- what becomes of events: attempts, nesting, steals, deaths, hostile labels. */
#include "temp.h"
#include "test.h"
#include "timeline.h"

#define NS_PER_US 1000u

static struct timeline t;

static void put(uint32_t kind, uint64_t us, uint32_t worker, int32_t pid, uint64_t task,
                uint32_t attempt, const char *kernel, const char *label)
{
    struct wsched_event e = { .time_ns = us * NS_PER_US,
                              .kind = kind,
                              .worker = worker,
                              .pid = pid,
                              .attempt = attempt,
                              .task = { task },
                              .kernel = kernel };
    snprintf(e.label, sizeof e.label, "%s", label);
    REQUIRE_OK(timeline_event(&e, &t));
}

static void died(uint64_t us, uint32_t worker, int32_t pid, int signal, const char *kernel)
{
    struct wsched_death d = {
        .time_ns = us * NS_PER_US, .worker = worker, .pid = pid, .signal = signal, .exit_code = -1
    };
    snprintf(d.kernel, sizeof d.kernel, "%s", kernel);
    REQUIRE_OK(timeline_death(&t, &d));
}

#define HOSTILE "</script>\"\\<b>&'\x01\xff"

/* Two workers; worker 1's process 21 dies at task 3, which 22 runs again; 4 runs inside 2. Rings
 * come one after another, so the order is not that of time. */
static void scene(void)
{
    t = (struct timeline){ 0 };
    timeline_begin(&t);
    put(WSCHED_EVENT_SUBMITTED, 90, UINT32_MAX, 10, 1, 1, "add", "");
    put(WSCHED_EVENT_SUBMITTED, 95, UINT32_MAX, 10, 2, 1, "walk", HOSTILE);
    put(WSCHED_EVENT_SUBMITTED, 95, UINT32_MAX, 10, 3, 1, "add", "");
    put(WSCHED_EVENT_STARTED, 100, 0, 20, 1, 1, "add", "");
    put(WSCHED_EVENT_FINISHED, 150, 0, 20, 1, 1, "add", "");
    put(WSCHED_EVENT_STARTED, 160, 0, 20, 2, 1, "walk", HOSTILE);
    put(WSCHED_EVENT_SUBMITTED, 165, 0, 20, 4, 1, "add", "inner");
    put(WSCHED_EVENT_STARTED, 170, 0, 20, 4, 1, "add", "inner");
    put(WSCHED_EVENT_FAILED, 180, 0, 20, 4, 1, "add", "inner");
    put(WSCHED_EVENT_FINISHED, 300, 0, 20, 2, 1, "walk", HOSTILE);
    put(WSCHED_EVENT_STARTED, 110, 1, 21, 3, 1, "add", "");
    put(WSCHED_EVENT_DIED, 210, 1, 21, 3, 1, "add", "");
    put(WSCHED_EVENT_STOLEN, 230, 1, 22, 3, 2, "add", "");
    put(WSCHED_EVENT_STARTED, 230, 1, 22, 3, 2, "add", "");
    put(WSCHED_EVENT_FINISHED, 250, 1, 22, 3, 2, "add", "");
    put(WSCHED_EVENT_FINISHED, 255, 1, 22, 9, 1, "add", "its start was overwritten");
    put(WSCHED_EVENT_STARTED, 280, 1, 22, 5, 1, "add", "open");
    died(209, 1, 21, 9, "add");
    REQUIRE_OK(timeline_finish(&t));
}

static void attempts_become_bars(void)
{
    static const struct {
        uint64_t task, start, end;
        uint32_t worker, attempt, depth;
        enum bar_end how;
        bool stolen;
    } want[] = {
        { 1, 100, 150, 0, 1, 0, BAR_DONE, false },   { 2, 160, 300, 0, 1, 0, BAR_DONE, false },
        { 4, 170, 180, 0, 1, 1, BAR_FAILED, false }, { 3, 110, 210, 1, 1, 0, BAR_DIED, false },
        { 3, 230, 250, 1, 2, 0, BAR_DONE, true },    { 5, 280, 300, 1, 1, 0, BAR_RUNNING, false },
    };

    scene();
    CHECK_EQ(t.count, 6);
    for (size_t i = 0; i < 6 && i < t.count; i++) {
        const struct bar *b = &t.bars[i];
        CHECK_EQ(b->task, want[i].task);
        CHECK_EQ(b->start_ns, want[i].start * NS_PER_US);
        CHECK_EQ(b->end_ns, want[i].end * NS_PER_US);
        CHECK_EQ(b->worker, want[i].worker);
        CHECK_EQ(b->attempt, want[i].attempt);
        CHECK_EQ(b->depth, want[i].depth);
        CHECK_EQ(b->end, want[i].how);
        CHECK_EQ(b->is_stolen, want[i].stolen);
    }
    CHECK_EQ(t.workers, 2);
    CHECK_EQ(t.group_count, 2);
    CHECK(!strcmp(t.groups[0], "add") && !strcmp(t.groups[1], "walk"));
    CHECK(!strcmp(t.bars[0].label, "add")); /* a task without a label has its kernel's name */
    CHECK(!strcmp(t.bars[2].label, "inner"));
    CHECK_EQ(t.bars[0].submitted_ns, 90 * NS_PER_US);
    timeline_free(&t);
}

static void an_end_that_was_not_written_is_known_from_the_death(void)
{
    t = (struct timeline){ 0 };
    timeline_begin(&t);
    put(WSCHED_EVENT_STARTED, 100, 0, 20, 1, 1, "add", "");
    put(WSCHED_EVENT_STARTED, 200, 0, 21, 2, 1, "add", "");
    died(150, 0, 20, 11, "add");
    REQUIRE_OK(timeline_finish(&t));
    REQUIRE(t.count == 2);
    CHECK_EQ(t.bars[0].end, BAR_DIED);
    CHECK_EQ(t.bars[0].end_ns, 150 * NS_PER_US);
    CHECK_EQ(t.bars[1].end, BAR_RUNNING);
    CHECK_EQ(t.bars[1].depth, 0); /* another process is not inside the dead one's task */
    timeline_free(&t);
}

/* ---- jobs, constructors, terms, names --------------------------------------------------------- */

static void terms(uint64_t us, uint64_t task, int32_t priority, uint64_t deadline_us, uint16_t cpus,
                  uint16_t gpus)
{
    struct wsched_event e = { .time_ns = us * NS_PER_US,
                              .kind = WSCHED_EVENT_TERMS,
                              .worker = UINT32_MAX,
                              .pid = 10,
                              .attempt = 1,
                              .task = { task },
                              .kernel = "walk",
                              .priority = priority,
                              .deadline_ns = deadline_us * NS_PER_US,
                              .needs = { cpus, 0, gpus } };

    REQUIRE_OK(timeline_event(&e, &t));
}

/* Worker 0 runs task 1; jobs of it run on 1 and 2, nested on 1, whose first process died in two of
 * them; 3 and 4 are actors, whose constructors (task 0) run at the same time. */
static void richer_scene(void)
{
    t = (struct timeline){ 0 };
    timeline_begin(&t);
    REQUIRE_OK(timeline_name(&t, 0, "worker 0"));
    REQUIRE_OK(timeline_name(&t, 2, "guest 0"));
    REQUIRE_OK(timeline_name(&t, 3, "actor <clerk> with a long name"));
    REQUIRE_OK(timeline_name(&t, UINT32_MAX, "nobody"));
    timeline_resource(&t, 0, "cpu");
    timeline_resource(&t, 2, "gpu");
    timeline_resource(&t, 8, "more than there can be");
    put(WSCHED_EVENT_SUBMITTED, 90, UINT32_MAX, 10, 1, 1, "walk", "");
    terms(90, 1, WSCHED_PRIORITY_HIGH, 350, 2, 3);
    put(WSCHED_EVENT_SUBMITTED, 91, UINT32_MAX, 10, 2, 1, "walk", "");
    terms(91, 2, WSCHED_PRIORITY_LOW, 900, 0, 0);
    put(WSCHED_EVENT_STARTED, 100, 0, 20, 1, 1, "walk", "");
    put(WSCHED_EVENT_FINISHED, 400, 0, 20, 1, 1, "walk", "");
    put(WSCHED_EVENT_STARTED, 400, 0, 20, 2, 1, "walk", "");
    put(WSCHED_EVENT_FINISHED, 410, 0, 20, 2, 1, "walk", "");
    put(WSCHED_EVENT_JOB_ENDED, 105, 1, 21, 1, 1, "fib", ""); /* its start was overwritten */
    put(WSCHED_EVENT_JOB_STARTED, 110, 1, 21, 1, 1, "fib", "");
    put(WSCHED_EVENT_JOB_STARTED, 120, 1, 21, 1, 1, "fib", "");
    put(WSCHED_EVENT_JOB_STARTED, 200, 1, 22, 1, 1, "fib", "");
    put(WSCHED_EVENT_JOB_STARTED, 210, 1, 22, 1, 1, "fib", "");
    put(WSCHED_EVENT_JOB_ENDED, 220, 1, 22, 1, 1, "fib", "");
    put(WSCHED_EVENT_JOB_ENDED, 230, 1, 22, 1, 1, "fib", "");
    put(WSCHED_EVENT_JOB_STARTED, 240, 1, 22, 1, 1, "fib", ""); /* runs still */
    put(WSCHED_EVENT_JOB_STARTED, 130, 2, 23, 1, 1, "fib", "");
    put(WSCHED_EVENT_JOB_ENDED, 140, 2, 23, 1, 1, "fib", "");
    put(WSCHED_EVENT_STARTED, 100, 3, 24, 0, 1, "build", "");
    put(WSCHED_EVENT_FINISHED, 150, 3, 24, 0, 1, "build", "");
    put(WSCHED_EVENT_STARTED, 110, 4, 25, 0, 1, "build", "");
    put(WSCHED_EVENT_FAILED, 170, 4, 25, 0, 1, "build", "");
    died(190, 1, 21, 9, "fib");
    REQUIRE_OK(timeline_finish(&t));
}

static void jobs_and_constructors_nest_by_worker(void)
{
    static const struct {
        uint64_t start, end;
        uint32_t worker, depth;
        enum bar_end how;
        bool job;
    } want[] = {
        { 100, 400, 0, 0, BAR_DONE, false },   { 400, 410, 0, 0, BAR_DONE, false },
        { 110, 190, 1, 0, BAR_DIED, true },    { 120, 190, 1, 1, BAR_DIED, true },
        { 200, 230, 1, 0, BAR_DONE, true },    { 210, 220, 1, 1, BAR_DONE, true },
        { 240, 410, 1, 0, BAR_RUNNING, true }, { 130, 140, 2, 0, BAR_DONE, true },
        { 100, 150, 3, 0, BAR_DONE, false },   { 110, 170, 4, 0, BAR_FAILED, false },
    };

    richer_scene();
    CHECK_EQ(t.count, 10);
    CHECK_EQ(t.job_count, 6);
    for (size_t i = 0; i < 10 && i < t.count; i++) {
        const struct bar *b = &t.bars[i];
        CHECK_EQ(b->start_ns, want[i].start * NS_PER_US);
        CHECK_EQ(b->end_ns, want[i].end * NS_PER_US);
        CHECK_EQ(b->worker, want[i].worker);
        CHECK_EQ(b->depth, want[i].depth);
        CHECK_EQ(b->end, want[i].how);
        CHECK_EQ(b->is_job, want[i].job);
        CHECK(!b->is_stolen);
    }
    timeline_free(&t);
}

static void terms_are_remarked(void)
{
    char text[TIMELINE_REMARK], lane[TIMELINE_NAME];

    richer_scene();
    timeline_remark(&t, &t.bars[0], text);
    CHECK(!strcmp(text, "priority high; deadline 0.250 ms after its start: missed; cpu 2; gpu 3"));
    timeline_remark(&t, &t.bars[1], text);
    CHECK(!strcmp(text, "priority low; deadline 0.500 ms after its start"));
    timeline_remark(&t, &t.bars[2], text);
    CHECK(!strcmp(text, "a stolen job of task 1"));
    timeline_remark(&t, &t.bars[8], text);
    CHECK(!text[0]);
    timeline_lane(&t, 2, lane);
    CHECK(!strcmp(lane, "guest 0"));
    timeline_lane(&t, 1, lane); /* that nobody named */
    CHECK(!strcmp(lane, "worker 1"));
    timeline_free(&t);
}

static void numbers(const struct wsched_event *e, char name[TIMELINE_TEXT])
{
    snprintf(name, TIMELINE_TEXT, "%s", e->label);
}

static void a_scale_goes_by_number(void)
{
    char first[8], last[8];

    t = (struct timeline){ .legend = "trees", .group_of = numbers, .is_scale = true };
    timeline_begin(&t);
    put(WSCHED_EVENT_STARTED, 1, 0, 20, 1, 1, "k", "100");
    put(WSCHED_EVENT_STARTED, 2, 0, 20, 2, 1, "k", "20");
    put(WSCHED_EVENT_STARTED, 3, 0, 20, 3, 1, "k", "3");
    REQUIRE_OK(timeline_finish(&t));
    REQUIRE(t.group_count == 3);
    CHECK(!strcmp(t.groups[0], "3") && !strcmp(t.groups[1], "20") && !strcmp(t.groups[2], "100"));
    CHECK_EQ(t.bars[0].group, 2);
    timeline_colour(&t, 0, first);
    timeline_colour(&t, 2, last);
    CHECK(!strcmp(first, "#482173") && !strcmp(last, "#f2cd3c"));
    timeline_free(&t);
}

/* ---- the files, read by a program that knows the formats ------------------------------------- */

static int python(const char *program, const char *path)
{
    char command[600];

    snprintf(command, sizeof command, "/usr/bin/python3 - '%s' <<'END'\n", path);
    char *text = malloc(strlen(command) + strlen(program) + 8);
    REQUIRE(text != NULL);
    sprintf(text, "%s%s\nEND\n", command, program);
    int status = system(text);
    free(text);
    return status;
}

static void the_trace_is_as_the_format_says(void)
{
    const char *path = temp_path("t.json");

    scene();
    REQUIRE_OK(timeline_write(&t, path, "a \"title\""));
    CHECK_EQ(
        python(
            "import json, sys\n"
            "d = json.load(open(sys.argv[1]))\n"
            "assert d['displayTimeUnit'] == 'ms'\n"
            "known = {'M': {'name', 'ph', 'pid', 'tid', 'args'},\n"
            "         'X': {'name', 'cat', 'ph', 'pid', 'tid', 'ts', 'dur', 'args'},\n"
            "         'i': {'name', 'cat', 'ph', 's', 'pid', 'tid', 'ts', 'args'},\n"
            "         'C': {'name', 'ph', 'pid', 'ts', 'args'}}\n"
            "of = {k: [] for k in known}\n"
            "for e in d['traceEvents']:\n"
            "    assert set(e) <= known[e['ph']], e\n"
            "    assert isinstance(e['name'], str) and isinstance(e['pid'], int), e\n"
            "    assert e['ph'] == 'M' or e['ts'] >= 0, e\n"
            "    of[e['ph']].append(e)\n"
            "names = {(e['name'], e.get('tid')): e['args'] for e in of['M']}\n"
            "assert names['process_name', None] == {'name': 'a \"title\"'}\n"
            "assert [names['thread_name', w]['name'] for w in (0, 1)] == ['worker 0', 'worker 1']\n"
            "assert [names['thread_sort_index', w]['sort_index'] for w in (0, 1)] == [0, 1]\n"
            "x = {(int(e['args']['task'], 16), e['args']['attempt']): e for e in of['X']}\n"
            "assert len(x) == len(of['X']) == 6\n"
            "one = x[1, 1]\n"
            "assert (one['name'], one['cat'], one['tid'], one['ts'], one['dur']) == ('add', 'add', "
            "0, 0, 50)\n"
            "assert one['args'] == {'pid': 20, 'attempt': 1, 'end': 'done', 'task': '%016x' % 1,\n"
            "                       'stolen': False, 'queued_us': 10}, one\n"
            "assert x[2, 1]['name'] == '</script>\"\\\\<b>&\\'\\x01\\ufffd', x[2, 1]\n"
            "assert (x[3, 1]['args']['end'], x[3, 2]['args']['stolen']) == ('worker died', True)\n"
            "assert x[5, 1]['args']['end'] == 'running' and x[4, 1]['args']['end'] == 'failed'\n"
            "death, = [e for e in of['i'] if e['cat'] == 'death']\n"
            "assert (death['s'], death['tid'], death['ts']) == ('t', 1, 109)\n"
            "assert death['args'] == {'pid': 21, 'signal': 9, 'exit_code': -1, 'kernel': 'add'}\n"
            "steal, = [e for e in of['i'] if e['cat'] == 'steal']\n"
            "assert (steal['tid'], steal['ts']) == (1, 130)\n"
            "c = [(e['ts'], e['args']['running'], e['args']['queued']) for e in of['C']]\n"
            "assert c == sorted(c) and c[-1] == (200, 1, 0), c # task 5 runs still\n"
            "assert max(r for _, r, _ in c) == 3 and max(q for _, _, q in c) == 2, c\n",
            path),
        0);
    timeline_free(&t);
    temp_clean();
}

static void the_files_tell_of_jobs_terms_and_names(void)
{
    const char *path = temp_path("t.json");

    richer_scene();
    REQUIRE_OK(timeline_write(&t, path, "rich"));
    CHECK_EQ(
        python("import json, sys\n"
               "e = json.load(open(sys.argv[1]))['traceEvents']\n"
               "lanes = [i['args']['name'] for i in e if i['name'] == 'thread_name']\n"
               "assert lanes == ['worker 0', 'worker 1', 'guest 0', 'actor <clerk> with a long name', "
               "'worker 4'], lanes\n"
               "x = [i for i in e if i['ph'] == 'X']\n"
               "jobs = [i for i in x if i['args'].get('job')]\n"
               "assert len(jobs) == 6 and {i['cat'] for i in jobs} == {'fib'}\n"
               "assert all(i['args']['task'] == '%016x' % 1 and i['args']['stolen'] is False for i in "
               "jobs), jobs\n"
               "one, two = [i['args'] for i in x if i['cat'] == 'walk']\n"
               "assert (one['priority'], one['deadline_us'], one['late']) == ('high', 250, True), one\n"
               "assert one['needs'] == {'cpu': 2, 'gpu': 3}, one\n"
               "assert (two['priority'], two['deadline_us'], two['late']) == ('low', 800, False), two\n"
               "assert 'needs' not in two and 'job' not in two\n"
               "assert max(i['args']['running'] for i in e if i['ph'] == 'C') == 3 # jobs are no tasks\n",
               path),
        0);
    temp_clean();
    path = temp_path("t.html");
    REQUIRE_OK(timeline_write(&t, path, "rich"));
    CHECK_EQ(python("import json, sys\n"
                    "text = open(sys.argv[1], encoding='utf-8').read()\n"
                    "d = json.loads(text[text.index('const D=') + 8:text.index(\";\\n'use strict'\")])\n"
                    "assert d['lanes'][2:4] == ['guest 0', 'actor <clerk> with a long name'], d['lanes']\n"
                    "assert d['jobs'] == 6\n"
                    "assert d['bars'][0][11].startswith('priority high; deadline'), d['bars'][0]\n"
                    "assert d['bars'][2][11] == 'a stolen job of task 1' and len(d['bars'][8]) == 11\n",
                    path),
             0);
    temp_clean();
    path = temp_path("t.svg");
    REQUIRE_OK(timeline_write(&t, path, "rich"));
    CHECK_EQ(
        python("import sys, xml.etree.ElementTree as E\n"
               "s = '{http://www.w3.org/2000/svg}'\n"
               "root = E.parse(sys.argv[1]).getroot()\n"
               "texts = [''.join(x.itertext()) for x in root.iter(s + 'text')]\n"
               "assert 'guest 0' in texts and 'actor <clerk> with a long nameactor <clerk> \u2026' in "
               "texts, texts\n"
               "assert '4 attempts at tasks and 6 stolen jobs on 5 workers in 310.00 us; 1 worker died' in "
               "texts, texts\n"
               "titles = [x.text for x in root.iter(s + 'title')]\n"
               "assert any('missed; cpu 2; gpu 3' in x for x in titles), titles\n",
               path),
        0);
    timeline_free(&t);
    temp_clean();
}

static void the_picture_is_xml_and_needs_nothing_else(void)
{
    const char *path = temp_path("t.svg");

    scene();
    REQUIRE_OK(timeline_write(&t, path, "a <title>"));
    CHECK_EQ(
        python(
            "import sys, xml.etree.ElementTree as E\n"
            "text = open(sys.argv[1]).read()\n"
            "s = '{http://www.w3.org/2000/svg}'\n"
            "root = E.fromstring(text)\n"
            "assert not any(w in text.lower() for w in ('href', '<script', 'url(', '@import', ' "
            "on'+'load'))\n"
            "bars = [r for r in root.iter(s + 'rect') if r.get('class', '').startswith('b')]\n"
            "assert len(bars) == 6\n"
            "titles = [b.find(s + 'title').text for b in bars]\n"
            "assert any('inner' in x and x.endswith('failed') for x in titles), titles\n"
            "assert any(x.startswith('</script>\"\\\\<b>&\\'??\\n') for x in titles), titles\n"
            "cross, = [p for p in root.iter(s + 'path') if p.get('class') == 'x']\n"
            "assert cross.find(s + 'title').text == 'worker 1, pid 21 died\\nkilled by signal 9'\n"
            "assert len([p for p in root.iter(s + 'path') if p.get('class') == 'z']) == 1\n"
            "words = [x.text for x in root.iter(s + 'text')]\n"
            "assert 'a <title>' in words and 'add' in words and 'walk' in words, words\n"
            "inner, = [b for b in bars if 'inner' in b.find(s + 'title').text]\n"
            "outer, = [b for b in bars if '</script>' in b.find(s + 'title').text]\n"
            "assert float(inner.get('y')) >= float(outer.get('y')) + float(outer.get('height'))\n"
            "assert float(inner.get('x')) > float(outer.get('x'))\n",
            path),
        0);
    timeline_free(&t);
    temp_clean();
}

static void the_size_of_the_picture_follows_from_its_width(void)
{
    const char *path = temp_path("t.svg");
    char line[1000];
    size_t bars = 0, tasks = 0;

    t = (struct timeline){ 0 };
    timeline_begin(&t);
    for (uint64_t i = 0; i < 100000; i++) {
        put(WSCHED_EVENT_STARTED, 2 * i, 0, 20, i + 1, 1, "k", "");
        put(WSCHED_EVENT_FINISHED, 2 * i + 1, 0, 20, i + 1, 1, "k", "");
    }
    REQUIRE_OK(timeline_finish(&t));
    REQUIRE_OK(timeline_write(&t, path, "many"));
    FILE *f = fopen(path, "r");
    REQUIRE(f != NULL);
    while (fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "<rect class=\"b\""),
                   *n = at ? strstr(line, "<title>") : NULL;
        bars += at != NULL;
        tasks += n ? strtoul(n + 7, NULL, 10) : 0; /* "37 tasks: k" */
    }
    fclose(f);
    CHECK(bars > 0 && bars < 3000);
    CHECK_EQ(tasks, 100000);
    timeline_free(&t);
    temp_clean();
}

static void the_page_holds_the_same(void)
{
    const char *path = temp_path("t.html");

    scene();
    REQUIRE_OK(timeline_write(&t, path, "a </title>"));
    CHECK_EQ(
        python("import json, sys\n"
               "text = open(sys.argv[1], encoding='utf-8').read()\n"
               "assert text.lower().count('<script') == text.lower().count('</script') == 1\n"
               "assert not any(w in text for w in ('http:', 'https:', 'src=', 'href', 'import ', "
               "'fetch('))\n"
               "data = text[text.index('const D=') + 8:text.index(\";\\n'use strict'\")]\n"
               "d = json.loads(data)\n"
               "assert (d['title'], d['legend'], d['workers'], d['length']) == ('a </title>', "
               "'kernel', 2, 200)\n"
               "assert d['groups'] == ['add', 'walk'] and len(set(d['colours'])) == 2\n"
               "assert d['bars'][0] == [0, 0, 0, 50, 0, 0, 1, 20, 0, 10, 'add'], d['bars'][0]\n"
               "assert d['bars'][1][10] == '</script>\"\\\\<b>&\\'\\x01\\ufffd'\n"
               "assert [b[5] for b in d['bars']] == [0, 0, 1, 2, 0, 3]\n"
               "assert d['deaths'] == [[1, 109, 21, 9, -1, 'add']]\n",
               path),
        0);
    timeline_free(&t);
    temp_clean();
}

static void what_a_damaged_pool_says_is_left_out(void)
{
    t = (struct timeline){ 0 };
    timeline_begin(&t);
    put(WSCHED_EVENT_STARTED, 1, 0, 20, 1, 1, "k", "");
    put(WSCHED_EVENT_STARTED, 1, 4000000000u, 20, 2, 1, "k", "");
    put(77, UINT64_MAX / NS_PER_US, 0, 20, 3, 1, "k", "");
    died(1, 4000000000u, 20, 9, "k");
    REQUIRE_OK(timeline_finish(&t));
    CHECK(t.count == 1 && t.death_count == 0 && t.workers == 1);
    REQUIRE_OK(timeline_write(&t, temp_path("t.svg"), "damaged"));
    REQUIRE_OK(timeline_write(&t, temp_path("t.json"), "damaged"));
    timeline_free(&t);
    temp_clean();
}

static void nothing_happened(void)
{
    static const char *const names[] = { "t.json", "t.svg", "t.html" };

    for (int i = 0; i < 3; i++) {
        t = (struct timeline){ 0 };
        timeline_begin(&t);
        REQUIRE_OK(timeline_finish(&t));
        CHECK_EQ(t.count, 0);
        REQUIRE_OK(timeline_write(&t, temp_path(names[i]), "nothing"));
        timeline_free(&t);
        temp_clean();
    }
}

TESTS("timeline", { "attempts become bars, nested ones inside", attempts_become_bars },
      { "an end that was not written is known from the death",
        an_end_that_was_not_written_is_known_from_the_death },
      { "jobs and constructors nest by worker", jobs_and_constructors_nest_by_worker },
      { "terms are remarked", terms_are_remarked },
      { "the files tell of jobs, terms and names", the_files_tell_of_jobs_terms_and_names },
      { "a scale goes by number", a_scale_goes_by_number },
      { "the trace is as the format says", the_trace_is_as_the_format_says },
      { "the picture is XML and needs nothing else", the_picture_is_xml_and_needs_nothing_else },
      { "the size of the picture follows from its width",
        the_size_of_the_picture_follows_from_its_width },
      { "the page holds the same", the_page_holds_the_same },
      { "what a damaged pool says is left out", what_a_damaged_pool_says_is_left_out },
      { "nothing happened", nothing_happened })
