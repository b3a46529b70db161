/** What `main.ts verify` would say about a log directory. Test code. */
import { verifyDirectory } from "../storage/inspection/verified_directory.ts";
import { linuxFileSystem } from "../storage/sys/file_system.ts";

/** The damage in a log directory, as sentences. */
export function damageIn(directory: string): string[] {
  return [...verifyDirectory(linuxFileSystem, directory)]
    .flatMap((report) => report.kind === "damage" ? [`${report.path}: ${report.text}`] : []);
}
