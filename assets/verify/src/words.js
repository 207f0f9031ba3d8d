// What a verifier ends with (section 9), and sentences in both languages.

/** Exit numbers of section 9. */
export const Exit = Object.freeze({ PROVEN: 0, TAMPERED: 1, USAGE: 2, MALFORMED: 3, INCOMPLETE: 4, FORK: 5, INTERNAL: 70 });

const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\u200b\ufeff]/gu;

/**
 * A text of a file as it may be shown: what would break a line, turn its direction or not be seen at all is spelled, so
 * that a name cannot pass for a verdict.
 */
export const shown = (text) => String(text).replace(UNSEEN, (one) => `\\u{${one.codePointAt(0).toString(16)}}`);

/** A sentence in both languages: `{0}`, `{1}` … stand for the arguments, which are shown with care or are sentences themselves. */
export function say(en, zh, ...args) {
  const filled = (template, language) =>
    template.replace(/\{(\d)\}/g, (_, number) => {
      const value = args[Number(number)];
      return typeof value === "object" && value !== null ? value[language] : shown(value);
    });
  return { en: filled(en, "en"), zh: filled(zh, "zh") };
}

/** A fault: how the run ends, what is wrong, where. */
export function fault(exit, file, what, more = {}) {
  return { exit, file, what, ...more };
}

/** The reason why something is refused, thrown by readers and caught where the place is known. */
export class Refused extends Error {
  constructor(exit, what, more = {}) {
    super(what.en);
    this.exit = exit;
    this.what = what;
    this.more = more;
  }
}

/** A refusal of form (exit 3). */
export const malformed = (en, zh, ...args) => new Refused(Exit.MALFORMED, say(en, zh, ...args));

/** A refusal of content (exit 1). */
export const tampered = (en, zh, ...args) => new Refused(Exit.TAMPERED, say(en, zh, ...args));

/** A refusal for want of something (exit 4). */
export const incomplete = (en, zh, ...args) => new Refused(Exit.INCOMPLETE, say(en, zh, ...args));

/** RFC 3339 in UTC, or the number itself where no calendar reaches. Whole seconds carry no fraction. */
export function rfc3339(ms) {
  const time = new Date(ms);
  if (Number.isNaN(time.getTime())) return `${ms} ms`;
  return time.toISOString().replace(".000Z", "Z");
}
