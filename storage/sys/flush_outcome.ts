/**
 * How a flush ended. Any isolate.
 *
 *   flushed     the disk has it
 *   failed      the disk failed: the kernel may have dropped the pages, and a second try would succeed without them; the log goes
 *               offline
 *   postponed   a directory could not be opened for lack of descriptors: nothing is lost, and the next flush tries again
 */
export type FlushOutcome = "flushed" | "failed" | "postponed";
