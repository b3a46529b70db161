/**
 * Allocates blocks of producer ids to shards (KIP-730). Main isolate.
 *
 * Always: a block is durable in the store before it is given away, so no id is given twice.
 */
import type { MetadataCommits } from "./metadata_commits.ts";
import { PRODUCER_IDS } from "../records.ts";
import { ABSENT, MetadataStoreError, type Transaction } from "../store/store.ts";

/** Producer ids in a block (ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE). */
export const PRODUCER_ID_BLOCK = 1000;

/** A block. */
export interface ProducerIdBlock {
  readonly firstId: number;
  readonly count: number;
}

/** The blocks of one broker. */
export class ProducerIdBlocks {
  readonly #commits: MetadataCommits;
  #row = { next: 0, version: ABSENT };

  /** @param commits of the controller */
  constructor(commits: MetadataCommits) {
    this.#commits = commits;
  }

  /** Continues where the store ends. @param row first id of the next block, and version of the row in the store */
  load(row: { readonly next: number; readonly version: number }): void {
    this.#row = row;
  }

  /** Allocates the next block. @throws MetadataStoreError when all ids are used up, or as `MetadataCommits.commit()` does */
  async allocate(): Promise<ProducerIdBlock> {
    const { block, next, transaction } = nextBlock(this.#row);
    this.#row = { next, version: await this.#commits.commit(transaction) };
    return block;
  }
}

/**
 * The next block, and the transaction that takes it.
 * @param row first id of the block, and version of the row in the store
 * @throws MetadataStoreError when all ids are used up
 */
export function nextBlock(
  row: { readonly next: number; readonly version: number },
): { readonly block: ProducerIdBlock; readonly next: number; readonly transaction: Transaction } {
  const next = row.next + PRODUCER_ID_BLOCK;
  if (!Number.isSafeInteger(next)) throw new MetadataStoreError("Cannot allocate producer ids: all are used up");
  return {
    block: { firstId: row.next, count: PRODUCER_ID_BLOCK },
    next,
    transaction: {
      compare: [{ key: PRODUCER_IDS, version: row.version }],
      set: [{ key: PRODUCER_IDS, value: JSON.stringify({ next }) }],
    },
  };
}
