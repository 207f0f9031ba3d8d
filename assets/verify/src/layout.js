// The files of an export (section 8): generations in order, each whole, a range or a skeleton.

import { natural, splitOnce } from "./bytes.js";
import { Exit, fault, say } from "./words.js";

const FORMS = {
  whole: ["marks.ndjson", "entries.ndjson"],
  range: ["marks.ndjson", "prefix.json", "carried.ndjson", "entries.ndjson"],
  skeleton: ["marks.ndjson", "skeleton.bin"],
};

/** From names to `{generations: [{number, form, files, anchors}]}`, or `{fault}`. `files` is a Map of paths to Blobs. */
export function layout(files) {
  const found = new Map();
  for (const [path, blob] of files) {
    if (path === "README.txt") continue;
    const parts = /^gen-(0|[1-9][0-9]{0,5})\/(anchors\/)?([^/]+)$/.exec(path);
    if (!parts || !(parts[2] ? isAnchor(parts[3], blob.size) : PART.test(parts[3]))) return refused(path);
    const number = Number(parts[1]);
    if (!found.has(number)) found.set(number, { number, files: {}, anchors: [] });
    const generation = found.get(number);
    if (parts[2]) generation.anchors.push({ name: parts[3], blob });
    else generation.files[parts[3]] = blob;
  }
  if (found.size === 0) return missing("", say("no gen-0 folder: this is no export, or an empty one", "没有 gen-0 文件夹：这不是导出，或导出为空"));
  const generations = [...found.values()].sort((a, b) => a.number - b.number);
  if (generations.some((generation, number) => generation.number !== number)) {
    return missing("", say("the folders of the generations are not gen-0, gen-1 … without a gap", "各代文件夹不是连续的 gen-0、gen-1……"));
  }
  for (const generation of generations) {
    const names = Object.keys(generation.files);
    const form = names.includes("skeleton.bin") ? "skeleton" : names.includes("prefix.json") || names.includes("carried.ndjson") ? "range" : "whole";
    const partial = names.includes("prefix.json") !== names.includes("carried.ndjson");
    if (partial) return refused(`gen-${generation.number}/${names.includes("prefix.json") ? "prefix.json" : "carried.ndjson"}`);
    const strange = names.find((name) => !FORMS[form].includes(name));
    if (strange) return refused(`gen-${generation.number}/${strange}`);
    const absent = FORMS[form].find((name) => !names.includes(name));
    if (absent) return missing(`gen-${generation.number}/${absent}`, say("is missing", "缺失"));
    generation.form = form;
  }
  const skeletons = generations.filter((generation) => generation.form === "skeleton").length;
  if (skeletons > 0 && skeletons < generations.length) return refused("skeleton.bin");
  return { generations };
}

const PART = /^(entries\.ndjson|marks\.ndjson|prefix\.json|carried\.ndjson|skeleton\.bin)$/;

/** Longest anchor of each kind, in bytes. */
const ANCHOR_BYTES_MAX = { tsr: 64 * 1024, eml: 256 * 1024, git: 4 * 1024 };

function isAnchor(name, bytes) {
  const [size, kind] = splitOnce(name, ".") ?? [name, ""];
  return natural(size) !== null && Object.hasOwn(ANCHOR_BYTES_MAX, kind) && bytes <= ANCHOR_BYTES_MAX[kind];
}

const refused = (path) => ({ fault: fault(Exit.MALFORMED, path, say("is not a part of an export of this form", "不属于此形式的导出")) });
const missing = (path, what) => ({ fault: fault(Exit.INCOMPLETE, path, what) });
