#pragma once
// System calls that Swift cannot express: what runs between fork and exec, control messages, process titles.
//
// Every function that can fail answers a negative errno. Nothing here allocates after fork.

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Hands every job of this process that no executor of its own claims to `take`, which may be called on any thread,
/// instead of to the concurrency library's threads.
///
/// Once, before the first job. The library looks at the place that this sets with every such job.
void aig_take_global_jobs(void (*take)(void *job));

/// One descriptor of the parent and the number it gets in the child.
typedef struct {
    int32_t source;
    int32_t target;
} aig_descriptor;

/// What a child is started with. Pointers need to live for the call only.
typedef struct {
    const char *path;
    char *const *arguments;
    char *const *environment;
    /// NULL: the parent's.
    const char *directory;
    const aig_descriptor *descriptors;
    size_t descriptor_count;
    /// Sent to the child when the thread that started it ends; 0: none.
    int32_t death_signal;
    /// Nonzero: become uid, gid and groups below.
    int32_t changes_user;
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t group_count;
    /// Nonzero: keep the right to search directories across the change of user (embedded stores below private ones).
    int32_t keeps_directory_search;
} aig_child;

/// Starts a child; its process id, or a negative errno when anything up to and including exec failed.
pid_t aig_spawn(const aig_child *child);

/// A descriptor that becomes readable when a child has ended.
int32_t aig_watch_process(pid_t process);

/// accept4 with close-on-exec and non-blocking; the connection, or a negative errno.
int32_t aig_accept(int32_t listener);

/// A connected pair of close-on-exec SOCK_SEQPACKET sockets.
int32_t aig_socket_pair(int32_t out[2]);

/// Sends one datagram, with a descriptor unless `descriptor` is negative. Never raises SIGPIPE.
int32_t aig_send(int32_t socket, const void *bytes, size_t count, int32_t descriptor, int32_t non_blocking);

/// Receives one datagram; its length (0: the peer is gone). `descriptor` becomes -1 when none came along.
int32_t aig_receive(int32_t socket, void *bytes, size_t capacity, int32_t *descriptor, int32_t non_blocking);

/// A memory file with `bytes` in it; with `sealed`, nobody can change it any more, otherwise only its size is fixed.
int32_t aig_memory_file(const char *name, const void *bytes, size_t count, int32_t sealed);

/// The page of shared memory behind a memory file, `MAP_SHARED`; NULL on failure.
void *aig_map_shared(int32_t descriptor, size_t count);

/// Delivers the given signals as bytes on a non-blocking pipe; its read end.
int32_t aig_watch_signals(const int32_t *signals, size_t count);

/// Replaces what `ps` shows: the whole command line, and the short name (15 bytes).
void aig_set_process_title(const char *title, const char *short_name);

/// Keeps secrets out of core dumps and away from debuggers of the same user.
void aig_forbid_core_dumps(void);

/// Sets the disposition of a signal to "ignore".
void aig_ignore_signal(int32_t signal);

/// Raises the soft limit of open files to the hard one; the resulting limit.
uint64_t aig_raise_descriptor_limit(void);

/// 1 when a process of that user can open the directory, 0 when not, negative errno when that cannot be found out.
int32_t aig_user_can_reach(const char *path, uid_t uid, gid_t gid, const gid_t *groups, size_t group_count);

/// Exit status helpers, since the macros of <sys/wait.h> are not visible to Swift.
static inline int32_t aig_exited(int32_t status) { return (status & 0x7f) == 0; }
static inline int32_t aig_exit_code(int32_t status) { return (status >> 8) & 0xff; }
static inline int32_t aig_signal(int32_t status) { return status & 0x7f; }

static inline uint64_t aig_load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }
static inline void aig_store(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELAXED); }
/// One writer per word: a plain add on a relaxed load and store, which costs no locked instruction.
static inline void aig_add(uint64_t *word, uint64_t value) {
    __atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + value, __ATOMIC_RELAXED);
}
