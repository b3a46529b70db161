/** All messages that messages/ declares, whether the API table has a row for them or not. Tests only. */
import { Message } from "./schema.ts";

/** One message in one version. */
export interface Case {
  readonly name: string;
  readonly message: Message;
  readonly version: number;
}

/** Both messages of an API. */
export interface DeclaredApi {
  /** Kafka's name of the API. */
  readonly name: string;
  readonly request: Message;
  readonly response: Message;
}

/** Every API that messages/ declares, by ascending key. */
export const declaredApis: readonly DeclaredApi[] = await Promise.all(
  [...Deno.readDirSync(new URL("messages", import.meta.url))].map(({ name }) => name).sort().map(declaredIn),
);

async function declaredIn(fileName: string): Promise<DeclaredApi> {
  const exports: { readonly [name: string]: unknown } = await import(
    new URL(`messages/${fileName}`, import.meta.url).href
  );
  const found = (kind: string): [name: string, message: Message] => {
    for (const [name, value] of Object.entries(exports)) {
      if (value instanceof Message && name.endsWith(kind)) return [name, value];
    }
    throw new Error(`${fileName} declares no ${kind}`);
  };
  const [name, request] = found("Request");
  return { name: name[0]!.toUpperCase() + name.slice(1, -"Request".length), request, response: found("Response")[1] };
}

/** Every version of every message. */
export function allCases(): Case[] {
  const cases: Case[] = [];
  for (const { name, request, response } of declaredApis) {
    for (const [kind, message] of [["request", request], ["response", response]] as const) {
      for (let version = message.versions.min; version <= message.versions.max; version++) {
        cases.push({ name: `${name} ${kind} v${version}`, message, version });
      }
    }
  }
  return cases;
}
