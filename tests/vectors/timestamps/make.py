#!/usr/bin/env python3
"""Makes the time stamps of this folder anew with `openssl` (3.0 or newer): run it here, review what changed.

Each `.tsr` is a DER TimeStampResp over `body.txt`, the body of a checkpoint. `ca-*.pem` are the authorities to trust.
Keys are thrown away, but for those of `rsa-keys.json`, with which tests pad as no signer does. The names say what is wrong; `cases.json` says what a verifier answers.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BODY = "shop.example/0123abcd\n24\n" + "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=" + "\n"
NONCE = "00112233445566778899aabbccddeeff"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
CONF = """
[ca]
default_ca = d
[d]
dir = .
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
policy = p
unique_subject = no
copy_extensions = none
[p]
commonName = supplied
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[inter]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsa]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[noeku]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
[soft]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = timeStamping
[wide]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = critical,timeStamping,serverAuth
[encipher]
basicConstraints = critical,CA:FALSE
keyUsage = critical,keyEncipherment
extendedKeyUsage = critical,timeStamping
[ts]
default_tsa = t
[t]
serial = tsserial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256,sha384,sha512
accuracy = secs:1,millisecs:500
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def run(*args, **kwargs):
    return subprocess.run(args, check=True, capture_output=True, **kwargs).stdout


def ca(name, key, ext, issuer=None, start="20200101000000Z", end="20991231235959Z", seed=None):
    run("openssl", "req", "-new", "-nodes", *key, "-keyout", f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr")
    sign = ["-selfsign", "-keyfile", f"{name}.key"] if issuer is None else ["-cert", f"{issuer}.pem", "-keyfile", f"{issuer}.key"]
    run("openssl", "ca", "-batch", "-config", "c.cnf", "-notext", "-rand_serial", "-in", f"{name}.csr", "-out", f"{name}.pem",
        "-extensions", ext, "-startdate", start, "-enddate", end, *sign)


def reply(out, signer, chain=None, conf="c.cnf", digest="sha256", query="q.tsq"):
    args = ["openssl", "ts", "-reply", "-config", conf, "-section", "t", "-queryfile", query, "-signer", f"{signer}.pem",
            "-inkey", f"{signer}.key", f"-{digest}", "-out", out]
    run(*args, *(["-chain", chain] if chain else []))


def tlv(tag, content):
    n = len(content)
    length = bytes([n]) if n < 128 else (lambda b: bytes([0x80 | len(b)]) + b)(n.to_bytes((n.bit_length() + 7) // 8, "big"))
    return bytes([tag]) + length + content


def cms(out, info, signer, *options, pem=None):
    """A token by `openssl cms`, which asks nothing of the signer's certificate; -cades adds signing-certificate v2."""
    open("info.der", "wb").write(info)
    token = run("openssl", "cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-econtent_type", TST_INFO, "-in", "info.der",
                "-signer", pem or f"{signer}.pem", "-inkey", f"{signer}.key", *options)
    open(out, "wb").write(tlv(0x30, tlv(0x30, tlv(2, b"\0")) + token))


def tst_info(tsr):
    """The TSTInfo of a response, by way of its dump."""
    run("openssl", "ts", "-reply", "-in", tsr, "-token_out", "-out", "token.der")
    run("openssl", "cms", "-verify", "-noverify", "-inform", "DER", "-in", "token.der", "-binary", "-out", "content.der")
    return open("content.der", "rb").read()


def main():
    rsa = lambda bits: ["-newkey", f"rsa:{bits}"]
    ec = lambda curve: ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}"]
    open("c.cnf", "w").write(CONF)
    open("v1.cnf", "w").write(CONF.replace("ess_cert_id_alg = sha256", "ess_cert_id_alg = sha1"))
    open("index.txt", "w").close()
    open("tsserial", "w").write("01\n")
    open("body.txt", "w").write(BODY)
    open("other.txt", "w").write(BODY.replace("\n24\n", "\n25\n"))
    run("openssl", "ts", "-query", "-data", "body.txt", "-sha256", "-cert", "-out", "q.tsq")
    run("openssl", "ts", "-query", "-data", "other.txt", "-sha256", "-cert", "-out", "other.tsq")
    run("openssl", "ts", "-query", "-data", "body.txt", "-sha512", "-cert", "-out", "sha512.tsq")
    run("openssl", "ts", "-query", "-data", "body.txt", "-sha256", "-out", "bare.tsq")
    ca("ca-rsa", rsa(2048), "root")
    ca("ca-ec", ec("P-384"), "root")
    ca("ca-other", ec("P-256"), "root")
    ca("inter", rsa(2048), "inter", "ca-rsa")
    ca("rsa", rsa(2048), "tsa", "ca-rsa")
    ca("rsa3072", rsa(3072), "tsa", "inter")
    ca("p256", ec("P-256"), "tsa", "ca-ec")
    ca("p384", ec("P-384"), "tsa", "ca-ec")
    ca("weak", rsa(1024), "tsa", "ca-rsa")
    ca("p521", ec("P-521"), "tsa", "ca-ec")
    ca("expired", ec("P-256"), "tsa", "ca-ec", "20200101000000Z", "20210101000000Z")
    ca("oldinter", ec("P-256"), "inter", "ca-ec", "20200101000000Z", "20210101000000Z")
    ca("underold", ec("P-256"), "tsa", "oldinter")
    for bad in ["noeku", "soft", "wide", "encipher"]:
        ca(bad, ec("P-256"), bad, "ca-ec")
    # A certificate of the same name and number, with another key: what ESS is there to notice.
    cases = []

    def case(name, trust, verdict):
        cases.append({"file": f"{name}.tsr", "trust": trust, "verdict": verdict})

    def good(name, trust):
        case(name, trust, "given")

    reply("rsa-sha256.tsr", "rsa"), good("rsa-sha256", "ca-rsa.pem")
    reply("rsa-sha384.tsr", "rsa", digest="sha384"), good("rsa-sha384", "ca-rsa.pem")
    reply("rsa3072-sha512-chain.tsr", "rsa3072", "inter.pem", digest="sha512"), good("rsa3072-sha512-chain", "ca-rsa.pem")
    reply("rsa-ess-v1.tsr", "rsa", conf="v1.cnf"), good("rsa-ess-v1", "ca-rsa.pem")
    reply("p256-sha256.tsr", "p256"), good("p256-sha256", "ca-ec.pem")
    reply("p384-sha384.tsr", "p384", digest="sha384"), good("p384-sha384", "ca-ec.pem")
    reply("p384-sha512.tsr", "p384", digest="sha512"), good("p384-sha512", "ca-ec.pem")
    info = tst_info("p256-sha256.tsr")
    pss = ["-cades", "-md", "sha256", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32"]
    cms("rsa-pss.tsr", info, "rsa", *pss), good("rsa-pss", "ca-rsa.pem")
    cms("key-identifier.tsr", info, "p256", "-cades", "-md", "sha256", "-keyid"), good("key-identifier", "ca-ec.pem")
    case("p256-sha256", "p256.pem", "given")
    case("p256-sha256", "ca-other.pem", "nobody")
    case("p256-sha256", None, "nobody")

    cms("no-eku.tsr", info, "noeku", "-cades", "-md", "sha256"), case("no-eku", "ca-ec.pem", "not_authority")
    cms("eku-not-critical.tsr", info, "soft", "-cades", "-md", "sha256"), case("eku-not-critical", "ca-ec.pem", "not_authority")
    cms("eku-not-alone.tsr", info, "wide", "-cades", "-md", "sha256"), case("eku-not-alone", "ca-ec.pem", "not_authority")
    cms("key-not-for-signatures.tsr", info, "encipher", "-cades", "-md", "sha256"), case("key-not-for-signatures", "ca-ec.pem", "not_authority")
    reply("expired.tsr", "expired"), case("expired", "ca-ec.pem", "nobody")
    case("expired", "expired.pem", "nobody")
    reply("expired-intermediate.tsr", "underold", "oldinter.pem"), case("expired-intermediate", "ca-ec.pem", "nobody")
    case("rsa3072-sha512-chain", "ca-ec.pem", "nobody")
    reply("missing-intermediate.tsr", "rsa3072"), case("missing-intermediate", "ca-rsa.pem", "nobody")
    cms("no-signing-certificate.tsr", info, "p256", "-md", "sha256"), case("no-signing-certificate", "ca-ec.pem", "malformed")
    cms("sha1.tsr", info, "rsa", "-cades", "-md", "sha1"), case("sha1", "ca-rsa.pem", "algorithm")
    cms("rsa-1024.tsr", info, "weak", "-cades", "-md", "sha256"), case("rsa-1024", "ca-rsa.pem", "forged")
    cms("p521.tsr", info, "p521", "-cades", "-md", "sha256"), case("p521", "ca-ec.pem", "forged")
    reply("other-imprint.tsr", "p256", query="other.tsq"), case("other-imprint", "ca-ec.pem", "other_imprint")
    reply("imprint-sha512.tsr", "p256", query="sha512.tsq"), case("imprint-sha512", "ca-ec.pem", "algorithm")
    reply("without-certificate.tsr", "p256", query="bare.tsq"), case("without-certificate", "ca-ec.pem", "malformed")
    token = open("p256-sha256.tsr", "rb").read()
    changed = lambda at: token[:at] + bytes([token[at] ^ 1]) + token[at + 1:]
    # The message digest within the signed attributes, the signature's last byte, and a digit of the time.
    mark = token.index(bytes.fromhex("06092a864886f70d010904"))
    open("changed-attribute.tsr", "wb").write(changed(mark + 16)), case("changed-attribute", "ca-ec.pem", "forged")
    open("changed-signature.tsr", "wb").write(changed(len(token) - 1)), case("changed-signature", "ca-ec.pem", "forged")
    time = re.search(rb"\x18\x0f2\d{13}Z", token).start() + 14
    open("changed-time.tsr", "wb").write(changed(time)), case("changed-time", "ca-ec.pem", "forged")
    open("truncated.tsr", "wb").write(token[:-1]), case("truncated", "ca-ec.pem", "malformed")
    open("trailing-byte.tsr", "wb").write(token + b"\0"), case("trailing-byte", "ca-ec.pem", "malformed")
    open("empty.tsr", "wb").write(b""), case("empty", "ca-ec.pem", "malformed")
    open("refused.tsr", "wb").write(tlv(0x30, tlv(0x30, tlv(2, b"\2") + tlv(0x30, tlv(0x0c, b"not today")) + tlv(3, b"\0\x80"))))
    case("refused", "ca-ec.pem", "refused")
    # The certificate of another signer in the place of the signer's: same issuer, same number, another key.
    swap()
    case("another-certificate", "ca-ec.pem", "forged")
    json.dump([rsa_key(bits) for bits in (2048, 2049, 2050)], open("rsa-keys.json", "w"), indent=1)
    open("rsa-keys.json", "a").write("\n")
    keep = {c["file"] for c in cases} | {c["trust"] for c in cases if c["trust"]} | {"body.txt", "cases.json", "rsa-keys.json"}
    json.dump(cases, open("cases.json", "w"), indent=1)
    open("cases.json", "a").write("\n")
    for name in keep:
        os.replace(name, os.path.join(HERE, name))


def rsa_key(bits):
    """A key of exactly so many bits, which `genrsa` rounds; its exponent is 65537. Numbers in hex."""
    prime = lambda bits: int(run("openssl", "prime", "-generate", "-bits", str(bits)))
    p, q = prime(bits - bits // 2), prime(bits // 2)
    if (p * q).bit_length() != bits:
        return rsa_key(bits)
    hex_of = lambda number: number.to_bytes((number.bit_length() + 7) // 8, "big").hex()
    return {"bits": bits, "modulus": hex_of(p * q), "private_exponent": hex_of(pow(65537, -1, (p - 1) * (q - 1)))}


def swap():
    """`another-certificate.tsr`: signed by a key whose certificate has the same issuer and number as the one inside."""
    serial = run("openssl", "x509", "-in", "p256.pem", "-noout", "-serial").decode().strip().split("=")[1]
    open("serial", "w").write(serial + "\n")
    name = "twin"
    run("openssl", "req", "-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", f"{name}.key",
        "-subj", "/CN=p256", "-out", f"{name}.csr")
    open("index.txt", "w").close()
    run("openssl", "ca", "-batch", "-config", "c.cnf", "-notext", "-in", f"{name}.csr", "-out", f"{name}.pem", "-extensions", "tsa",
        "-startdate", "20200101000000Z", "-enddate", "20991231235959Z", "-cert", "ca-ec.pem", "-keyfile", "ca-ec.key")
    der = lambda n: run("openssl", "x509", "-in", f"{n}.pem", "-outform", "DER")
    reply("twin.tsr", name)
    token, (mine, other) = open("twin.tsr", "rb").read(), (der(name), der("p256"))
    if len(mine) != len(other):
        # ECDSA signatures differ in length by a byte or two: try again with another key.
        return swap()
    assert token.count(mine) == 1
    open("another-certificate.tsr", "wb").write(token.replace(mine, other))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            main()
        except subprocess.CalledProcessError as error:
            sys.exit(f"{' '.join(error.cmd)}\n{error.stderr.decode()}")
