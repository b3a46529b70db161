/**
 * What the broker as a whole tells the operator. Main isolate.
 */
import { getLogger } from "npm:@logtape/logtape@2.4.2";

const logger = getLogger(["barnabas"]);

/** Reports trouble, as a sentence. */
export function warn(text: string): void {
  logger.warn("{text}", { text });
}

/** Says what was done, as a sentence. */
export function inform(text: string): void {
  logger.info("{text}", { text });
}

/** Reports what could not be done and is left so. */
export function complain(text: string): void {
  logger.error("{text}", { text });
}
