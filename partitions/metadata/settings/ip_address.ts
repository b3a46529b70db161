/** Recognises addresses. Pure; any isolate. */

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const IPV6_CHARACTERS = /^[0-9a-f:.]{2,45}$/i;

/** Whether a text is an IPv4 or IPv6 address, without brackets and zone. A name that can be resolved is none. */
export function isIpAddress(text: string): boolean {
  if (IPV4.test(text)) return true;
  return text.includes(":") && IPV6_CHARACTERS.test(text) && URL.canParse(`http://[${text}]`);
}
