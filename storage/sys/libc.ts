/**
 * The functions of the C library that the broker calls: the only `Deno.dlopen` of the tree. Any isolate (each opens its own).
 *
 * Pointers are declared `usize` and passed through `word64()`, and byte counts come back as `i32`: both take the fast path
 * (a few nanoseconds plus the system call), while `isize` results would allocate a BigInt each. No call moves 2 GiB or
 * more at once; `IO_BYTES_MAX` is asserted by the callers of this file.
 * Source: man 2 of each call; the constants are those of Linux on x86-64 and on AArch64 (they agree for all used here).
 */

/** Declarations of the functions, as the runtime wants them. */
export const symbols = {
  open: { parameters: [/* const char *path */ "buffer", /* int flags */ "i32", /* mode_t */ "u32"], result: "i32" },
  close: { parameters: [/* int fd */ "i32"], result: "i32" },
  pread: {
    parameters: [/* int fd */ "i32", /* void *buf */ "usize", /* size_t count */ "usize", /* off_t offset */ "i64"],
    result: "i32",
  },
  preadv2: {
    parameters: [
      /* int fd */ "i32",
      /* const struct iovec *iov */ "usize",
      /* int iovcnt */ "i32",
      /* off_t offset */ "i64",
      /* int flags */ "i32",
    ],
    result: "i32",
  },
  pwrite: {
    parameters: [
      /* int fd */ "i32",
      /* const void *buf */ "usize",
      /* size_t count */ "usize",
      /* off_t offset */ "i64",
    ],
    result: "i32",
  },
  fsync: { parameters: [/* int fd */ "i32"], result: "i32" },
  fdatasync: { parameters: [/* int fd */ "i32"], result: "i32" },
  ftruncate: { parameters: [/* int fd */ "i32", /* off_t length */ "i64"], result: "i32" },
  fallocate: {
    parameters: [/* int fd */ "i32", /* int mode */ "i32", /* off_t offset */ "i64", /* off_t len */ "i64"],
    result: "i32",
  },
  posix_fadvise: {
    parameters: [/* int fd */ "i32", /* off_t offset */ "i64", /* off_t len */ "i64", /* int advice */ "i32"],
    result: "i32",
  },
  lseek: { parameters: [/* int fd */ "i32", /* off_t offset */ "i64", /* int whence */ "i32"], result: "i64" },
  lockf: { parameters: [/* int fd */ "i32", /* int cmd */ "i32", /* off_t len */ "i64"], result: "i32" },
  flock: { parameters: [/* int fd */ "i32", /* int operation */ "i32"], result: "i32" },
  mmap: {
    parameters: [
      /* void *addr */ "usize",
      /* size_t length */ "usize",
      /* int prot */ "i32",
      /* int flags */ "i32",
      /* int fd */ "i32",
      /* off_t offset */ "i64",
    ],
    result: "usize",
  },
  munmap: { parameters: [/* void *addr */ "usize", /* size_t length */ "usize"], result: "i32" },
  madvise: {
    parameters: [/* void *addr */ "usize", /* size_t length */ "usize", /* int advice */ "i32"],
    result: "i32",
  },
  malloc_trim: { parameters: [/* size_t pad */ "usize"], result: "i32" },
  fcntl: { parameters: [/* int fd */ "i32", /* int op */ "i32", /* int arg */ "i32"], result: "i32" },
  dup3: { parameters: [/* int oldfd */ "i32", /* int newfd */ "i32", /* int flags */ "i32"], result: "i32" },
  eventfd: { parameters: [/* unsigned initval */ "u32", /* int flags */ "i32"], result: "i32" },
  read: { parameters: [/* int fd */ "i32", /* void *buf */ "usize", /* size_t count */ "usize"], result: "i32" },
  write: { parameters: [/* int fd */ "i32", /* const void *buf */ "usize", /* size_t count */ "usize"], result: "i32" },
  epoll_create1: { parameters: [/* int flags */ "i32"], result: "i32" },
  epoll_ctl: {
    parameters: [/* int epfd */ "i32", /* int op */ "i32", /* int fd */ "i32", /* epoll_event *event */ "usize"],
    result: "i32",
  },
  epoll_wait: {
    parameters: [/* int epfd */ "i32", /* epoll_event *events */ "usize", /* int max */ "i32", /* int ms */ "i32"],
    result: "i32",
  },
  recv: {
    parameters: [/* int fd */ "i32", /* void *buf */ "usize", /* size_t len */ "usize", /* int flags */ "i32"],
    result: "i32",
  },
  send: {
    parameters: [/* int fd */ "i32", /* const void *buf */ "usize", /* size_t len */ "usize", /* int flags */ "i32"],
    result: "i32",
  },
  sendfile: {
    parameters: [
      /* int out_fd */ "i32",
      /* int in_fd */ "i32",
      /* off_t *offset */ "usize",
      /* size_t count */ "usize",
    ],
    result: "i32",
  },
  socket: { parameters: [/* int domain */ "i32", /* int type */ "i32", /* int protocol */ "i32"], result: "i32" },
  sendto: {
    parameters: [
      /* int fd */ "i32",
      /* const void *buf */ "usize",
      /* size_t len */ "usize",
      /* int flags */ "i32",
      /* const struct sockaddr *dest_addr */ "usize",
      /* socklen_t addrlen */ "u32",
    ],
    result: "i32",
  },
  setsockopt: {
    parameters: [
      /* int fd */ "i32",
      /* int level */ "i32",
      /* int optname */ "i32",
      /* const void *optval */ "usize",
      /* socklen_t optlen */ "u32",
    ],
    result: "i32",
  },
  getsockname: {
    parameters: [/* int fd */ "i32", /* sockaddr *addr */ "usize", /* socklen_t *addrlen */ "usize"],
    result: "i32",
  },
  getpeername: {
    parameters: [/* int fd */ "i32", /* sockaddr *addr */ "usize", /* socklen_t *addrlen */ "usize"],
    result: "i32",
  },
  syscall: {
    parameters: [
      /* long number */ "i64",
      /* pid_t pid */ "i32",
      /* struct sched_attr *attr */ "usize",
      /* unsigned size or flags */ "u32",
      /* unsigned flags */ "u32",
    ],
    result: "i32",
  },
  clock_gettime: { parameters: [/* clockid_t id */ "i32", /* struct timespec *tp */ "usize"], result: "i32" },
  statfs: { parameters: [/* const char *path */ "buffer", /* struct statfs *buf */ "buffer"], result: "i32" },
  statvfs: { parameters: [/* const char *path */ "buffer", /* struct statvfs *buf */ "buffer"], result: "i32" },
  sysconf: { parameters: [/* int name */ "i32"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

type Libc = Deno.DynamicLibrary<typeof symbols>["symbols"];

const word = new BigUint64Array(1);
const halves = new Uint32Array(word.buffer);

/**
 * A 64-bit parameter. Optimized code takes bigints only: with a number the engine discards the optimized caller, time and again, and
 * the call takes the slow path (76 ns; with `BigInt(value)`, which lies on the heap, 24 ns). Read from an array, the bigint stays in a
 * register (15 ns).
 * @param value an address, a length or a position, from 0 to 2^53
 */
export function word64(value: number): bigint {
  halves[0] = value;
  halves[1] = value / 0x1_0000_0000;
  return word[0] as bigint;
}

/** What the broker needs of the machine, for the refusal where that is missing. */
const REQUIREMENT =
  "Barnabas needs Linux on x86-64 or arm64 with glibc (epoll, sendfile and fallocate are called by FFI)";

/**
 * Opens the C library, or says why the broker cannot run here. The modules still load then, but no function of `libc` exists. So a
 * program for several systems can import the broker, and learns the reason when it starts one.
 * @param os the operating system @param open opens the library
 */
export function openLibc(os: string, open: () => Libc): { libc: Libc; refused: string | null } {
  const refuse = (reason: string) => ({ libc: {} as Libc, refused: `${REQUIREMENT}; ${reason}` });
  if (os !== "linux") return refuse(`this is ${os} on ${Deno.build.arch}`);
  try {
    return { libc: open(), refused: null };
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      return refuse(`libc.so.6 may not be opened: run with -A or --allow-ffi`);
    }
    const told = error instanceof Error ? error.message : String(error);
    return refuse(`this system has another C library, as Alpine's musl, or an older one: ${told}`);
  }
}

const opened = openLibc(Deno.build.os, () => Deno.dlopen("libc.so.6", symbols).symbols);

/** Why the broker cannot run on this system, or null. */
export const unsupportedReason = opened.refused;

/** Whether the broker can run on this system. */
export const isSupported = unsupportedReason === null;

/** The C library's functions; errors of the call are its return value, -1. */
export const libc: Libc = opened.libc;

/** Most bytes one call may move: the kernel's own limit (MAX_RW_COUNT), below what an i32 result can say. */
export const IO_BYTES_MAX = 0x7fff_f000;

const NAMES: Record<number, string> = {
  1: "EPERM, operation not permitted",
  2: "ENOENT, no such file or directory",
  5: "EIO, input/output error",
  9: "EBADF, bad file descriptor",
  11: "EAGAIN, would block",
  12: "ENOMEM, out of memory",
  13: "EACCES, permission denied",
  17: "EEXIST, file exists",
  20: "ENOTDIR, not a directory",
  21: "EISDIR, is a directory",
  22: "EINVAL, invalid argument",
  23: "ENFILE, too many open files in the system",
  24: "EMFILE, too many open files: raise ulimit -n",
  27: "EFBIG, file too large",
  28: "ENOSPC, no space left on device",
  30: "EROFS, read-only file system",
  32: "EPIPE, broken pipe",
  104: "ECONNRESET, connection reset by peer",
  111: "ECONNREFUSED, nobody listens",
  122: "EDQUOT, disk quota exceeded",
};

/**
 * Describes the last failed call, for messages only. The engine may have made another call in between (about once in a million), so
 * code must not decide by it.
 */
export function lastErrorText(): string {
  const location = libc.__errno_location();
  if (location === null) return "unknown error";
  const number = new Deno.UnsafePointerView(location).getInt32();
  return NAMES[number] ?? `errno ${number}`;
}

/** A failed call to the operating system. */
export class SystemError extends Error {
  override name = "SystemError";

  /** @param action what was tried, with its object ("write 512 bytes to /data/t-0/0.log at position 7") */
  constructor(action: string) {
    super(`Cannot ${action}: ${lastErrorText()}`);
  }
}
