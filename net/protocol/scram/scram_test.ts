import assert from "node:assert/strict";
import { saltSecret } from "../../../partitions/authentication/salted_secret.ts";
import { sha256 } from "../../../partitions/authentication/scram_sha256.ts";
import { randomBytes } from "../sample_values.ts";
import {
  SCRAM_ITERATIONS_MAX,
  SCRAM_ITERATIONS_MIN,
  ScramClient,
  type ScramCredential,
  scramCredential,
  ScramServer,
} from "./scram.ts";
import { SCRAM_MESSAGE_BYTES_MAX } from "./scram_messages.ts";

const utf8 = new TextEncoder();
const textOf = (bytes: Uint8Array | null) => bytes === null ? null : new TextDecoder().decode(bytes);

/** The exchange of RFC 7677, section 3. */
const RFC = {
  userName: "user",
  password: "pencil",
  clientNonce: "rOprNGfwEbeRWgbNEkqO",
  serverNonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
  salting: { salt: Uint8Array.fromBase64("W22ZaJ0SNY7soEsUEjb6gQ=="), iterations: 4096 },
  clientFirst: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
  serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
  clientFinal: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," +
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
  serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
} as const;

const salted = await saltSecret(RFC.password, RFC.salting);
const credential = scramCredential(sha256, salted, RFC.salting);
/** A credential that no password fits. */
const decoy: ScramCredential = { ...credential, storedKey: new Uint8Array(32), serverKey: new Uint8Array(32) };

function newServer(): ScramServer {
  const credentialOf = (userName: string) => userName === RFC.userName ? credential : decoy;
  return new ScramServer({ hash: sha256, nonce: RFC.serverNonce, credentialOf });
}

function newClient(userName: string = RFC.userName): ScramClient {
  return new ScramClient(sha256, { userName, nonce: RFC.clientNonce });
}

/** A server that has sent its challenge to the client of the RFC. */
function challenged(): ScramServer {
  const server = newServer();
  assert.equal(textOf(server.challenge(utf8.encode(RFC.clientFirst))), RFC.serverFirst);
  return server;
}

/** A client that has sent its proof to the server of the RFC. */
function proven(): ScramClient {
  const client = newClient();
  assert.notEqual(client.read(utf8.encode(RFC.serverFirst)), null);
  assert.equal(textOf(client.prove(salted)), RFC.clientFinal);
  return client;
}

Deno.test("ScramServer and ScramClient write the messages of RFC 7677, and accept them", () => {
  assert.equal(textOf(newClient().first), RFC.clientFirst);
  const server = challenged();
  assert.equal(server.userName, null);
  assert.equal(textOf(server.finish(utf8.encode(RFC.clientFinal))), RFC.serverFinal);
  assert.equal(server.userName, RFC.userName);
  assert.equal(proven().accepts(utf8.encode(RFC.serverFinal)), true);
});

Deno.test("ScramServer refuses a wrong password, and a user that does not exist in the same way", async () => {
  for (
    const [userName, password] of [[RFC.userName, "pencils"], ["nobody", RFC.password], ["nobody", "pencils"]] as const
  ) {
    const [server, client] = [newServer(), newClient(userName)];
    const challenge = server.challenge(client.first);
    assert.equal(textOf(challenge), RFC.serverFirst, "the challenge does not tell whether the user exists");
    const salting = client.read(challenge as Uint8Array);
    assert.ok(salting !== null);
    assert.equal(server.finish(client.prove(await saltSecret(password, salting))), null);
    assert.equal(server.userName, null);
  }
});

Deno.test("ScramServer reads names with commas and equals signs, extensions, and the own name as authorization id", () => {
  const name = "a=b,c=2C=";
  const server = new ScramServer({ hash: sha256, nonce: RFC.serverNonce, credentialOf: () => credential });
  const client = newClient(name);
  assert.match(textOf(client.first) ?? "", /^n,,n=a=3Db=2Cc=3D2C=3D,r=/);
  const salting = client.read(server.challenge(client.first) as Uint8Array);
  assert.ok(salting !== null);
  assert.equal(client.accepts(server.finish(client.prove(salted)) as Uint8Array), true);
  assert.equal(server.userName, name);
  for (const accepted of ["n,a=user,n=user,r=x", "n,,n=user,r=x,tokenauth=true", "n,,n=user,r=x,q=1,zz=2"]) {
    assert.notEqual(newServer().challenge(utf8.encode(accepted)), null, accepted);
  }
});

Deno.test("ScramServer accepts the proof of a client that repeats its own nonce, as librdkafka 2.0.2 does (librdkafka#4895)", () => {
  const server = challenged();
  const withoutProof = `c=biws,r=${RFC.clientNonce}${RFC.clientNonce}${RFC.serverNonce}`;
  const text = utf8.encode(`${RFC.clientFirst.slice(3)},${RFC.serverFirst},${withoutProof}`);
  const clientKey = sha256.hmac(salted, utf8.encode("Client Key"));
  const signature = sha256.hmac(credential.storedKey, text);
  const proof = clientKey.map((byte, index) => byte ^ signature[index]!);
  assert.notEqual(server.finish(utf8.encode(`${withoutProof},p=${proof.toBase64()}`)), null);
});

Deno.test("ScramServer refuses first messages of any other form", () => {
  const refused = [
    ...["", "n", "n,", "n,,", "n,,n=user", "n,,n=user,", "n,,n=user,r=", "n,,n=,r=x", "n,n=user,r=x", ",,n=user,r=x"],
    ...["y,,n=user,r=x", "p=tls-unique,,n=user,r=x", "n,a=other,n=user,r=x", "n,,n=us=er,r=x", "n,,n=us=2cer,r=x"],
    ...[
      "n,,m=1,n=user,r=x",
      "n,,n=user,r=x,m=1",
      "n,,n=user,r=x y",
      "n,,n=user,r=x,1=2",
      "n,,n=user,r=x,a",
      "n,,n=user\0,r=x",
    ],
    `n,,n=${"u".repeat(SCRAM_MESSAGE_BYTES_MAX)},r=x`,
  ];
  for (const message of refused) assert.equal(newServer().challenge(utf8.encode(message)), null, message.slice(0, 40));
  assert.equal(
    newServer().challenge(new Uint8Array([...utf8.encode("n,,n=us"), 0xff, ...utf8.encode("er,r=x")])),
    null,
  );
});

Deno.test("ScramServer refuses the final message of another exchange, with another header, or of any other form", () => {
  const final = RFC.clientFinal;
  const refused = [
    ...["", "p=x", final.replace("biws", "biwsYQ=="), final.replace("biws", "eSws"), final.replace("c=", "d=")],
    ...[final.replace("k0,", "k1,"), final.replace("k0,", "k00,"), final.replace("rOpr", "rOpq"), `${final},x=1`],
    ...[final.replace(/p=.*/, "p="), final.replace(/p=.*/, "p=AAAA"), final.slice(0, -1), final.replace("VQ=", "VR=")],
    final.replace("dHzb", "dHzc"),
  ];
  for (const message of refused) {
    const server = challenged();
    assert.equal(server.finish(utf8.encode(message)), null, message);
    assert.equal(server.userName, null);
    assert.equal(server.finish(utf8.encode(final)), null, "one attempt ends the exchange");
  }
  assert.equal(newServer().finish(utf8.encode(final)), null, "nothing was asked before");
});

Deno.test("ScramServer refuses every cut and every flipped bit of the messages that it gets", () => {
  const refusals = (message: string, attempt: (bytes: Uint8Array) => unknown) => {
    const whole = utf8.encode(message);
    for (let length = 0; length < whole.length; length++) attempt(whole.slice(0, length));
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = whole.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      attempt(flipped);
    }
  };
  // A shorter or other name or nonce is a valid first message, and then the proof does not fit.
  refusals(RFC.clientFirst, (bytes) => {
    const server = newServer();
    if (server.challenge(bytes) !== null) assert.equal(server.finish(utf8.encode(RFC.clientFinal)), null);
  });
  refusals(RFC.clientFinal, (bytes) => assert.equal(challenged().finish(bytes), null, textOf(bytes) ?? ""));
});

Deno.test("ScramClient refuses a challenge without its nonce, with too few or too many rounds, or of any other form", () => {
  const { serverFirst } = RFC;
  const withRounds = (count: number) => serverFirst.replace("4096", String(count));
  for (const accepted of [withRounds(SCRAM_ITERATIONS_MIN), withRounds(SCRAM_ITERATIONS_MAX), `${serverFirst},x=y`]) {
    assert.notEqual(newClient().read(utf8.encode(accepted)), null, accepted);
  }
  const refused = [
    ...[withRounds(SCRAM_ITERATIONS_MIN - 1), withRounds(SCRAM_ITERATIONS_MAX + 1), withRounds(1), withRounds(1e12)],
    ...[serverFirst.replace("rOpr", "rOpq"), serverFirst.replace(RFC.serverNonce, ""), `m=1,${serverFirst}`],
    ...[
      "",
      "e=other-error",
      serverFirst.replace("W22Z", "W22"),
      serverFirst.replace("4096", "-4096"),
      `${serverFirst},m=1`,
    ],
    ...[serverFirst.replace("4096", "04096"), serverFirst.replace(/s=.*,/, "s=,"), "x".repeat(100_000)],
  ];
  for (const message of refused) assert.equal(newClient().read(utf8.encode(message)), null, message.slice(0, 99));
});

Deno.test("ScramClient does not accept a server that lacks the credential", () => {
  const { serverFinal } = RFC;
  const refused = [
    "",
    "v=",
    "e=invalid-proof",
    serverFinal.replace("6rri", "6rrj"),
    serverFinal.replace("v=", "V="),
    "v=AAAA",
  ];
  for (const message of refused) assert.equal(proven().accepts(utf8.encode(message)), false, message);
  assert.equal(newClient().accepts(utf8.encode(serverFinal)), false, "it has proved nothing yet");
});

Deno.test("neither side throws, whatever arrives", () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  let state = seed;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const templates = [RFC.clientFirst, RFC.serverFirst, RFC.clientFinal, RFC.serverFinal].map((text) =>
    utf8.encode(text)
  );
  for (let round = 0; round < 2000; round++) {
    const bytes = (templates[round % 4] as Uint8Array).slice();
    for (const byte of randomBytes(1 + round % 5, random)) bytes[Math.floor(random() * bytes.length)] = byte;
    try {
      newServer().challenge(bytes);
      challenged().finish(bytes);
      newClient().read(bytes);
      proven().accepts(bytes);
    } catch (error) {
      throw new Error(`seed ${seed}, round ${round}`, { cause: error });
    }
  }
});
