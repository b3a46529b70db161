/**
 * Command lines of strace(1) that make chosen system calls on chosen files fail or wait. Source: its "Tampering". Test code.
 */

/** What goes wrong. */
export interface SystemFault {
  /** "fdatasync", "pwrite64". */
  readonly call: string;
  /** As strace says it: "error=EIO", "retval=100" (pretends that many bytes), "delay_exit=200000" (µs). */
  readonly injected: string;
  /** The calls on these files alone; absolute paths. */
  readonly paths: readonly string[];
}

/** Words of strace that select the calls and say what becomes of them. */
export function straceWords({ call, injected, paths }: SystemFault): string[] {
  const selected = paths.flatMap((path) => ["-P", path]);
  return ["-f", ...selected, "-e", `trace=${call}`, "-e", `inject=${call}:${injected}`];
}

/**
 * Words before the command line of a program that has a fault from its start. A filter in the kernel stops the program at these calls
 * only. -D: the program, not strace, is the child that gets the signals.
 */
export function underStrace(fault: SystemFault): string[] {
  return ["strace", "-D", "-qq", "--seccomp-bpf", "-o", "/dev/null", ...straceWords(fault)];
}

/** Whether faults can be injected here. */
export function hasStrace(): boolean {
  const probe = ["-qq", "-o", "/dev/null", "true"];
  try {
    return new Deno.Command("strace", { args: probe, stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
