/**
 * Regular expressions over transactional ids (ListTransactions, KIP-1152), in the syntax of RE2 as in Kafka. The main isolate, which loads this
 * file and its library when the first is asked for: on each shard they would take 5 MB.
 */
import * as re2js from "npm:re2js@2.10.0";

/** Longest pattern, characters, as ids are: parsing sixteen times as many takes up to 100 ms. Kafka's only limit is that of the request. */
export const PATTERN_LENGTH_MAX = 2048;

/** Whether a pattern is a regular expression. */
export function isPattern(pattern: string): boolean {
  if (pattern.length > PATTERN_LENGTH_MAX) return false;
  try {
    re2js.RE2JS.compile(pattern);
    return true;
  } catch {
    return false; // It throws for a pattern that it cannot parse.
  }
}
