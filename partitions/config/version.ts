/** The version that the program, its banner and its help show; a tidy test holds it equal to deno.json's. Any isolate. */

/** Version of this broker. */
export const VERSION = "0.1.0";
