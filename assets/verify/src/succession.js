// Who may sign: how a generation opens, continues the one before, and changes its log key (sections 6 and 10).

import { hex, utf8 } from "./bytes.js";
import { parseVkey, verifies } from "./note.js";
import { Exit, fault, say, tampered } from "./words.js";

/** Takes in an `open` or a `rotate`; anything else changes no key. Throws a refusal. */
export function keyChange(generation, entry) {
  if (entry.type === "open" && generation.size === 0) {
    generation.origin = entry.origin;
    generation.points.claimKnown();
    open(generation, entry);
  }
  if (entry.type !== "rotate") return;
  try {
    rotate(generation, entry);
    generation.audit.tally.add("rotations", true);
  } catch (error) {
    generation.audit.tally.add("rotations", false);
    throw error;
  }
}

function open({ audit, keys }, entry) {
  const logKey = parseVkey(entry.vkey);
  const last = audit.last;
  audit.last = null;
  let trusted = audit.isPinned(logKey);
  let refusal = audit.isSeen(entry.origin) ? SEEN() : null;
  if (!last && !("prior" in entry)) {
    const root = parseVkey(entry.root_vkey);
    audit.root = { vkey: root, trusted: audit.isPinned(root) };
  } else if (!last) {
    refusal ??= tampered("continues a generation that is not in this export", "所延续的一代不在此导出中");
  } else if (!("prior" in entry)) {
    refusal ??= tampered("does not say which generation it continues", "没有说明延续的是哪一代");
  } else {
    refusal ??= discontinuity(audit.root, last, entry);
    trusted ||= !refusal && Boolean(audit.root?.trusted);
    settleLost(audit, last, entry, trusted && !refusal);
  }
  keys.add(logKey, 0, trusted);
  if (refusal) throw refusal;
}

/** Two histories under one name would be a fork that no comparison of sizes shows. */
export const SEEN = () => tampered("an origin that an earlier generation has", "与先前一代的来源相同");

function rotate(generation, entry) {
  const { audit, keys, origin, size } = generation;
  const vkey = parseVkey(entry.vkey);
  if (vkey.name !== origin) throw tampered("the new vkey's name is not the origin", "新公钥的名称不是本账本");
  if (keys.has(vkey)) throw tampered("a rotation to a log key that was used before", "更换为先前用过的账本公钥");
  const message = utf8(`keystall 2026-11 rotate v1\n${origin}\n${size}\n${entry.vkey}`);
  const old = keys.newest();
  if (!old || !audit.root) throw tampered("a rotation before any key", "尚无公钥便更换公钥");
  if (!verifies(old.vkey, message, entry.sig_old)) throw tampered("the old log key did not sign this rotation", "旧公钥没有签名此次更换");
  if (!verifies(audit.root.vkey, message, entry.sig_root)) throw tampered("the origin key did not sign this rotation", "源公钥没有签名此次更换");
  keys.add(vkey, size + 1, old.trusted || audit.root.trusted);
}

/** Why an `open` does not continue the generation before it (section 10), or null. */
function discontinuity(root, last, entry) {
  if (root?.vkey.text !== entry.root_vkey) return tampered("names another root_vkey than generation 0", "所写的 root_vkey 与第 0 代不同");
  const message = utf8(`keystall 2026-11 open v1\n${entry.prior}\n${entry.prior_size}\n${entry.prior_head}\n${entry.prior_signed}\n${entry.vkey}`);
  if (!verifies(root.vkey, message, entry.sig_root)) return tampered("the origin key did not sign this open", "源公钥没有签名此次开启");
  if (entry.prior !== last.origin || entry.prior_size !== last.size || entry.prior_head !== hex(last.head)) {
    return tampered("continues {0} at size {1}, but the generation before is {2} with {3} entries", "延续的是 {0} 的 {1} 条，而上一代是 {2}，有 {3} 条", entry.prior, entry.prior_size, last.origin, last.size);
  }
  return null;
}

/**
 * Known notes above the restored copy are lost up to `prior_signed`; above it they prove that entries were removed, and
 * so does an unsigned tail unless the origin key vouches for the copy's head.
 */
function settleLost(audit, last, entry, vouched) {
  if (vouched && entry.prior_signed > entry.prior_size) {
    audit.note(say("a restore lost entries {0} to {1} of {2}", "一次恢复丢失了 {2} 的记录 {0} 至 {1}", entry.prior_size, entry.prior_signed - 1, last.origin));
  }
  for (const { file, note } of audit.beyond.splice(0)) {
    const lost = vouched && note.size > entry.prior_size && note.size <= entry.prior_signed;
    audit.tally.add("known", lost);
    if (lost) audit.note(say("{0}: size {1} of {2} was lost in a restore", "{0}：{2} 的 {1} 条在一次恢复中丢失", file, note.size, last.origin));
    else audit.add(fault(Exit.TAMPERED, file, say("a known size above what the restore admits to have lost", "已知数量超过恢复所承认丢失的部分"), { seq: note.size }));
  }
  if (last.tail > 0 && !vouched) audit.missing(unsignedTail(last));
}

/** Entries after the newest checkpoint. */
export const unsignedTail = (last) => say("the last {0} entries of {1} are not signed", "{1} 的最后 {0} 条记录没有签名", last.tail, last.origin);
