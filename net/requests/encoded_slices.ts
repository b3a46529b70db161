/**
 * An answer that lists something, made over several turns: its elements are encoded one at a time, and are never on the heap together.
 * Runs on shards.
 */
import { type ElementEncoder, EncodedList } from "../protocol/encoded_list.ts";
import type { SlicedRequest, SliceRunner } from "./slices.ts";

/** What is listed. */
export interface ListedItems<Item, Element> {
  readonly items: readonly Item[];
  /** Encodes an element, as a message of its own. */
  readonly element: ElementEncoder<Element>;
  /** Makes the element of an item; null where it has none. @param list of the elements before it */
  readonly describe: (item: Item, list: EncodedList<Element>) => Element | null;
}

/** Encodes the elements of the request that is being handled. @param finish receives the array of the response */
export function encodeInSlices<Item, Element>(
  { items, element, describe }: ListedItems<Item, Element>,
  { slices, exchange }: {
    readonly slices: SliceRunner;
    readonly exchange: SlicedRequest & { readonly apiVersion: number };
  },
  finish: (elements: readonly Element[]) => void,
): void {
  const list = new EncodedList(element, exchange.apiVersion);
  if (items.length === 0) return finish(list.asArray);
  let next = 0;
  slices.run({
    step: () => {
      const described = describe(items[next++] as Item, list);
      if (described !== null) list.add(described);
      return next < items.length;
    },
    finish: () => finish(list.asArray),
  }, exchange);
}
