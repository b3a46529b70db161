import assert from "node:assert/strict";
import { createRandom } from "../../../storage/base/random.ts";
import { MetadataRefusedError, type Transaction, type TransactionResult } from "../store/store.ts";
import { etcdLimits } from "./etcd_limits.ts";
import { EtcdTransactions } from "./etcd_transactions.ts";
import type { TxnRequest } from "./gateway_messages.ts";
import { FaultyClient, SimulatedEtcd } from "./simulated_etcd_testing.ts";

const PREFIX = "/s/";

interface Done {
  readonly version: number;
  readonly changes: ReadonlyMap<string, string | null>;
}

/** Transactions of three writers, with everything that can happen to their requests. @returns what they believe, and what happened */
async function history(seed: number, mutate?: (request: TxnRequest) => TxnRequest) {
  const next = createRandom(seed);
  const random = (bound: number) => Math.floor(next() * bound);
  const etcd = new SimulatedEtcd();
  const client = new FaultyClient(etcd, random, 1 + random(4));
  const owner = { prefix: PREFIX, owner: "o", session: `s${seed}` };
  const leases = { ids: new Map<number, string>(), lostBy: () => null };
  const limits = { ...etcdLimits, slotsMax: 1 + random(3) };
  const transactions = new EtcdTransactions({ client, owner, limits, leases });
  await untilAnswered(() => transactions.own());
  if (mutate !== undefined) client.mutate = mutate;
  const believed: Done[] = [];
  const versions = new Map<string, number>();
  const write = async (writer: number) => {
    for (let number = 0; number < 5; number++) {
      const [own, shared] = [`own/${writer}/${number}`, `shared/${random(2)}`];
      const value = `${writer} ${number}`;
      const transaction: Transaction = {
        compare: random(2) === 0 ? [{ key: shared, version: versions.get(shared) ?? 0 }] : [],
        set: [{ key: own, value }, { key: shared, value }],
      };
      const result = await carryOut(transactions, transaction);
      if (result?.outcome !== "committed") continue;
      versions.set(shared, Math.max(result.version, versions.get(shared) ?? 0));
      believed.push({ version: result.version, changes: new Map([[own, value], [shared, value]]) });
    }
  };
  await Promise.all([write(0), write(1), write(2)]);
  client.arriveLate(true);
  const happened = etcd.applied.map(({ version, changes }): Done => ({
    version,
    changes: new Map([...changes].flatMap(([key, value]) => {
      const plain = key.slice(PREFIX.length);
      return plain.startsWith("~") ? [] : [[plain, value] as const];
    })),
  })).filter(({ changes }) => changes.size > 0);
  return { believed: believed.sort((a, b) => a.version - b.version), happened };
}

async function untilAnswered(request: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "GatewayFailure") throw error;
    }
  }
}

async function carryOut(transactions: EtcdTransactions, transaction: Transaction): Promise<TransactionResult | null> {
  try {
    let result = await transactions.transact(transaction);
    while (result.outcome === "unknown") result = await transactions.resolve(result.id);
    return result;
  } catch (error) {
    if (error instanceof MetadataRefusedError) return null;
    throw error;
  }
}

Deno.test("each transaction is carried out once or not at all, as its outcome says, whatever becomes of requests and answers", async () => {
  let committed = 0;
  for (let seed = 1; seed <= 3000; seed++) {
    const { believed, happened } = await history(seed);
    assert.deepEqual(happened, believed, `seed ${seed}`);
    committed += believed.length;
  }
  assert.ok(committed > 10_000, `${committed} were committed`);
});

Deno.test("the histories above catch transactions without a slot, refusals that leave it, and an owner that is not asked", async () => {
  const mutations: Record<string, (request: TxnRequest) => TxnRequest> = {
    "no slot is compared": ({ compare, success, failure }) => {
      const isTransaction = success.length > 2 && "request_put" in success[0]!;
      return { compare: isTransaction ? compare.slice(1) : compare, success, failure };
    },
    "a refusal leaves the slot as it was": ({ compare, success, failure }) => ({
      compare,
      success,
      failure: failure.map((operation) =>
        "request_txn" in operation
          ? { request_txn: { ...operation.request_txn, success: operation.request_txn.failure } }
          : operation
      ),
    }),
    "an abandoned transaction may be carried out yet": ({ compare, success, failure }) => {
      const isAbandon = success.length === 1 && "request_delete_range" in success[0]! && compare.length === 1;
      return { compare, success: isAbandon ? [] : success, failure };
    },
  };
  for (const [name, mutate] of Object.entries(mutations)) {
    let isCaught = false;
    for (let seed = 1; seed <= 3000 && !isCaught; seed++) {
      try {
        const { believed, happened } = await history(seed, mutate);
        assert.deepEqual(happened, believed);
      } catch {
        isCaught = true;
      }
    }
    assert.ok(isCaught, name);
  }
});
