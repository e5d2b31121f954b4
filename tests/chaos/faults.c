/* Preloaded into a worker: makes calls on the files of one database fail, as a disk does that is full or breaks.
 *
 * DACAPO_FAULTS names the file that says how often, and counts; DACAPO_FAULTS_ON is how the paths of the database's files begin.
 * The layout of the file is that of `faults.rs`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum kind { NO_SPACE, SHORT_WRITE, READ_ERROR, SYNC_ERROR, KINDS };

struct control {
    _Atomic uint64_t random;
    _Atomic uint64_t rate[KINDS];  /* of 100,000 calls */
    _Atomic uint64_t burst[KINDS]; /* how many more calls fail */
    _Atomic uint64_t met[KINDS];
};

static struct control *control;
static const char *ours;

__attribute__((constructor)) static void open_control(void) {
    const char *path = getenv("DACAPO_FAULTS");
    ours = getenv("DACAPO_FAULTS_ON");
    int file = path && ours ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) abort();
    control = mapped;
}

static uint64_t draw(void) {
    uint64_t x = atomic_fetch_add(&control->random, 0x9e3779b97f4a7c15) + 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static int is_ours(int fd) {
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, ours, strlen(ours)) == 0;
}

/* Whether this call fails. A full or broken disk is one for a while: half of the faults are the first of up to 16. */
static int fails(enum kind kind, int fd) {
    uint64_t rate = control ? atomic_load(&control->rate[kind]) : 0;
    if (rate == 0 || !is_ours(fd)) return 0;
    uint64_t left = atomic_load(&control->burst[kind]);
    if (left > 0) {
        atomic_compare_exchange_strong(&control->burst[kind], &left, left - 1);
    } else {
        uint64_t drawn = draw();
        if (drawn % 100000 >= rate) return 0;
        if (drawn >> 63) atomic_store(&control->burst[kind], drawn >> 32 & 15);
    }
    atomic_fetch_add(&control->met[kind], 1);
    return 1;
}

#define NEXT(name) \
    static typeof(name) *next; \
    if (!next) next = (typeof(name) *)dlsym(RTLD_NEXT, #name)

#define WRITES(name, offset_parameter, offset_argument) \
    ssize_t name(int fd, const void *data, size_t length offset_parameter) { \
        NEXT(name); \
        if (fails(NO_SPACE, fd)) { \
            errno = ENOSPC; \
            return -1; \
        } \
        if (length > 1 && fails(SHORT_WRITE, fd)) length /= 2; \
        return next(fd, data, length offset_argument); \
    }

#define READS(name, offset_parameter, offset_argument) \
    ssize_t name(int fd, void *data, size_t length offset_parameter) { \
        NEXT(name); \
        if (fails(READ_ERROR, fd)) { \
            errno = EIO; \
            return -1; \
        } \
        return next(fd, data, length offset_argument); \
    }

#define SYNCS(name) \
    int name(int fd) { \
        NEXT(name); \
        if (fails(SYNC_ERROR, fd)) { \
            errno = EIO; \
            return -1; \
        } \
        return next(fd); \
    }

#define COMMA ,
WRITES(write, , )
WRITES(pwrite, COMMA off_t offset, COMMA offset)
WRITES(pwrite64, COMMA off64_t offset, COMMA offset)
READS(read, , )
READS(pread, COMMA off_t offset, COMMA offset)
READS(pread64, COMMA off64_t offset, COMMA offset)
SYNCS(fsync)
SYNCS(fdatasync)
