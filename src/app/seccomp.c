#include "app/seccomp.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#define CALL(name) SCMP_SYS(name)

static const int allowed[] = {
    /* memory; without new executable pages, see below */
    CALL(brk),
    CALL(mmap),
    CALL(munmap),
    CALL(mremap),
    CALL(madvise),
    CALL(membarrier),
    CALL(mincore),
    CALL(mlock),
    CALL(munlock),
    CALL(msync),
    /* threads, time, signals */
    CALL(clone),
    CALL(clone3),
    CALL(exit),
    CALL(exit_group),
    CALL(futex),
    CALL(futex_waitv),
    CALL(set_robust_list),
    CALL(get_robust_list),
    CALL(rseq),
    CALL(set_tid_address),
    CALL(gettid),
    CALL(getpid),
    CALL(getppid),
    CALL(tgkill),
    CALL(tkill),
    CALL(kill),
    CALL(sched_yield),
    CALL(sched_getaffinity),
    CALL(sched_setaffinity),
    CALL(sched_getparam),
    CALL(sched_getscheduler),
    CALL(sched_setscheduler),
    CALL(getcpu),
    CALL(getpriority),
    CALL(setpriority),
    CALL(clock_gettime),
    CALL(clock_getres),
    CALL(clock_nanosleep),
    CALL(nanosleep),
    CALL(gettimeofday),
    CALL(time),
    CALL(timer_create),
    CALL(timer_settime),
    CALL(timer_gettime),
    CALL(timer_delete),
    CALL(timerfd_create),
    CALL(timerfd_settime),
    CALL(timerfd_gettime),
    CALL(getitimer),
    CALL(setitimer),
    CALL(times),
    CALL(getrusage),
    CALL(rt_sigaction),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(rt_sigpending),
    CALL(rt_sigtimedwait),
    CALL(rt_sigqueueinfo),
    CALL(rt_tgsigqueueinfo),
    CALL(sigaltstack),
    CALL(restart_syscall),
    CALL(wait4),
    CALL(waitid),
    /* descriptors and the loop */
    CALL(read),
    CALL(write),
    CALL(readv),
    CALL(writev),
    CALL(pread64),
    CALL(pwrite64),
    CALL(preadv),
    CALL(pwritev),
    CALL(preadv2),
    CALL(pwritev2),
    CALL(lseek),
    CALL(close),
    CALL(close_range),
    CALL(dup),
    CALL(dup2),
    CALL(dup3),
    CALL(fcntl),
    CALL(ioctl),
    CALL(pipe),
    CALL(pipe2),
    CALL(eventfd),
    CALL(eventfd2),
    CALL(signalfd4),
    CALL(epoll_create),
    CALL(epoll_create1),
    CALL(epoll_ctl),
    CALL(epoll_wait),
    CALL(epoll_pwait),
    CALL(epoll_pwait2),
    CALL(poll),
    CALL(ppoll),
    CALL(select),
    CALL(pselect6),
    CALL(sendfile),
    CALL(splice),
    CALL(io_uring_setup),
    CALL(io_uring_enter),
    CALL(io_uring_register),
    CALL(memfd_create),
    /* sockets */
    CALL(socket),
    CALL(socketpair),
    CALL(connect),
    CALL(bind),
    CALL(listen),
    CALL(accept),
    CALL(accept4),
    CALL(shutdown),
    CALL(send),
    CALL(recv),
    CALL(sendto),
    CALL(recvfrom),
    CALL(sendmsg),
    CALL(recvmsg),
    CALL(sendmmsg),
    CALL(recvmmsg),
    CALL(getsockname),
    CALL(getpeername),
    CALL(getsockopt),
    CALL(setsockopt),
    /* files: reloads, name service, certificates, the ctl socket */
    CALL(open),
    CALL(openat),
    CALL(openat2),
    CALL(stat),
    CALL(lstat),
    CALL(fstat),
    CALL(newfstatat),
    CALL(statx),
    CALL(statfs),
    CALL(fstatfs),
    CALL(access),
    CALL(faccessat),
    CALL(faccessat2),
    CALL(readlink),
    CALL(readlinkat),
    CALL(getdents),
    CALL(getdents64),
    CALL(getcwd),
    CALL(mkdir),
    CALL(mkdirat),
    CALL(unlink),
    CALL(unlinkat),
    CALL(rename),
    CALL(renameat),
    CALL(renameat2),
    CALL(fsync),
    CALL(fdatasync),
    CALL(ftruncate),
    CALL(fallocate),
    CALL(flock),
    CALL(chmod),
    CALL(fchmod),
    CALL(fchmodat),
    CALL(umask),
    CALL(utimensat),
    CALL(fadvise64),
    CALL(inotify_init),
    CALL(inotify_init1),
    CALL(inotify_add_watch),
    CALL(inotify_rm_watch),
    /* who and where we are */
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
    CALL(getresuid),
    CALL(getresgid),
    CALL(getgroups),
    CALL(getpgrp),
    CALL(getpgid),
    CALL(getsid),
    CALL(uname),
    CALL(sysinfo),
    CALL(getrandom),
    CALL(getrlimit),
    CALL(prlimit64),
    CALL(capget),
    CALL(arch_prctl),
    CALL(prctl),
};

/* No healthy server comes here: what turns a foothold into more. Everything else unknown is ENOSYS. */
static const int refused[] = {
    CALL(execve),
    CALL(execveat),
    CALL(fork),
    CALL(vfork),
    CALL(ptrace),
    CALL(process_vm_readv),
    CALL(process_vm_writev),
    CALL(mount),
    CALL(umount2),
    CALL(pivot_root),
    CALL(chroot),
    CALL(setns),
    CALL(unshare),
    CALL(kexec_load),
    CALL(kexec_file_load),
    CALL(init_module),
    CALL(finit_module),
    CALL(delete_module),
    CALL(bpf),
    CALL(perf_event_open),
    CALL(userfaultfd),
    CALL(keyctl),
    CALL(add_key),
    CALL(request_key),
    CALL(reboot),
    CALL(swapon),
    CALL(swapoff),
    CALL(personality),
    CALL(setuid),
    CALL(setgid),
    CALL(setreuid),
    CALL(setregid),
    CALL(setresuid),
    CALL(setresgid),
    CALL(setgroups),
    CALL(capset),
    CALL(quotactl),
    CALL(acct),
    CALL(iopl),
    CALL(ioperm),
    CALL(syslog),
    CALL(settimeofday),
    CALL(clock_settime),
    CALL(sethostname),
    CALL(setdomainname),
    CALL(open_by_handle_at),
    CALL(name_to_handle_at),
    CALL(symlink),
    CALL(symlinkat),
    CALL(link),
    CALL(linkat),
    CALL(chown),
    CALL(fchown),
    CALL(lchown),
    CALL(fchownat),
    CALL(mknod),
    CALL(mknodat),
    CALL(setsid),
    CALL(setpgid),
};

static enum seccomp_mode in_force = SECCOMP_OFF;

/* Pages become executable only when they are mapped (a library of the name service, PCRE2's translator),
 * never afterwards. */
static bool fill(scmp_filter_ctx filter, uint32_t refusal)
{
    for (size_t i = 0; i < array_count(allowed); i++)
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0) != 0)
            return false;
    if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(mprotect), 1,
                         SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0)
        return false;
    for (size_t i = 0; i < array_count(refused) && refusal != SCMP_ACT_LOG; i++)
        if (seccomp_rule_add(filter, refusal, refused[i], 0) != 0)
            return false;
    return refusal == SCMP_ACT_LOG ||
           seccomp_rule_add(filter, refusal, CALL(mprotect), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)) == 0;
}

bool seccomp_install(enum seccomp_mode mode)
{
    if (mode == SECCOMP_OFF || SANITIZED)
        return true;
    const bool only_log = mode == SECCOMP_LOG;
    scmp_filter_ctx filter = seccomp_init(only_log ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(ENOSYS));
    const bool installed =
        filter && fill(filter, only_log ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(EPERM)) && seccomp_load(filter) == 0;
    if (filter)
        seccomp_release(filter);
    if (!installed)
        return fail(&PROBLEM_ENVIRONMENT, "the kernel takes no seccomp filter: set process.seccomp to off");
    in_force = mode;
    return true;
}

const char *seccomp_in_force(void)
{
    return in_force == SECCOMP_ENFORCE ? "enforce" : in_force == SECCOMP_LOG ? "log" : "off";
}

static const char *outcome(bool done)
{
    return done ? "done" : errno == EPERM ? "EPERM" : errno == ENOSYS ? "ENOSYS" : "other";
}

void seccomp_probe(void)
{
    char *const words[] = { (char *)(uintptr_t) "true", NULL };
    (void)execve("/nonexistent/true", words, words); /* were it allowed: ENOENT */
    const char *exec = outcome(false);
    const char *trace =
        outcome(ptrace(PTRACE_ATTACH, 0, 0, 0) == 0); /* ESRCH: our parent would stay stopped */
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const char *executable = outcome(page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *connection = outcome(fd >= 0);
    if (fd >= 0)
        close(fd);
    log_event(LOG_INFO, "seccomp_probe",
              "\"execve\":\"%s\",\"ptrace\":\"%s\",\"mprotect_exec\":\"%s\",\"socket\":\"%s\"", exec, trace,
              executable, connection);
}
