/** The version that the program, its banner and its help show; a tidy test compares it with deno.json. Any isolate. */

/** Version of this broker. */
export const VERSION = "0.1.0";
