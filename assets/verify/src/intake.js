// What people drop or choose: files and folders, as paths and Blobs. Nothing is uploaded.

const FILES_MAX = 100_000;

/**
 * From a drop: `[{path, blob}]`, folders walked. Must be called while the event is handled. A page that was opened from a
 * disk may not read entries in some browsers, so files are taken as files and folders as handles where there are any.
 */
export async function dropped(transfer) {
  const taken = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => ({ file: item.getAsFile(), entry: item.webkitGetAsEntry?.() ?? null, handle: item.getAsFileSystemHandle?.() ?? null }));
  const found = [];
  for (const { file, entry, handle } of taken) {
    if (!entry?.isDirectory) found.push({ path: file.name, blob: file });
    else if (handle) await walkHandle(await handle, "", found);
    else await walkEntry(entry, "", found);
  }
  return found;
}

/** From an input, with the folder's name before each path where it was a folder. */
export const chosen = (files) => [...files].slice(0, FILES_MAX).map((blob) => ({ path: blob.webkitRelativePath || blob.name, blob }));

/** The paths within an export: the folder's own name is cut off, unless it is a generation itself. */
export function exportFiles(items) {
  const top = items[0]?.path.split("/")[0];
  const inFolder = items.length > 0 && items.every(({ path }) => path.startsWith(`${top}/`)) && !/^gen-\d+$/.test(top);
  return new Map(items.map(({ path, blob }) => [inFolder ? path.slice(top.length + 1) : path, blob]));
}

/** Whether these are the files of a folder rather than single files. */
export const isFolder = (items) => items.some(({ path }) => path.includes("/"));

async function walkHandle(handle, before, found) {
  if (found.length >= FILES_MAX) return;
  const path = before + handle.name;
  if (handle.kind === "file") {
    found.push({ path, blob: await handle.getFile() });
    return;
  }
  for await (const child of handle.values()) await walkHandle(child, `${path}/`, found);
}

async function walkEntry(entry, before, found) {
  if (found.length >= FILES_MAX) return;
  const path = before + entry.name;
  if (entry.isFile) {
    found.push({ path, blob: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader gives its entries in parts, and an empty part at the end.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const child of some) await walkEntry(child, `${path}/`, found);
  }
}
