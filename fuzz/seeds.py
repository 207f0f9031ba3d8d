"""Seeds of the fuzz targets from the test vectors: python3 seeds.py FOLDER."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent / "tests" / "vectors"


def main(folder):
    vectors = json.loads((VECTORS / "ledger.json").read_text())

    def put(target, data):
        to = folder / target
        to.mkdir(parents=True, exist_ok=True)
        (to / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def text(export, name):
        if name in export["files"]:
            return export["files"][name].encode()
        return vectors["shared"][export["shared"][name]].encode()

    for line in vectors["lines"]:
        put("line", line["line"].encode())
    for line in vectors["bad_lines"]:
        put("line", bytes.fromhex(line["line_hex"]) if "line_hex" in line else line["line"].encode())
    for note in vectors["notes"] + vectors["cosignatures"]:
        put("note", note["note"].encode())
    for receipt in vectors["receipts"]:
        put("receipt", receipt["receipt"].encode())
    for export in vectors["exports"]:
        names = set(export["files"]) | set(export.get("shared", {}))
        for number, (target, name) in enumerate([("export", "gen-0/entries.ndjson"), ("export", "gen-0/marks.ndjson")]):
            if name in names and isinstance(export["files"].get(name, ""), str):
                put(target, bytes([number]) + text(export, name))
        for number, name in enumerate(["gen-0/prefix.json", "gen-0/carried.ndjson"]):
            if name in names and isinstance(export["files"].get(name, ""), str):
                put("prefix", bytes([number]) + text(export, name))
    whole = next(e for e in vectors["exports"] if e["kind"] == "whole" and e["exit"] == 0)
    if shutil.which("zstd"):
        put("export", b"\x02" + archive({name: text(whole, name) for name in [*whole["files"], *whole["shared"]]}))
    for stamp in sorted((VECTORS / "timestamps").glob("*.tsr")):
        put("stamp", stamp.read_bytes())


def archive(files):
    import io
    import tarfile

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            tar.addfile(member, io.BytesIO(files[name]))
    return subprocess.run(["zstd", "-q", "-c"], input=out.getvalue(), capture_output=True, check=True).stdout


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
