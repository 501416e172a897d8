/* A file system that fails: preloaded, it lets the n-th operation below a folder fail with an error of choice.

   Patching `os` in Python misses SQLite, Arrow, ISA-L and everything else that is compiled; this does not. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, RENAME = 2, SYNC = 4, LOCK = 8, MAKE = 16 };
static char folder[4096];
static int kinds, code, lasting;
static long nth, count;

void fault_arm(const char *below, int which, long number, int error, int for_good) {
    snprintf(folder, sizeof folder, "%s", below);
    kinds = which; nth = number; code = error; lasting = for_good; count = 0;
}
long fault_count(void) { return count; }

static int below(const char *path) { return folder[0] && path && !strncmp(path, folder, strlen(folder)); }
static int below_fd(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return below(path);
}
static int fails(int kind, int here) {
    if (!(kinds & kind) || !here) return 0;
    long now = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (!nth || now < nth || (!lasting && now != nth)) return 0;
    errno = code;
    return 1;
}
#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t n) { REAL(write); return kinds && fails(WRITE, below_fd(fd)) ? -1 : real(fd, data, n); }
ssize_t writev(int fd, const struct iovec *v, int n) { REAL(writev); return kinds && fails(WRITE, below_fd(fd)) ? -1 : real(fd, v, n); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t at) { REAL(pwrite); return kinds && fails(WRITE, below_fd(fd)) ? -1 : real(fd, data, n, at); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) { REAL(pwrite64); return kinds && fails(WRITE, below_fd(fd)) ? -1 : real(fd, data, n, at); }
int rename(const char *a, const char *b) { REAL(rename); return kinds && fails(RENAME, below(b)) ? -1 : real(a, b); }
int renameat(int f, const char *a, int g, const char *b) { REAL(renameat); return kinds && fails(RENAME, below(b)) ? -1 : real(f, a, g, b); }
int renameat2(int f, const char *a, int g, const char *b, unsigned how) { REAL(renameat2); return kinds && fails(RENAME, below(b)) ? -1 : real(f, a, g, b, how); }
int fsync(int fd) { REAL(fsync); return kinds && fails(SYNC, below_fd(fd)) ? -1 : real(fd); }
int fdatasync(int fd) { REAL(fdatasync); return kinds && fails(SYNC, below_fd(fd)) ? -1 : real(fd); }
int flock(int fd, int how) { REAL(flock); return kinds && fails(LOCK, below_fd(fd)) ? -1 : real(fd, how); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); return kinds && fails(MAKE, below(path)) ? -1 : real(path, mode); }

static int locks(int command) { return command == F_SETLK || command == F_SETLKW; }
int fcntl(int fd, int command, ...) {
    REAL(fcntl); va_list list; va_start(list, command); void *arg = va_arg(list, void *); va_end(list);
    return kinds && locks(command) && fails(LOCK, below_fd(fd)) ? -1 : real(fd, command, arg);
}
int fcntl64(int fd, int command, ...) {
    REAL(fcntl64); va_list list; va_start(list, command); void *arg = va_arg(list, void *); va_end(list);
    return kinds && locks(command) && fails(LOCK, below_fd(fd)) ? -1 : real(fd, command, arg);
}
#define OPEN(name) int name(const char *path, int flags, ...) { \
    REAL(name); mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); } \
    return kinds && (flags & O_CREAT) && fails(MAKE, below(path)) ? -1 : real(path, flags, mode); }
OPEN(open)
OPEN(open64)
