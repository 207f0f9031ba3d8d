// Builds what ships: `npm ci && npm run build`. `--check` builds in memory and compares with the files that are committed.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const read = (path) => readFileSync(here(path), "utf8");
const { version } = JSON.parse(read("package.json"));

/** Lowest browsers: the last with each interface that is used, all of 2022 and later. */
const TARGET = ["chrome105", "firefox121", "safari16"];
const shared = { absWorkingDir: here("."), write: false, minify: true, charset: "utf8", target: TARGET, legalComments: "none", logLevel: "warning" };

const bundle = async (options) => (await build({ ...shared, ...options })).outputFiles[0].text;

const script = await bundle({
  entryPoints: ["src/page.js"],
  bundle: true,
  format: "iife",
  define: { VERSION: JSON.stringify(version), LICENCES: JSON.stringify(read("LICENSES")) },
});
const style = await bundle({ entryPoints: ["src/verify.css"] });
const tokens = read("../static/tokens.css");
const whole = await bundle({ stdin: { contents: tokens + read("src/saved.css") + read("src/verify.css"), loader: "css" } });

/** A tag's content ends at its own end tag, whatever the language. */
const inline = (code) => code.trimEnd().replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
const policyHash = (content) => `'sha256-${createHash("sha256").update(content).digest("base64")}'`;
const content = { SCRIPT: inline(script), STYLE: whole.trimEnd(), VERSION: version };
content.POLICY = `default-src 'none'; script-src ${policyHash(content.SCRIPT)}; style-src ${policyHash(content.STYLE)}; connect-src 'none'; base-uri 'none'; form-action 'none'`;
const saved = read("src/saved.html").replace(/\{([A-Z]+)\}/g, (_, name) => content[name]);

const made = { "../static/verify.js": script, "../static/verify.css": style, "dist/keystall-verify.html": saved };
let stale = 0;
for (const [path, text] of Object.entries(made)) {
  if (process.argv.includes("--check")) {
    if (readIfThere(path) === text) continue;
    stale += 1;
    console.error(`assets/verify/${path} is not what the sources give: npm ci && npm run build`);
  } else {
    mkdirSync(here("dist"), { recursive: true });
    writeFileSync(here(path), text);
    console.log(`${path} ${Buffer.byteLength(text)} bytes, SHA-256 ${createHash("sha256").update(text).digest("hex")}`);
  }
}
process.exit(stale === 0 ? 0 : 1);

function readIfThere(path) {
  try {
    return read(path);
  } catch {
    return null;
  }
}
