const MAX_GREETING = 300;
const GREETING_NAME = /^[^\s\x00-\x1f\x7f-\x9f]+$/;

/** Whether a text is an argument of EHLO or HELO that smtp-server takes: hostile, and often no name. */
export const isGreetingName = (text: string): boolean =>
  text.length <= MAX_GREETING && GREETING_NAME.test(text);
