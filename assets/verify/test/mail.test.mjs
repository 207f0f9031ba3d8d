// Mails as other programs spell them: what is found under a file's name.
import assert from "node:assert/strict";
import { test } from "node:test";
import { text, utf8 } from "../src/bytes.js";
import { partsNamed } from "../src/mail.js";

const found = (lines) => partsNamed(utf8(lines.join("\r\n")), "checkpoint.txt").map(text);
const part = (...more) => ["Content-Disposition: attachment; filename=checkpoint.txt", ...more];

test("a part within a part is found, by a parameter of either field", () => {
  const inner = ["--in", "Content-Type: text/plain; NAME=\"checkpoint.txt\"", "", "one", "--in--", "an epilogue"];
  const mail = ["Content-Type: multipart/mixed; boundary=out", "", "a preamble", "--out", "Content-Type: multipart/alternative; boundary=\"in\"", "", ...inner, "--out", ...part("", "two"), "--out--"];
  assert.deepEqual(found(mail), ["one", "two"]);
});

test("a file name in coded form or in pieces is found as it reads", () => {
  const named = (...parameters) => found([`Content-Disposition: attachment; ${parameters.join("; ")}`, "", "x"]);
  assert.deepEqual(named("filename*=utf-8''checkpoint.txt"), ["x"]);
  assert.deepEqual(named("FILENAME*=UTF-8'en'check%70oint%2Etxt"), ["x"]);
  assert.deepEqual(named("filename*0=check", "filename*1=\"point.txt\""), ["x"]);
  assert.deepEqual(named("filename*1*=%70oint.txt", "filename*0*=us-ascii''check"), ["x"]);
  assert.deepEqual(found(["Content-Type: text/plain; name*=utf-8''checkpoint%2etxt", "", "x"]), ["x"]);
  assert.deepEqual(named("filename*=utf-8''checkpoint.txt.exe"), []);
  assert.deepEqual(named("filename*0=checkpoint", "filename*2=.txt"), []);
  assert.deepEqual(named("filename=check%70oint.txt"), []);
});

test("each encoding gives the bytes back", () => {
  assert.deepEqual(found(part("Content-Transfer-Encoding: BASE64", "", "4oCU", "IHg=")), ["\u2014 x"]);
  assert.deepEqual(found(part("Content-Transfer-Encoding: quoted-printable", "", "=E2=80=94 a=3Db=", "c")), ["\u2014 a=bc"]);
  assert.deepEqual(found(part("", "\u2014 x")), ["\u2014 x"]);
});

test("what is no such part is not found", () => {
  assert.deepEqual(found(["hello"]), []);
  assert.deepEqual(found(["Content-Disposition: attachment; filename=checkpoint.txt.exe", "", "x"]), []);
  assert.deepEqual(found(["Content-Type: multipart/mixed; boundary=b", "", "--c", ...part("", "x"), "--c--"]), []);
  assert.deepEqual(partsNamed(new Uint8Array(0), "checkpoint.txt"), []);
});

test("parts in parts without end are given up", () => {
  let mail = part("", "x");
  for (let depth = 0; depth < 20; depth += 1) mail = [`Content-Type: multipart/mixed; boundary=b${depth}`, "", `--b${depth}`, ...mail, `--b${depth}--`];
  assert.deepEqual(found(mail), []);
});
