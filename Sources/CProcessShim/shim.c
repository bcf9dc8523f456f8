#define _GNU_SOURCE
#include "CProcessShim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// MARK: - Starting children

extern char **environ;

static int become(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count) {
    // The raw calls: glibc's wrappers would signal the (absent) other threads of a forked process.
    if (syscall(SYS_setgroups, group_count, groups) != 0) return errno;
    if (syscall(SYS_setresgid, gid, gid, gid) != 0) return errno;
    if (syscall(SYS_setresuid, uid, uid, uid) != 0) return errno;
    return 0;
}

// The strongest right is the last resort: a container may have been given only CAP_DAC_OVERRIDE.
static int keep_search_capability(int phase) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    if (phase == 0) return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 ? 0 : errno;
    if (syscall(SYS_capget, &header, data) != 0) return errno;
    unsigned wanted = CAP_DAC_READ_SEARCH;
    if (!(data[0].permitted & (1u << wanted))) wanted = CAP_DAC_OVERRIDE;
    if (!(data[0].permitted & (1u << wanted))) return EPERM;
    memset(data, 0, sizeof data);
    data[0].permitted = data[0].effective = data[0].inheritable = 1u << wanted;
    if (syscall(SYS_capset, &header, data) != 0) return errno;
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, wanted, 0, 0) == 0 ? 0 : errno;
}

static void close_all_but(const aig_child *child, int highest) {
    for (int number = 3; number <= highest; number++) {
        int wanted = 0;
        for (size_t i = 0; i < child->descriptor_count; i++) wanted |= child->descriptors[i].target == number;
        if (!wanted) close(number);
    }
    // 4 is CLOSE_RANGE_CLOEXEC: the pipe that reports a failed exec lies in this range.
    if (syscall(SYS_close_range, (unsigned)highest + 1, ~0u, 4u) == 0) return;
    struct rlimit limit;
    int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
    for (int number = highest + 1; number < end; number++) fcntl(number, F_SETFD, FD_CLOEXEC);
}

static int prepare_child(const aig_child *child, int *report, pid_t parent) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    for (int number = 1; number < 65; number++) sigaction(number, &action, NULL);
    // A group of its own: what a terminal sends to the foreground group reaches the supervisor alone.
    setpgid(0, 0);

    int highest = 2;
    for (size_t i = 0; i < child->descriptor_count; i++) {
        if (child->descriptors[i].target > highest) highest = child->descriptors[i].target;
    }
    // Out of the way first, so that no target number overwrites a source that is still needed.
    int moved[128];
    if (child->descriptor_count > sizeof moved / sizeof *moved) return E2BIG;
    int pipe_end = fcntl(*report, F_DUPFD_CLOEXEC, highest + 1);
    if (pipe_end < 0) return errno;
    *report = pipe_end;
    for (size_t i = 0; i < child->descriptor_count; i++) {
        moved[i] = fcntl(child->descriptors[i].source, F_DUPFD_CLOEXEC, highest + 1);
        if (moved[i] < 0) return errno;
    }
    for (size_t i = 0; i < child->descriptor_count; i++) {
        if (dup2(moved[i], child->descriptors[i].target) < 0) return errno;
    }
    close_all_but(child, highest);

    if (child->directory && chdir(child->directory) != 0) return errno;
    if (child->changes_user) {
        int problem = child->keeps_directory_search ? keep_search_capability(0) : 0;
        if (!problem) problem = become(child->uid, child->gid, child->groups, child->group_count);
        if (!problem && child->keeps_directory_search) problem = keep_search_capability(1);
        if (problem) return problem;
    }
    // After the change of user, which clears it.
    if (child->death_signal) {
        if (prctl(PR_SET_PDEATHSIG, child->death_signal, 0, 0, 0) != 0) return errno;
        if (getppid() != parent) return ESRCH;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(child->path, child->arguments, child->environment);
    return errno;
}

pid_t aig_spawn(const aig_child *child) {
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) return -errno;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t process = fork();
    if (process == 0) {
        int end = report[1];
        int problem = prepare_child(child, &end, parent);
        ssize_t ignored = write(end, &problem, sizeof problem);
        (void)ignored;
        _exit(127);
    }
    int problem = process < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(report[1]);
    if (process > 0) {
        ssize_t count;
        do count = read(report[0], &problem, sizeof problem);
        while (count < 0 && errno == EINTR);
        if (count > 0) {
            while (waitpid(process, NULL, 0) < 0 && errno == EINTR) {}
        } else {
            problem = 0;
        }
    }
    close(report[0]);
    return problem ? -problem : process;
}

int32_t aig_watch_process(pid_t process) {
    // Close-on-exec by itself.
    int watch = (int)syscall(SYS_pidfd_open, process, 0u);
    return watch < 0 ? -errno : watch;
}

int32_t aig_user_can_reach(const char *path, uid_t uid, gid_t gid, const gid_t *groups, size_t group_count) {
    pid_t process = fork();
    if (process < 0) return -errno;
    if (process == 0) {
        if (become(uid, gid, groups, group_count) != 0) _exit(2);
        _exit(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0 ? 0 : 1);
    }
    int status = 0;
    while (waitpid(process, &status, 0) < 0) {
        if (errno != EINTR) return -errno;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) return -EPERM;
    return WEXITSTATUS(status) == 0;
}

// MARK: - Sockets

int32_t aig_accept(int32_t listener) {
    int connection = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return connection < 0 ? -errno : connection;
}

int32_t aig_socket_pair(int32_t out[2]) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return -errno;
    out[0] = pair[0];
    out[1] = pair[1];
    return 0;
}

int32_t aig_send(int32_t socket, const void *bytes, size_t count, int32_t descriptor, int32_t non_blocking) {
    struct iovec part = {(void *)bytes, count};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control;
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.space;
        message.msg_controllen = sizeof control.space;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    }
    int flags = MSG_NOSIGNAL | (non_blocking ? MSG_DONTWAIT : 0);
    ssize_t sent;
    do sent = sendmsg(socket, &message, flags);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : (int32_t)sent;
}

int32_t aig_receive(int32_t socket, void *bytes, size_t capacity, int32_t *descriptor, int32_t non_blocking) {
    struct iovec part = {bytes, capacity};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } control;
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    *descriptor = -1;
    ssize_t count;
    do count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (non_blocking ? MSG_DONTWAIT : 0));
    while (count < 0 && errno == EINTR);
    if (count < 0) return -errno;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            memcpy(descriptor, CMSG_DATA(header), sizeof(int));
        }
    }
    return (int32_t)count;
}

// MARK: - Memory

int32_t aig_memory_file(const char *name, const void *bytes, size_t count, int32_t sealed) {
    int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0) return -errno;
    int problem = 0;
    if (ftruncate(file, (off_t)count) != 0) problem = errno;
    for (size_t written = 0; bytes && !problem && written < count;) {
        ssize_t step = pwrite(file, (const char *)bytes + written, count - written, (off_t)written);
        if (step > 0) written += (size_t)step;
        else if (errno != EINTR) problem = errno;
    }
    int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | (sealed ? F_SEAL_WRITE : 0);
    if (!problem && fcntl(file, F_ADD_SEALS, seals) != 0) problem = errno;
    if (!problem) return file;
    close(file);
    return -problem;
}

void *aig_map_shared(int32_t descriptor, size_t count) {
    void *memory = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

// MARK: - Signals

static int signal_pipe = -1;

static void note_signal(int number) {
    int before = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t ignored = write(signal_pipe, &byte, 1);
    (void)ignored;
    errno = before;
}

int32_t aig_watch_signals(const int32_t *signals, size_t count) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
    signal_pipe = ends[1];
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = note_signal;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    for (size_t i = 0; i < count; i++) {
        if (sigaction(signals[i], &action, NULL) != 0) return -errno;
    }
    return ends[0];
}

void aig_ignore_signal(int32_t number) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_IGN;
    sigaction(number, &action, NULL);
}

// MARK: - What the process shows

static char *title_start;
static size_t title_room;

// glibc passes main's arguments to constructors: the only moment a library sees where the kernel put them.
__attribute__((constructor)) static void remember_arguments(int count, char **arguments, char **variables) {
    if (count < 1 || !arguments || !arguments[0]) return;
    char *end = arguments[0];
    for (int i = 0; i < count; i++) {
        if (arguments[i] != end) return;
        end += strlen(end) + 1;
    }
    for (int i = 0; variables && variables[i] && variables[i] == end; i++) end += strlen(end) + 1;
    title_start = arguments[0];
    title_room = (size_t)(end - arguments[0]);
}

void aig_set_process_title(const char *title, const char *short_name) {
    prctl(PR_SET_NAME, short_name, 0, 0, 0);
    if (!title_start || title_room < 2) return;
    static int moved;
    if (!moved) {
        size_t count = 0;
        while (environ && environ[count]) count++;
        char **copy = calloc(count + 1, sizeof *copy);
        if (!copy) return;
        for (size_t i = 0; i < count; i++) {
            copy[i] = strdup(environ[i]);
            if (!copy[i]) return;
        }
        environ = copy;
        moved = 1;
    }
    size_t length = strlen(title);
    if (length > title_room - 1) length = title_room - 1;
    memset(title_start, 0, title_room);
    memcpy(title_start, title, length);
}

void aig_forbid_core_dumps(void) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

uint64_t aig_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

// The concurrency library's own extension point; both functions have Swift's calling convention.
typedef __attribute__((swiftcall)) void (*enqueue_original)(void *job);
typedef __attribute__((swiftcall)) void (*enqueue_hook)(void *job, enqueue_original original);
extern enqueue_hook swift_task_enqueueGlobal_hook;

static void (*global_jobs)(void *job);

static __attribute__((swiftcall)) void take_global_job(void *job, enqueue_original original) {
    (void)original;
    global_jobs(job);
}

void aig_take_global_jobs(void (*take)(void *job)) {
    global_jobs = take;
    swift_task_enqueueGlobal_hook = take_global_job;
}
