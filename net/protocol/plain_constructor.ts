/**
 * Constructors of plain objects, and arrays, for what is made for each element of a request or answer. Any isolate.
 *
 * V8 counts for each object literal, array literal and `new Array()` in the source how many of its objects survive a collection of the
 * young generation. When nearly all of them do, it allocates all further ones in the old generation, where their garbage lies until the
 * next full collection, and that comes late. Requests with many elements teach it that, because their elements live until the last one
 * is done: 100 commits of 8,192 partitions left 120 MB of garbage on a shard, and 6 MB with constructors, whose
 * objects are not counted (tests/hostile, OffsetCommit).
 */

/** Makes a constructor of objects that are equal to literals with these properties. @param names of all properties of `T` */
export function plainConstructor<T extends object>(): <const Names extends readonly (keyof T & string)[]>(
  ...names: Names
) => new (...values: { [Index in keyof Names]: T[Names[Index]] }) => T {
  return (...names) => new Function(`"use strict";\n${constructorSource("plain", names)}\nreturn plain;`)();
}

const BLANK: readonly unknown[] = new Array(1024).fill(undefined);

/** Makes an array for this many elements: a copy, because copies are not counted. The largest are counted, but one request has few. */
export function newArray<T>(count: number): T[] {
  return (count <= BLANK.length ? BLANK.slice(0, count) : new Array(count)) as T[];
}

/** The source of such a constructor. */
export function constructorSource(name: string, properties: readonly string[]): string {
  const values = properties.map((property) => `_${property}`).join(", ");
  const lines = properties.map((property) => `this.${property} = _${property};`);
  return `function ${name}(${values}) {\n${lines.join("\n")}\n}\n${name}.prototype = Object.prototype;`;
}
