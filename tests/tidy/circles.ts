/**
 * Finds files that import each other in a circle, imports of types included: such files cannot be understood, moved or tested alone.
 * Starting a worker by its URL is no import. Test code.
 */
import { importsOf, type SourceFile } from "./source_text.ts";

/** Every circle: the files that reach each other, in the order of their paths (Tarjan's strongly connected components). */
export function importCircles(files: readonly SourceFile[]): string[][] {
  const targets = new Map(
    files.map((file) => [file.path, importsOf(file).flatMap(({ target, isWorker }) => isWorker ? [] : [target])]),
  );
  const order = new Map<string, number>();
  const path: string[] = [];
  const onPath = new Set<string>();
  const circles: string[][] = [];
  /** @returns the earliest file of the path that the file reaches */
  const visit = (file: string): number => {
    const index = order.size;
    let earliest = index;
    order.set(file, index);
    path.push(file);
    onPath.add(file);
    for (const target of targets.get(file) ?? []) {
      if (target === file) circles.push([file]);
      if (!targets.has(target)) continue;
      if (!order.has(target)) earliest = Math.min(earliest, visit(target));
      else if (onPath.has(target)) earliest = Math.min(earliest, order.get(target) as number);
    }
    if (earliest < index) return earliest;
    const circle = path.splice(path.indexOf(file));
    for (const member of circle) onPath.delete(member);
    if (circle.length > 1) circles.push(circle.sort());
    return earliest;
  };
  for (const file of targets.keys()) if (!order.has(file)) visit(file);
  return circles;
}
