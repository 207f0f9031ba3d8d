// Elements made from descriptions. Text is always text: nothing here takes HTML.

/** `el("p.hint", {id: "x", onclick: f}, "text", child …)`; null children are left out. */
export function el(kind, attributes, ...children) {
  const [tag, ...classes] = kind.split(".");
  const made = document.createElement(tag);
  if (classes.length > 0) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") made.toggleAttribute(name, value);
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** A list of terms and what they say. */
export const terms = (pairs) => el("dl", null, ...pairs.filter(([, said]) => said !== null && said !== undefined).map(([term, said]) => [el("dt", null, term), el("dd", null, said)]));

/** A section with its heading. `level` is the heading's element. */
export const part = (level, heading, ...children) => el("div.part", null, el(level, null, heading), ...children);
