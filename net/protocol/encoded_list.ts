/**
 * An array of a response whose elements are encoded one by one before the response itself. It serves answers that are made over
 * several turns and are so large that their elements must not be on the heap together. Runs in any isolate.
 */
import type { ErrorCounts } from "./error_counts.ts";
import { Writer } from "./writer.ts";

/** Encodes an element as a message of its own. */
export interface ElementEncoder<E> {
  encode(writer: Writer, version: number, value: E): void;
}

/** The list. */
export class EncodedList<E> {
  readonly #writer: Writer;
  readonly #element: ElementEncoder<E>;
  readonly #version: number;
  #count = 0;

  /**
   * @param element how an element is encoded, as a message of its own @param version of the response
   * @param options capacityBytes: first size of the list, for many short ones
   */
  constructor(element: ElementEncoder<E>, version: number, options: { readonly capacityBytes?: number } = {}) {
    this.#writer = new Writer(options.capacityBytes);
    this.#element = element;
    this.#version = version;
  }

  /** The encoded elements, one after the other. */
  get bytes(): Uint8Array {
    return this.#writer.bytes.subarray(0, this.#writer.position);
  }

  /** Error codes of the elements, as `Writer` notes them. */
  get errors(): ErrorCounts | null {
    return this.#writer.errors;
  }

  /** Number of elements. */
  get count(): number {
    return this.#count;
  }

  /** Encodes the next element. @throws EncodeError when the version cannot carry it */
  add(value: E): void {
    this.#element.encode(this.#writer, this.#version, value);
    this.#count++;
  }

  /** The list as the array of a response. Only an encoder may read it. */
  get asArray(): readonly E[] {
    return this as unknown as readonly E[];
  }
}
