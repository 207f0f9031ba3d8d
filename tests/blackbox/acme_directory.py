"""A small ACME server written from RFC 8555 (the protocol), RFC 9773 (renewal information) and draft-ietf-acme-profiles, for what
pebble 2.4 does not have. It verifies what a server must verify: nonces, signatures, URLs, the request's names, identifiers of
certificates. It really looks at http-01 answers, on the port that it is told. openssl signs.
"""
import base64, hashlib, http.client, http.server, json, os, re, secrets, ssl, subprocess, threading, time

from smtp_server import Authority

# P-256 (SEC 2, 2.4.2); signatures as in FIPS 186-5, 6.4.2.
P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff
N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296, 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(k, point):
    total = None
    while k:
        if k & 1:
            total = add(total, point)
        point, k = add(point, point), k >> 1
    return total


def is_signed(jwk, message, signature):
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    if len(signature) != 64 or not (0 < r < N and 0 < s < N):
        return False
    key = tuple(int.from_bytes(unbase64(jwk[c])) for c in "xy")
    z, w = int.from_bytes(hashlib.sha256(message).digest()), pow(s, -1, N)
    point = add(times(z * w % N, G), times(r * w % N, key))
    return point is not None and point[0] % N == r


def to_base64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unbase64(text):
    assert "=" not in text, "RFC 8555, 6.1: no padding"
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def thumbprint(jwk):
    """RFC 7638."""
    return to_base64(hashlib.sha256(json.dumps({k: jwk[k] for k in ("crv", "kty", "x", "y")}, separators=(",", ":"), sort_keys=True).encode()).digest())


class Refused(Exception):
    def __init__(self, kind, detail, status=400, headers=()):
        super().__init__(detail)
        self.kind, self.detail, self.status, self.headers = kind, detail, status, dict(headers)


class Directory:
    """`profiles` maps a name to days. `window` gives (start, end, Retry-After) for a certificate's id, or None."""

    def __init__(self, home, http_port, profiles=None, window=None):
        self.home, self.http_port, self.profiles, self.window = home, http_port, profiles or {}, window
        self.authority = Authority(home)
        self.ca_file = self.authority.ca
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.path("root.key"),
                     "-out", self.path("root.pem"), "-days", "30", "-subj", "/CN=Double root")
        self.nonces, self.accounts, self.orders, self.known, self.replaced = set(), {}, {}, {}, set()
        self.requests, self.asked_windows, self.limit, self.lock = [], [], None, threading.Lock()
        double = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                double.handle(self, "HEAD")

            def do_GET(self):
                double.handle(self, "GET")

            def do_POST(self):
                double.handle(self, "POST")

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority.cert, self.authority.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.place, self.base = f"localhost:{self.port}", f"https://localhost:{self.port}"
        self.directory = self.base + "/directory"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def path(self, name):
        return os.path.join(self.home, name)

    def root(self):
        with open(self.path("root.pem")) as f:
            return f.read()

    @staticmethod
    def openssl(*arguments, stdin=None):
        done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()[-400:]
        return done.stdout

    # HTTP
    def handle(self, request, method):
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length)
        path = request.path
        with self.lock:
            try:
                status, headers, document = self.answer(method, path, body, request.headers)
            except Refused as refused:
                status, headers = refused.status, {**refused.headers, "Content-Type": "application/problem+json"}
                document = {"type": f"urn:ietf:params:acme:error:{refused.kind}", "detail": refused.detail, "status": refused.status}
            nonce = secrets.token_urlsafe(16)
            self.nonces.add(nonce)
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        request.send_response(status)
        # 6.5: every successful answer to a POST, and every error, brings a nonce; GETs of the directory need none.
        if method == "POST" or path == "/nonce":
            request.send_header("Replay-Nonce", nonce)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(0 if method == "HEAD" else len(raw)))
        request.end_headers()
        if method != "HEAD":
            request.wfile.write(raw)

    def answer(self, method, path, body, headers):
        if path == "/directory" and method == "GET":
            found = {k: f"{self.base}/{v}" for k, v in {"newNonce": "nonce", "newAccount": "account", "newOrder": "order", "revokeCert": "revoke", "keyChange": "key"}.items()}
            if self.window:
                found["renewalInfo"] = f"{self.base}/renewal-info"
            return 200, {}, {**found, "meta": {"profiles": {name: f"{days} days" for name, days in self.profiles.items()}}}
        if path == "/nonce":
            return (200 if method == "HEAD" else 204), {"Cache-Control": "no-store"}, b""
        if path.startswith("/renewal-info/") and method == "GET":
            return self.renewal_info(path.removeprefix("/renewal-info/"))
        if method != "POST":
            raise Refused("malformed", "6.3: resources are fetched by POST-as-GET", 405)
        if headers.get("Content-Type") != "application/jose+json":
            raise Refused("malformed", "6.2: application/jose+json", 415)
        account, payload = self.verified(path, json.loads(body))
        self.requests.append((path, payload))
        if path == "/account":
            return 201, {"Location": account}, {"status": "valid"}
        if path == "/order":
            return self.new_order(account, payload)
        kind, number, *rest = path.strip("/").split("/")
        order = self.orders.get(number)
        if order is None or order["account"] != account:
            raise Refused("unauthorized", "not of this account", 403)
        if kind == "o" and not rest:
            return 200, {}, self.shown(number)
        if kind == "o" and rest == ["finalize"]:
            return self.finalize(number, payload)
        if kind == "o" and rest == ["certificate"]:
            return 200, {"Content-Type": "application/pem-certificate-chain"}, order["chain"]
        if kind == "a":
            return 200, {}, self.authorization(number, int(rest[0]))
        if kind == "c":
            return self.challenge(number, int(rest[0]), account, payload)
        raise Refused("malformed", path, 404)

    def verified(self, path, jws):
        """6.2: the signature, the nonce, the URL; `jwk` for a new account, `kid` for all else."""
        head = json.loads(unbase64(jws["protected"]))
        if head.get("nonce") not in self.nonces:
            raise Refused("badNonce", "unknown nonce")
        self.nonces.discard(head["nonce"])
        if head.get("url") != self.base + path or head.get("alg") != "ES256" or ("jwk" in head) == ("kid" in head):
            raise Refused("malformed", "the protected header")
        if path == "/account":
            jwk, account = head["jwk"], f"{self.base}/acct/{thumbprint(head['jwk'])}"
        elif head.get("kid") in self.accounts:
            account, jwk = head["kid"], self.accounts[head["kid"]]
        else:
            raise Refused("accountDoesNotExist", "no such account")
        if not is_signed(jwk, f"{jws['protected']}.{jws['payload']}".encode(), unbase64(jws["signature"])):
            raise Refused("malformed", "the signature", 403)
        payload = json.loads(unbase64(jws["payload"])) if jws["payload"] else None
        if path == "/account":
            if not payload.get("termsOfServiceAgreed"):
                raise Refused("userActionRequired", "the terms", 403)
            self.accounts[account] = jwk
        return account, payload

    # Orders
    def new_order(self, account, wanted):
        if self.limit:
            raise Refused("rateLimited", "too many certificates already issued", 429, {"Retry-After": self.limit})
        profile = wanted.get("profile")
        if profile is not None and profile not in self.profiles:
            raise Refused("invalidProfile", f"no profile {profile}")
        replaces = wanted.get("replaces")
        if replaces is not None:
            if replaces not in self.known:
                raise Refused("malformed", "5: the predecessor is unknown", 404)
            if replaces in self.replaced:
                raise Refused("alreadyReplaced", "5: replaced already", 409)
        number = secrets.token_hex(8)
        self.orders[number] = {"account": account, "identifiers": wanted["identifiers"], "profile": profile, "replaces": replaces, "status": "pending",
                               "proved": [None] * len(wanted["identifiers"]), "tokens": [secrets.token_urlsafe(24) for _ in wanted["identifiers"]]}
        return 201, {"Location": f"{self.base}/o/{number}"}, self.shown(number)

    def shown(self, number):
        order = self.orders[number]
        found = {"status": order["status"], "identifiers": order["identifiers"], "finalize": f"{self.base}/o/{number}/finalize",
                 "authorizations": [f"{self.base}/a/{number}/{n}" for n in range(len(order["identifiers"]))]}
        for field in ("replaces", "profile"):
            if order[field] is not None:
                found[field] = order[field]
        if order["status"] == "valid":
            found["certificate"] = f"{self.base}/o/{number}/certificate"
        return found

    def authorization(self, number, n):
        order = self.orders[number]
        proved = order["proved"][n]
        status = {None: "pending", True: "valid"}.get(proved, "invalid")
        challenge = {"type": "http-01", "url": f"{self.base}/c/{number}/{n}", "token": order["tokens"][n], "status": status}
        if status == "invalid":
            challenge["error"] = proved
        return {"identifier": order["identifiers"][n], "status": status, "challenges": [challenge]}

    def challenge(self, number, n, account, payload):
        order = self.orders[number]
        if payload is not None and order["proved"][n] is None:
            token, name = order["tokens"][n], order["identifiers"][n]["value"]
            connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=5)
            connection.request("GET", f"/.well-known/acme-challenge/{token}", headers={"Host": name})
            said = connection.getresponse().read().decode().rstrip()
            is_right = said == f"{token}.{thumbprint(self.accounts[account])}"
            order["proved"][n] = True if is_right else {"type": "urn:ietf:params:acme:error:unauthorized", "detail": "not what was expected"}
            order["status"] = "invalid" if not is_right else "ready" if all(p is True for p in order["proved"]) else "pending"
        return 200, {"Link": f'<{self.base}/a/{number}/{n}>;rel="up"'}, self.authorization(number, n)["challenges"][0]

    def finalize(self, number, payload):
        order = self.orders[number]
        if order["status"] != "ready":
            raise Refused("orderNotReady", order["status"], 403)
        csr, out = self.path(f"{number}.csr"), self.path(f"{number}.pem")
        with open(csr, "wb") as f:
            f.write(unbase64(payload["csr"]))
        text = self.openssl("req", "-inform", "DER", "-in", csr, "-noout", "-text", "-verify").decode()
        named = {m.replace(":", "=", 1) for m in re.findall(r"(?:DNS|IP Address):[^,\s]+", text)}
        if named != {("DNS=" if i["type"] == "dns" else "IP Address=") + i["value"] for i in order["identifiers"]}:
            raise Refused("badCSR", f"7.4: its names are {named}")
        extra = self.path("extra")
        with open(extra, "w") as f:
            f.write("authorityKeyIdentifier=keyid\nbasicConstraints=CA:FALSE\n")
        days = self.profiles.get(order["profile"], 90)
        self.openssl("x509", "-req", "-inform", "DER", "-in", csr, "-CA", self.path("root.pem"), "-CAkey", self.path("root.key"), "-set_serial",
                     str(secrets.randbits(100) | 1 << 103), "-days", str(days), "-copy_extensions", "copyall", "-extfile", extra, "-out", out)
        with open(out, "rb") as f:
            order["chain"] = f.read()
        order["status"] = "valid"
        self.known[self.identifier(out)] = number
        if order["replaces"]:
            self.replaced.add(order["replaces"])
        return 200, {"Location": f"{self.base}/o/{number}"}, self.shown(number)

    # Renewal information
    def identifier(self, certificate):
        """RFC 9773, 4.1: the key identifier of the authority, and the serial number's DER content."""
        text = self.openssl("x509", "-in", certificate, "-noout", "-ext", "authorityKeyIdentifier").decode()
        key = bytes.fromhex(re.search(r"(?:[0-9A-F]{2}:){5,}[0-9A-F]{2}", text)[0].replace(":", ""))
        number = int(self.openssl("x509", "-in", certificate, "-noout", "-serial").decode().split("=")[1], 16)
        serial = number.to_bytes(number.bit_length() // 8 + 1)
        return f"{to_base64(key)}.{to_base64(serial)}"

    def renewal_info(self, identifier):
        if identifier not in self.known:
            raise Refused("malformed", "4.2: an unknown certificate", 404)
        self.asked_windows.append(identifier)
        start, end, retry_after = self.window(identifier)
        form = lambda t: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))
        document = {"suggestedWindow": {"start": form(start), "end": form(end)}, "explanationURL": "https://double.example/why"}
        return 200, ({"Retry-After": str(retry_after)} if retry_after else {}), document

    def settings(self, http_port, https_port, **more):
        return {
            "TLS__MODE": "acme", "TLS__ACME_DIRECTORY": self.directory, "TLS__ACME_CA_FILE": self.ca_file,
            "LISTEN__HTTPS": f"127.0.0.1:{https_port}", "LISTEN__HTTP": f"127.0.0.1:{http_port}", "NET__ALLOW_PRIVATE": self.place, **more,
        }
