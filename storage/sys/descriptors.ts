/**
 * Copies of descriptors, how many descriptors the process may open, and how many are open. Any isolate. Source: man 2 getrlimit,
 * man 2 fcntl, man 2 dup, man 5 proc.
 *
 * The kernel gives out the lowest free number, so all numbers below that of a new descriptor are taken. The soft limit needs no
 * raising: the runtime raises it to the hard one when it starts.
 */
import { libc, SystemError } from "./libc.ts";

const F_DUPFD_CLOEXEC = 1030;
const O_CLOEXEC = 0o2000000;

/** The kernel's default soft limit, assumed where it cannot be read. Source: man 2 getrlimit (INR_OPEN_CUR of the kernel). */
const DESCRIPTORS_MAX_UNKNOWN = 1024;

/**
 * Reads the soft limit of open files.
 * @param limits text of /proc/self/limits
 * @returns descriptors that the process may have open
 */
export function descriptorsMax(limits: string): number {
  const [, soft = ""] = /^Max open files\s+(\d+|unlimited)/m.exec(limits) ?? [];
  if (soft === "unlimited") return Infinity;
  return soft === "" ? DESCRIPTORS_MAX_UNKNOWN : Number(soft);
}

/**
 * A second descriptor of the same open file or socket. No child of the process inherits it: a connection that a child holds open
 * too is not ended by closing it here.
 * @throws SystemError
 */
export function duplicate(fd: number): number {
  const copy = libc.fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw new SystemError(`duplicate descriptor ${fd}`);
  return copy;
}

/** Makes `fd` refer to the open file of `source`; the file that it referred to before loses this reference. @throws SystemError */
export function replaceDescriptor(fd: number, source: number): void {
  if (libc.dup3(source, fd, O_CLOEXEC) < 0) throw new SystemError(`replace descriptor ${fd}`);
}

/** The number that the next descriptor gets, Infinity when none is left. @param fd any open descriptor */
export function nextDescriptor(fd: number): number {
  const copy = libc.fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return Infinity;
  libc.close(copy);
  return copy;
}
