/**
 * The metadata store on an etcd with TLS and with users: certificates on both sides, a user with rights on one prefix alone, tokens that end,
 * users that change.
 */
import assert from "node:assert/strict";
import type { EtcdStore } from "../../partitions/metadata/etcd/etcd_store.ts";
import { commit, setting } from "../../partitions/metadata/store/store_contract_testing.ts";
import { WatchedImage } from "../../partitions/metadata/store/watched_image_testing.ts";
import { waitFor } from "../../bench/peer/processes.ts";
import { withDirectory } from "../temporary_directory.ts";
import { makeCertificates } from "./etcd/certificates.ts";
import { Etcd } from "./etcd/members.ts";
import { OpenedStores } from "./etcd/opened_stores.ts";
import { interopTest } from "./toolchain.ts";

const BROKER = { name: "broker", password: "secret" };

/** Asks for users, and gives one all rights on the stores' prefix, and no others. */
async function protect(etcd: Etcd): Promise<void> {
  await etcd.call("/v3/auth/user/add", { name: "root", password: "root" });
  await etcd.call("/v3/auth/user/grant", { user: "root", role: "root" });
  await etcd.call("/v3/auth/user/add", BROKER);
  await etcd.call("/v3/auth/role/add", { name: "metadata" });
  const perm = { permType: "READWRITE", key: btoa("/test/"), range_end: btoa("/test0") };
  await etcd.call("/v3/auth/role/grant", { name: "metadata", perm });
  await etcd.call("/v3/auth/user/grant", { user: BROKER.name, role: "metadata" });
  await etcd.call("/v3/auth/enable", {});
}

/** Uses everything that a store does. */
async function useAll(store: EtcdStore): Promise<void> {
  const image = new WatchedImage();
  using _watch = store.watch("", image);
  const lease = await store.grantLease(60_000);
  const version = await commit(store, {
    set: [{ key: "held", value: "1", lease: lease.id }, { key: "a", value: "1" }],
  });
  await image.reaches(version);
  assert.ok(await lease.keepAlive());
  assert.equal((await store.get("a"))?.value, "1");
  assert.equal((await store.snapshot("")).entries.length, 2);
  assert.equal((await store.versions("")).versions.get("held"), version);
  await lease.revoke();
  assert.deepEqual((await store.range("")).map(({ key }) => key), ["a"]);
}

interopTest({
  name: "a store speaks TLS with etcd, by its own authority and a certificate of the broker, and says what is missing",
  needs: ["etcd", "openssl"],
  fn: () =>
    withDirectory(async (directory) => {
      for (const name of ["own", "foreign"]) await Deno.mkdir(`${directory}/${name}`);
      const certificates = await makeCertificates(`${directory}/own`);
      const foreign = await makeCertificates(`${directory}/foreign`);
      await using etcd = await Etcd.start({ directory, members: 3, certificates });
      await using stores = new OpenedStores();
      const { ca, client } = certificates;
      const open = (tls?: { caCerts?: string[]; cert?: string; key?: string }, endpoints = etcd.urls) =>
        stores.open("a", { endpoints, tls, limits: { requestMs: 500 } });
      await assert.rejects(open(), /Cannot use etcd: the connection fails .*invalid peer certificate: UnknownIssuer/);
      await assert.rejects(open({ caCerts: [foreign.ca], ...client }), /Cannot use etcd: .*invalid peer certificate/);
      const unaccepted = /Cannot use etcd: it does not accept the broker's certificate/;
      await assert.rejects(open({ caCerts: [ca] }), unaccepted);
      await assert.rejects(open({ caCerts: [ca], ...foreign.client }), unaccepted);
      const plain = etcd.urls.map((url) => url.replace("https", "http"));
      await assert.rejects(open(undefined, plain), /Cannot use etcd: /);
      await useAll(await open({ caCerts: [ca], ...client }));
      assert.deepEqual(stores.failures, new Map());
    }),
});

interopTest({
  name: "a store works with rights on its prefix alone, and goes on after its token has ended or users have changed",
  needs: ["etcd", "openssl"],
  fn: () =>
    withDirectory(async (directory) => {
      await Deno.mkdir(`${directory}/own`);
      const certificates = await makeCertificates(`${directory}/own`);
      await using etcd = await Etcd.start({
        directory,
        certificates,
        flags: { "auth-token-ttl": 1, "bcrypt-cost": 4 },
      });
      await protect(etcd);
      await using stores = new OpenedStores();
      const access = {
        endpoints: etcd.urls,
        user: BROKER,
        tls: { caCerts: [certificates.ca], ...certificates.client },
      };
      const named = { ...access, tls: { ...access.tls, ...certificates.namedClient } };
      await assert.rejects(
        stores.open("b", named),
        /Cannot use etcd: .* only client certificates without a common name/,
      );
      await assert.rejects(
        stores.open("b", { ...access, prefix: "/other/" }),
        /Cannot use etcd: etcdserver: permission denied/,
      );
      const store = await stores.open("a", access);
      await useAll(store);

      const image = new WatchedImage(await store.snapshot(""));
      using _watch = store.watch("", image, (await store.snapshot("")).version);
      await image.reaches(await commit(store, setting({ a: "2" })));
      // A token lives on while it is used: so each of these is used once, and all of them are younger than the store's.
      const logins = Array.from({ length: 200 }, () => etcd.call<{ token: string }>("/v3/auth/authenticate", BROKER));
      const tokens = (await Promise.all(logins)).map(({ token }) => token);
      await waitFor("tokens that are not used end", () => isEnded(etcd, tokens.pop() ?? ""));
      await image.reaches(await commit(store, setting({ a: "3" })));
      assert.equal(image.entries.find(({ key }) => key === "a")?.value, "3");

      const { token } = await etcd.call<{ token: string }>("/v3/auth/authenticate", { name: "root", password: "root" });
      await etcd.call("/v3/auth/user/add", { name: "another", password: "x" }, token);
      await image.reaches(await commit(store, setting({ a: "4" })));
      await useAll(store);
      await etcd.call("/v3/auth/user/changepw", { name: BROKER.name, password: "changed" }, token);
      await assert.rejects(
        commit(store, setting({ a: "5" })),
        /Cannot write metadata to etcd: .*authentication failed/,
      );
      await etcd.call("/v3/auth/user/changepw", { name: BROKER.name, password: BROKER.password }, token);
      await image.reaches(await commit(store, setting({ a: "6" })));
      assert.deepEqual(stores.failures, new Map());
    }),
});

/** Whether a token has ended; it is used by this. */
async function isEnded(etcd: Etcd, token: string): Promise<true | undefined> {
  assert.notEqual(token, "", "there are tokens left");
  const error = await etcd.call("/v3/kv/range", { key: btoa("/test/a") }, token).catch((error) => error);
  return /invalid auth token/.test(String(error)) ? true : undefined;
}
