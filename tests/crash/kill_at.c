// Loaded before the C library: the process is killed at its call number KILL_AT (from 1) of those
// that change files or make them durable; right after it where KILL_AFTER is set. COUNT_CALLS names
// a file that gets a byte for each call.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;

static long begin(void) {
  const char* at = getenv("KILL_AT");
  const char* count = getenv("COUNT_CALLS");
  const long number = atomic_fetch_add(&calls, 1) + 1;
  if (count != NULL) {
    const int fd = open(count, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (write(fd, ".", 1) != 1) abort();
    close(fd);
  }
  const long wanted = at == NULL ? 0 : atol(at);
  if (number == wanted && getenv("KILL_AFTER") == NULL) kill(getpid(), SIGKILL);
  return number;
}

static void end(long number) {
  const char* at = getenv("KILL_AT");
  if (at != NULL && number == atol(at) && getenv("KILL_AFTER") != NULL) kill(getpid(), SIGKILL);
}

#define CALL(name, parameters, ...)                    \
  int name parameters {                                \
    int(*next) parameters = dlsym(RTLD_NEXT, #name);   \
    const long number = begin();                       \
    const int result = next(__VA_ARGS__);              \
    end(number);                                       \
    return result;                                     \
  }
CALL(unlinkat, (int at, const char* name, int flags), at, name, flags)
CALL(mkdirat, (int at, const char* name, mode_t mode), at, name, mode)
CALL(mkdir, (const char* name, mode_t mode), name, mode)
CALL(symlinkat, (const char* target, int at, const char* name), target, at, name)
CALL(linkat, (int from, const char* old, int to, const char* name, int flags), from, old, to, name,
     flags)
CALL(renameat, (int from, const char* old, int to, const char* name), from, old, to, name)
CALL(renameat2, (int from, const char* old, int to, const char* name, unsigned flags), from, old,
     to, name, flags)
CALL(fsync, (int fd), fd)
CALL(fdatasync, (int fd), fd)
CALL(fchmod, (int fd, mode_t mode), fd, mode)
CALL(utimensat, (int at, const char* name, const struct timespec* times, int flags), at, name,
     times, flags)
CALL(futimens, (int fd, const struct timespec* times), fd, times)
