/* SPDX-License-Identifier: MIT */
/*
 * objstore.h -- immutable objects in shared memory: found by id, read in place.
 *
 *     writer:   create -> fill -> seal     alone with the bytes until it seals
 *     readers:  get -> read -> release     the bytes never change under a view
 *
 * A store is one file that every participant maps: on tmpfs, on any other file
 * system, or nameless (a memfd handed to children). There is no server.
 *
 * Errors    0, or a negative errno value; a call that fails changes nothing and
 *           leaves its output arguments as they were. objstore_strerror() says
 *           each in words. On a handle that is open for reading only all that
 *           would change, pin or wake anything is -EROFS; so is opening one otherwise, or
 *           removing it, on a file system that is mounted so.
 * Timeouts  In milliseconds. 0: do not wait; -1: for ever; what is below that is -EINVAL.
 * Threads   One struct objstore serves all threads of one process, unless a
 *           function says otherwise.
 * Fork      A handle belongs to the process that opened it. In a child every call
 *           on it answers -ECHILD; the child opens its own (objstore_open_fd() on
 *           objstore_fd() needs no name) and then objstore_close()s the old one,
 *           which only unmaps.
 * Signals   No call is for a signal's handler. A wait goes on when a handler has run: who wants to be able to leave one waits in
 *           pieces, with a timeout. (objstore_events_next() alone is ended by them.)
 * Crashes   A process may die at any instruction: what it had not sealed is
 *           undone, what it was reading is released, by whoever comes next.
 * Trust     The file's permissions are the only guard. Bytes that another process
 *           wrote are input: damage gives -EBADMSG, never a crash.
 */
#ifndef OBJSTORE_H
#define OBJSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OBJSTORE_VERSION_MAJOR 0
#define OBJSTORE_VERSION_MINOR 1
#define OBJSTORE_VERSION_PATCH 0

#define OBJSTORE_API __attribute__((visibility("default")))
#define OBJSTORE_CHECKED __attribute__((visibility("default"), warn_unused_result))

/* ---- types ---------------------------------------------------------------------- */

struct objstore; /* opaque: one process's attachment to a store */

/* The name of an object; the caller's choice. All zero is invalid (-EINVAL). */
struct objstore_id {
    uint8_t bytes[16];
};

/* Element types of the optional description; the store never interprets the bytes. */
enum objstore_dtype {
    OBJSTORE_BYTES = 0, /* untyped */
    OBJSTORE_INT8,
    OBJSTORE_UINT8,
    OBJSTORE_INT16,
    OBJSTORE_UINT16,
    OBJSTORE_INT32,
    OBJSTORE_UINT32,
    OBJSTORE_INT64,
    OBJSTORE_UINT64,
    OBJSTORE_FLOAT32,
    OBJSTORE_FLOAT64,
};

#define OBJSTORE_NAME_MAX 39 /* bytes of a description's name, without the end */
#define OBJSTORE_DIMS_MAX 4

/*
 * What a tool needs to show `float32[16512, 8]` and to export .npy. All zero means
 * "just bytes". dims[0..ndim) are extents, row-major. `name` and `tag` are UTF-8 or
 * whatever the caller likes; they end with a zero byte.
 */
struct objstore_meta {
    uint32_t dtype; /* enum objstore_dtype */
    uint32_t ndim;  /* 0 .. OBJSTORE_DIMS_MAX */
    uint64_t dims[OBJSTORE_DIMS_MAX];
    char name[OBJSTORE_NAME_MAX + 1];
    char tag[16];
};

/* Borrowed bytes; end with objstore_release(). */
struct objstore_view {
    const void *data; /* 64-byte aligned; NULL when size is 0; read-only memory */
    size_t size;
    uint64_t pin[2]; /* private */
};

enum objstore_flag {
    OBJSTORE_CREATE = 1u << 0,     /* make the store if there is none */
    OBJSTORE_EXCLUSIVE = 1u << 1,  /* with CREATE: -EEXIST if there is one */
    OBJSTORE_READ_ONLY = 1u << 2,  /* look at it without disturbing it: see objstore_open() */
    OBJSTORE_EPHEMERAL = 1u << 3,  /* with CREATE: the name goes when the last user goes */
    OBJSTORE_PREFAULT = 1u << 4,   /* with CREATE: touch every page now, not on first use */
    OBJSTORE_HUGE_PAGES = 1u << 5, /* with CREATE: all that can be had; see objstore_open() */
    OBJSTORE_CACHE = 1u << 8,      /* with CREATE: when it is full the coldest objects go */
    OBJSTORE_COMPRESS = 1u << 9,   /* with spill_dir: what LZ4 makes smaller is kept so there */
};

/* Zero is the default of every field. */
struct objstore_options {
    uint32_t struct_size;    /* sizeof(struct objstore_options): old callers meet new libraries */
    uint32_t flags;          /* enum objstore_flag */
    uint64_t capacity_bytes; /* only when creating; 0: 1 GiB. Bytes for objects' data. */
    uint32_t mode;           /* only when creating; 0: 0600 */
    uint32_t reserved;
    /*
     * Only when creating. When bytes run out, sealed objects that nobody views go to files in
     * this directory, coldest first, and come back by themselves when they are got. Kept in the
     * store as an absolute path: every process that opens it must be able to write there.
     */
    const char *spill_dir;
};
#define OBJSTORE_OPTIONS_INIT { sizeof(struct objstore_options), 0, 0, 0, 0, NULL }

/* Prose about a failed open or verify, for people. */
struct objstore_diag {
    char text[256];
};

/* ---- a store ---------------------------------------------------------------------- */

/*
 * Attach to a store, making it first if OBJSTORE_CREATE is set and there is none.
 * `where` is a name without '/' (the file is /dev/shm/objstore-<uid>/<name>), a path
 * with one, or NULL for a new nameless store that only descriptors reach. `opts` and
 * `diag` may be NULL. The caller owns *out: objstore_close() it.
 *
 * The whole capacity is reserved now, so that "full" is an error code later and never
 * a SIGBUS. A store left behind by the dead (see OBJSTORE_EPHEMERAL) is replaced.
 * The data is in pages of 2 MiB as long as the kernel has such ones at hand (Linux 6.1, stores in
 * memory): large objects are read and written faster, fresh memory many times. With
 * OBJSTORE_HUGE_PAGES it is so as far as the kernel can find them, however long that takes it.
 * Opened with OBJSTORE_READ_ONLY the handle holds no lease: it can list, stat, verify
 * and copy objects out (objstore_read()), not pin them.
 *   -ENOENT   no such store and no OBJSTORE_CREATE      -EEXIST  with EXCLUSIVE: it exists
 *   -EPROTO   not a store, or one of another layout version
 *   -EBADMSG  damaged; objstore_verify() says where     -ENOSPC  no room on the file system
 *   -EINVAL   bad name, option or capacity              -EUSERS  too many processes attached
 *   -E2BIG    an option of a later version of this library
 *   -ENOTDIR  there is no such spill_dir               and those of open(2) and mmap(2)
 */
OBJSTORE_CHECKED int objstore_open(const char *where, const struct objstore_options *opts,
                                   struct objstore **out, struct objstore_diag *diag);

/*
 * Attach to the store behind a descriptor, e.g. one inherited over fork() or received
 * with SCM_RIGHTS. The descriptor stays the caller's. Errors as objstore_open(), and
 *   -ESTALE   not used since the machine was started: open it by name (see objstore_sync())
 */
OBJSTORE_CHECKED int objstore_open_fd(int fd, const struct objstore_options *opts,
                                      struct objstore **out, struct objstore_diag *diag);

/* A descriptor of the store, CLOEXEC, owned by the handle: dup() it to keep it. */
OBJSTORE_API int objstore_fd(const struct objstore *store);

/*
 * Detach: ends every view and aborts every unsealed object of this handle. NULL is
 * allowed. No other thread may be inside a call on it.
 */
OBJSTORE_API void objstore_close(struct objstore *store);

/* Remove a store's name; those who are attached keep it. -ENOENT, -EPROTO (not a store), unlink(2). */
OBJSTORE_CHECKED int objstore_destroy(const char *where);

/* ---- ids ---------------------------------------------------------------------------- */

OBJSTORE_CHECKED int objstore_id_random(struct objstore_id *out); /* getrandom(2)'s errors */
/* The same name gives the same id, everywhere (XXH3-128 with a fixed seed). */
OBJSTORE_API void objstore_id_from_name(const char *name, struct objstore_id *out);
/* The same bytes give the same id, everywhere (XXH3-128). */
OBJSTORE_API void objstore_id_from_content(const void *data, size_t size, struct objstore_id *out);
#define OBJSTORE_ID_TEXT 33
OBJSTORE_API void objstore_id_format(const struct objstore_id *id, char text[OBJSTORE_ID_TEXT]);
OBJSTORE_CHECKED int objstore_id_parse(const char *text, struct objstore_id *out); /* -EINVAL */

/* ---- writing ------------------------------------------------------------------------ */

/*
 * Reserve `size` bytes under `id`, 64-byte aligned (a page when size >= 4096), contents
 * unspecified. The caller alone may write *data, and ends with exactly one objstore_seal()
 * or objstore_abort(). `meta` may be NULL. size 0 is allowed (*data is then NULL).
 *   -EEXIST  the id is taken, sealed or not     -ENOSPC  no room
 *   -EROFS   opened with OBJSTORE_READ_ONLY     -EINVAL  zero id, bad meta, absurd size
 */
OBJSTORE_CHECKED int objstore_create(struct objstore *store, const struct objstore_id *id,
                                     size_t size, const struct objstore_meta *meta, void **data);
/* Publish: from here on every process sees the object, and nobody can change it. -ENOENT: not ours to seal. */
OBJSTORE_CHECKED int objstore_seal(struct objstore *store, const struct objstore_id *id);
/*
 * Publish less than was reserved: the object is the first `size` bytes, and the pages behind them
 * are free again at once. (What was created with less than a page keeps its place; up to 64 bytes
 * take none.) For who learns the length, or the shape, while filling: `meta` replaces the
 * description; NULL leaves it as it was created. After a failure the object is still unsealed.
 *   -ENOENT  not ours to seal       -EINVAL  longer than created, or bad meta
 *   -ENOSPC  no room for a description where there was none
 */
OBJSTORE_CHECKED int objstore_seal_size(struct objstore *store, const struct objstore_id *id,
                                        size_t size, const struct objstore_meta *meta);
/* Give up an object that this handle created and did not seal. -ENOENT: not ours to abort. */
OBJSTORE_CHECKED int objstore_abort(struct objstore *store, const struct objstore_id *id);
/* create + copy + seal. Until it returns no other thread of the process may seal or abort the id:
 * nothing could tell it from one that was created. */
OBJSTORE_CHECKED int objstore_put(struct objstore *store, const struct objstore_id *id,
                                  const void *data, size_t size, const struct objstore_meta *meta);
/*
 * Hide a sealed object at once; its bytes are freed with the last view. (If that ends at the very
 * moment, perhaps not until somebody needs the room or asks how much there is.) Who frees an object
 * that was read thousands of times calls membarrier(2), for microseconds; if a sandbox forbids
 * that, its room waits for somebody who may, or for its readers to close. -ENOENT: not there
 * (an unsealed object is not there for anybody but its creator, who aborts it).
 */
OBJSTORE_CHECKED int objstore_delete(struct objstore *store, const struct objstore_id *id);

/* ---- reading ------------------------------------------------------------------------ */

/*
 * Borrow a sealed object, waiting up to `timeout_ms` for it to be sealed
 * (0: do not wait, -1: for ever). view->data is valid until objstore_release().
 *   -ENOENT  not there, and timeout_ms is 0     -ETIMEDOUT  not in time
 *   -EROFS   opened with OBJSTORE_READ_ONLY     -ENOSPC     no room to note the view, or for
 *   -EBADMSG its spill file is damaged or gone              what must be brought back
 *   -EINVAL  the zero id, no view, or a bad timeout
 */
OBJSTORE_CHECKED int objstore_get(struct objstore *store, const struct objstore_id *id,
                                  int timeout_ms, struct objstore_view *view);
/*
 * Borrow n objects, all or none, waiting up to `timeout_ms` for all to be sealed, in any order. An
 * id may stand there twice. While it waits it holds no views, so a deleted object's bytes are not
 * kept from who needs the room. The cost follows n and what becomes sealed: who waits for the i-th
 * is not woken by seals of the rest. On an error views[] is all zero. Errors as objstore_get(), and
 *   -EINVAL  a zero id, NULL for ids or views (none of them is no error), more than 2^31 - 1, or a
 *            bad timeout
 */
OBJSTORE_CHECKED int objstore_get_many(struct objstore *store, const struct objstore_id *ids,
                                       size_t n, int timeout_ms, struct objstore_view *views);
/* End a view. Each view is released once, by any thread of the process that got it. */
OBJSTORE_API void objstore_release(struct objstore *store, struct objstore_view *view);
/* The same for n of them. */
OBJSTORE_API void objstore_release_many(struct objstore *store, struct objstore_view *views,
                                        size_t n);
/* A view on its way to another process: plain bytes, to be sent by whatever means. */
struct objstore_pass {
    uint64_t words[2]; /* private */
};
/*
 * Let another process take over a view of yours: the object's bytes stay from now on, whatever is
 * deleted and whoever dies, you included, until somebody takes the pass, it is cancelled, or
 * `keep_ms` (> 0) are over. Your view stays yours to release. For one taker; give again for more.
 *   -EINVAL  not a view of this handle     -ENOSPC  1024 passes are out     -EROFS
 */
OBJSTORE_CHECKED int objstore_give(struct objstore *store, const struct objstore_view *view,
                                   int keep_ms, struct objstore_pass *out);
/*
 * Become the holder of a pass's view, also when the object was deleted meanwhile.
 *   -ENOENT  it was taken, cancelled, is over, or never was     -ENOSPC  as objstore_get()
 */
OBJSTORE_CHECKED int objstore_take(struct objstore *store, const struct objstore_pass *pass,
                                   struct objstore_view *view);
/* Nobody shall take it any more. -ENOENT: somebody did, or it is over. */
OBJSTORE_CHECKED int objstore_give_cancel(struct objstore *store, const struct objstore_pass *pass);
/*
 * Copy up to `cap` bytes of a sealed object out; *size becomes the object's size. Needs no
 * lease, so it works on a read-only handle. -ENOENT. -EAGAIN: it was deleted meanwhile.
 */
OBJSTORE_CHECKED int objstore_read(struct objstore *store, const struct objstore_id *id, void *buf,
                                   size_t cap, size_t *size);
/* Is it there, sealed? */
OBJSTORE_API bool objstore_contains(struct objstore *store, const struct objstore_id *id);
/*
 * Wait until `need` of the n ids are sealed, up to `timeout_ms` (-1: for ever). Sets
 * ready[i] for each (ready may be NULL: then it looks no further than it must, and tells of no
 * more than `need`). Returns the number that it found sealed (>= need),
 * or -ETIMEDOUT (ready is filled then too), -EINVAL (need > n, a zero id, a bad timeout), or -EROFS
 * (not so many are, and a handle for reading only cannot sleep).
 */
OBJSTORE_CHECKED int objstore_wait(struct objstore *store, const struct objstore_id *ids, size_t n,
                                   size_t need, int timeout_ms, bool *ready);

/* ---- outliving the machine ------------------------------------------------------------- */

/*
 * For a store on a disk: what is sealed now is there after the machine was switched off. Writes
 * all of the file's changed pages, then a list with checksums beside it (`.NAME.sync-...`). Reads
 * all sealed bytes; others go on working meanwhile. *objects (may be NULL) is how many it lists.
 *
 * The first to open the store after the machine's next start (not read-only) gets, under its name,
 * a new store with all that the last sync listed, each object checked; that takes the room
 * of a second store until it is done. Deletes since the sync may be undone; what was sealed since,
 * or deleted and written over, is lost: objstore_losses() tells. Never are bytes other than what
 * was sealed there. (A store that was never synced is then empty.)
 *   -EOPNOTSUPP  a store without a name, or one that makes room by itself (spill_dir, CACHE)
 *   -EROFS, -ENOMEM, and those of fsync(2) and link(2)
 */
OBJSTORE_CHECKED int objstore_sync(struct objstore *store, uint64_t *objects);

enum objstore_loss {
    OBJSTORE_LOST_DAMAGED = 1,  /* synced, but its bytes are others now: deleted since, or broken */
    OBJSTORE_LOST_UNSYNCED = 2, /* sealed since the last sync */
    OBJSTORE_LOST_NO_ROOM = 3,  /* whole, but the new store is full */
};
/*
 * If opening this handle recovered the store, call `visit` for each object that was lost. Stops
 * when visit returns non-zero and returns that, else how many there were (0: none, or no
 * recovery). Of objects sealed since the last sync only those are known that reached the disk.
 */
OBJSTORE_CHECKED int objstore_losses(struct objstore *store,
                                     int (*visit)(const struct objstore_id *id, uint32_t why,
                                                  void *ctx),
                                     void *ctx);

/* ---- events -------------------------------------------------------------------------- */

enum objstore_event_kind {
    OBJSTORE_EVENT_SEALED = 1,  /* it is there, sealed */
    OBJSTORE_EVENT_DELETED = 2, /* it is not there (any more) */
};

struct objstore_event {
    struct objstore_id id;
    uint32_t kind; /* enum objstore_event_kind */
    uint32_t reserved;
    uint64_t number; /* grows with every event of the store; not every number comes */
};

struct objstore_events; /* one subscription */

/*
 * Be told of every seal and delete from now on, without looking. To know what is in the store:
 * subscribe, then list, then take the events in turn. Writers pay next to nothing while
 * nobody subscribes, and never wait for a subscriber, whether it reads, stopped or died.
 * Close it before the handle. One thread at a time per subscription.
 *   -EROFS  opened with OBJSTORE_READ_ONLY     and that of calloc(3)
 */
OBJSTORE_CHECKED int objstore_events_open(struct objstore *store, struct objstore_events **out);
/*
 * Take up to `max` events, waiting up to `timeout_ms` (0: do not, -1: for ever) for the first;
 * returns how many. An event tells what is true of the id at this moment: an object that came and
 * went before you looked is DELETED, and the same may be told twice; but after the last change
 * of an id you are told of it. Your own seals and deletes are told, too.
 *   -EOVERFLOW  you were too slow (about 8000 events), or a process died attached: some events
 *               are lost. List again, then go on from here.
 *   -ETIMEDOUT  nothing happened in time     -EINVAL  max is 0, or more than 2^31 - 1; a bad timeout
 *   -EINTR      nothing yet, but a signal's handler ran meanwhile
 */
OBJSTORE_CHECKED int objstore_events_next(struct objstore_events *events,
                                          struct objstore_event *out, size_t max, int timeout_ms);
OBJSTORE_API void objstore_events_close(struct objstore_events *events); /* NULL is allowed */

/* ---- looking ------------------------------------------------------------------------- */

enum objstore_state {
    OBJSTORE_UNSEALED = 1, /* created, being written */
    OBJSTORE_SEALED = 2,
    OBJSTORE_DELETED = 3, /* hidden; its bytes wait for the last view */
    OBJSTORE_SPILLED = 4, /* sealed, its bytes in a file: see objstore_spill() */
};

struct objstore_info {
    struct objstore_id id;
    struct objstore_meta meta;
    uint64_t size;
    uint64_t created_ns; /* CLOCK_REALTIME */
    uint32_t state;      /* enum objstore_state */
    uint32_t pins;       /* views out, of all processes */
    int32_t owner_pid;   /* unsealed: who writes it; else 0 */
    uint32_t place;      /* private: objstore_holders() finds it again by this */
};

/* About one object. -ENOENT; -EINVAL: the zero id. */
OBJSTORE_CHECKED int objstore_stat(struct objstore *store, const struct objstore_id *id,
                                   struct objstore_info *out);
/*
 * Call `visit` for every object that exists during the whole call (others may or may not
 * appear), each once, in no order. `visit` may call anything on the store. Stops when it returns
 * non-zero and returns that, else 0.
 */
OBJSTORE_CHECKED int objstore_list(struct objstore *store,
                                   int (*visit)(const struct objstore_info *info, void *ctx),
                                   void *ctx);

/* Which objects. Zero is "all" in every field. */
struct objstore_filter {
    uint32_t struct_size;    /* sizeof(struct objstore_filter) */
    uint32_t states;         /* of these: 1u << enum objstore_state, or-ed; SEALED: also SPILLED */
    uint32_t dtypes;         /* of these: 1u << enum objstore_dtype, or-ed */
    uint32_t reserved;
    const char *name_prefix; /* whose name begins like this */
    const char *tag;         /* whose tag is this */
};
#define OBJSTORE_FILTER_INIT { sizeof(struct objstore_filter), 0, 0, 0, NULL, NULL }

/*
 * objstore_list() of those that fit the filter (NULL: all). What does not fit costs a few words'
 * reading. -EINVAL: an unknown state or dtype. -E2BIG: a filter from a later version.
 */
OBJSTORE_CHECKED int objstore_list_where(struct objstore *store,
                                         const struct objstore_filter *filter,
                                         int (*visit)(const struct objstore_info *info, void *ctx),
                                         void *ctx);

struct objstore_holder {
    int32_t pid;         /* 0: nobody; views that were given and not yet taken */
    bool alive;          /* false: it died attached and nobody has cleaned up yet */
    bool is_writer;      /* it created the object and has not sealed it */
    uint64_t start_time; /* field 22 of /proc/pid/stat */
    uint32_t views;
    uint32_t reserved;
};
/*
 * Call `visit` for every process that views the object, or writes it. `info` is what
 * objstore_stat() or objstore_list() told, of deleted objects, too. Stops when visit returns
 * non-zero and returns that, else 0. -ENOENT: the object is gone.
 */
OBJSTORE_CHECKED int objstore_holders(struct objstore *store, const struct objstore_info *info,
                                      int (*visit)(const struct objstore_holder *holder, void *ctx),
                                      void *ctx);

struct objstore_stats {
    uint64_t capacity_bytes;     /* room for data */
    uint64_t used_bytes;         /* of it, taken (with rounding) */
    uint64_t largest_free_bytes; /* the largest object that fits now */
    uint64_t reserved_bytes;     /* what the file takes from its file system, all told */
    uint64_t objects_sealed;
    uint64_t objects_unsealed;
    uint64_t objects_deleted; /* hidden, waiting for their last view */
    uint64_t processes;       /* attached now */
    uint64_t deaths;          /* processes that died attached, and were cleaned up after */
    bool is_ephemeral;        /* made with OBJSTORE_EPHEMERAL */
    bool is_cache;            /* made with OBJSTORE_CACHE */
    bool can_spill;           /* made with a spill_dir */
    bool uses_io_uring;       /* this handle's spilling so far; false: plain reads and writes */
    uint64_t objects_spilled; /* in files now; not counted in objects_sealed */
    uint64_t spilled_bytes;   /* their sizes */
    uint64_t spill_file_bytes; /* what the files take, with what is dead in them */
    /* since the store was made */
    uint64_t spills, spills_bytes, restores, restores_bytes, evictions, evictions_bytes;
};
OBJSTORE_CHECKED int objstore_stats(struct objstore *store, struct objstore_stats *out);

/*
 * How the free room is cut up. A run is as many free pages in a row as there are; one of n bytes
 * counts in classes[i] with 4096 << i <= n < 4096 << (i + 1). All of a store that was emptied is
 * one run. Linear in the capacity.
 */
#define OBJSTORE_RUN_CLASSES 29
struct objstore_space {
    uint64_t free_bytes; /* in runs */
    uint64_t runs;
    uint64_t largest_bytes;
    uint64_t cell_free_bytes; /* beside small objects in their blocks: for small ones only */
    uint64_t classes[OBJSTORE_RUN_CLASSES];
};
OBJSTORE_CHECKED int objstore_space(struct objstore *store, struct objstore_space *out);

struct objstore_lease {
    int32_t pid;
    bool alive;
    uint64_t start_time; /* field 22 of /proc/pid/stat */
    uint64_t pins;
    uint64_t unsealed;
};
/* Call `visit` for every attached process, as objstore_list() does for objects. */
OBJSTORE_CHECKED int objstore_leases(struct objstore *store,
                                     int (*visit)(const struct objstore_lease *lease, void *ctx),
                                     void *ctx);

/* ---- when bytes run out --------------------------------------------------------------- */

/*
 * A store made with a spill_dir never says -ENOSPC as long as sealed objects that nobody views
 * can make room: whoever needs it moves the coldest of them to files (objects of up to 64 bytes
 * stay; they take no room). They are still sealed: contains, wait and list see them, delete removes
 * them, get brings them back. A get or create may so take as long as a disk does; no lock is held
 * meanwhile, and a process that stops or dies in between holds nobody up for longer than that: who
 * finds no room but what others are moving, or bringing back, waits for them so long. When the disk is full,
 * or cannot be read, the call that needed it fails, nothing has changed, and everything else
 * goes on.
 *
 * A store made with OBJSTORE_CACHE lets the coldest objects go instead: they are deleted.
 *
 * objstore_spill() does that work ahead, until `free_bytes` of the capacity are free, or it has freed
 * twice as much as was in use when it was called: it does not run after those who write meanwhile.
 * Returns how many bytes it freed: 0 if there was nothing to do, or nothing can go.
 *   -ENOSPC  the disk is full     -EOPNOTSUPP  a store made with neither     -EROFS
 *   and those of open(2) and write(2)
 */
OBJSTORE_CHECKED int64_t objstore_spill(struct objstore *store, uint64_t free_bytes);
/*
 * The directory that the store spills to, as an absolute path that ends with a zero byte.
 *   -ENOENT  made without a spill_dir     -ERANGE  it is longer than `size` bytes with its end
 *   -EBADMSG damaged                      -EINVAL  no path
 */
OBJSTORE_CHECKED int objstore_spill_dir(struct objstore *store, char *path, size_t size);
/*
 * Read every spilled object's bytes back and compare them with their checksum, without bringing
 * them back. -EBADMSG: damaged; diag (may be NULL) names the object. And those of read(2).
 */
OBJSTORE_CHECKED int objstore_verify_spilled(struct objstore *store, struct objstore_diag *diag);

/* Of stores that are gone. */
struct objstore_orphans {
    uint64_t stores, files, bytes;
};
/*
 * Find, and if asked remove, spill files in `dir` whose store is gone: a nameless one that no living
 * process has open, or one that is not at the path where it was made (removed by hand, or tmpfs
 * emptied by a restart; what was moved elsewhere counts as gone, unless a process has it
 * open). Files of nameless stores are also removed when the next store is made with that
 * spill_dir. `out` may be NULL.
 *   -EINVAL  no dir     and those of realpath(3) and opendir(3)
 */
OBJSTORE_CHECKED int objstore_spill_orphans(const char *dir, bool remove,
                                            struct objstore_orphans *out);

/*
 * Clean up now after processes that died attached, and after views that were given and not taken in
 * time; returns how many. (Also done on the way.)
 */
OBJSTORE_CHECKED int objstore_reap(struct objstore *store);

/*
 * Check the whole store: header, index, slots, extents, pins. -EBADMSG: damaged, and
 * diag (may be NULL) says where first. Others may go on using the store meanwhile.
 */
OBJSTORE_CHECKED int objstore_verify(struct objstore *store, struct objstore_diag *diag);

/* The library's own words for an error; never NULL. */
OBJSTORE_API const char *objstore_strerror(int error);
/* MAJOR * 10000 + MINOR * 100 + PATCH of the library that runs. */
OBJSTORE_API int objstore_version(void);

#ifdef __cplusplus
}
#endif

#endif
