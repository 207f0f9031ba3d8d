"""Anchors: time stamps by `openssl ts` over HTTPS, checkpoints by mail and in a git repository, exported and verified."""
import http.server, os, re, shutil, ssl, subprocess, sys, tempfile, threading, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keystall import Buyer, Story, run  # noqa: E402
from smtp_server import Authority, Server, free_port  # noqa: E402

AUDITOR, OWNER = "auditor@audit.test", "owner@merchant.test"
CONF = """
[tsa]
default_tsa = t
[t]
serial = tsserial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


class Tsa:
    """A time-stamping authority run by `openssl ts`, over HTTPS. `spoil` changes what it answers."""

    def __init__(self, home, authority):
        self.home, self.asked, self.spoil = home, 0, None
        self.ca = os.path.join(home, "tsa-ca.pem")
        with open(os.path.join(home, "ts.cnf"), "w") as f:
            f.write(CONF)
        with open(os.path.join(home, "tsserial"), "w") as f:
            f.write("01\n")
        with open(os.path.join(home, "tsa.ext"), "w") as f:
            f.write("basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n")
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self.openssl("req", "-x509", *ec, "-keyout", "tsa-ca.key", "-out", "tsa-ca.pem", "-days", "30", "-subj", "/CN=Stamp authority")
        self.openssl("req", *ec, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Stamps")
        self.openssl("x509", "-req", "-in", "tsa.csr", "-CA", "tsa-ca.pem", "-CAkey", "tsa-ca.key", "-CAcreateserial", "-out", "tsa.pem",
                     "-days", "30", "-extfile", "tsa.ext")
        tsa = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                good = self.headers["Content-Type"] == "application/timestamp-query"
                answer = tsa.answer(body) if good else b""
                self.send_response(200 if good else 415)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.cert, authority.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.place = f"localhost:{self.server.server_address[1]}"
        self.url = f"https://{self.place}/tsr"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], capture_output=True, cwd=self.home)
        assert done.returncode == 0, done.stderr.decode()[-400:]

    def answer(self, query):
        self.asked += 1
        name = os.path.join(self.home, f"{self.asked}.tsq")
        with open(name if self.spoil != "replay" else os.path.join(self.home, "unused.tsq"), "wb") as f:
            f.write(query)
        if self.spoil == "replay":
            # The answer to the first request, again.
            name = os.path.join(self.home, "1.tsq")
        self.openssl("ts", "-reply", "-config", "ts.cnf", "-section", "t", "-queryfile", name, "-signer", "tsa.pem", "-inkey", "tsa.key",
                     "-out", "answer.tsr")
        with open(os.path.join(self.home, "answer.tsr"), "rb") as f:
            answer = f.read()
        if self.spoil == "flip":
            answer = answer[:-1] + bytes([answer[-1] ^ 1])
        return answer[: len(answer) // 2] if self.spoil == "cut" else answer

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Anchors(Story):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="keystall-anchors-")
        cls.authority = Authority(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def open_tsa(self):
        home = tempfile.mkdtemp(dir=self.folder.name)
        tsa = Tsa(home, self.authority)
        self.addCleanup(tsa.close)
        return tsa

    def stamped_shop(self, tsa, **settings):
        ca = {"LEDGER__TSA": tsa.url, "LEDGER__TSA_CA_FILE": self.authority.ca}
        shop, gateway = self.open_shop(start=False, **{**ca, **settings})
        shop.env["KEYSTALL_NET__ALLOW_PRIVATE"] += "," + tsa.place
        shop.start()
        return shop, gateway

    def anchors(self, shop, good=True):
        """Outcomes of `ledger anchor` by kind."""
        result = shop.cli("ledger", "anchor", "--json")
        if not good:
            self.assertNotEqual(result.code, 0, result.said)
            return result.said
        self.assertEqual(result.code, 0, result.said)
        return {way["kind"]: way for way in result.json["anchors"]}

    def until(self, what, good, seconds=20):
        until = time.monotonic() + seconds
        while not good():
            self.assertLess(time.monotonic(), until, what)
            time.sleep(0.05)

    def files(self, export):
        place = os.path.join(export, "gen-0", "anchors")
        return sorted(os.listdir(place)) if os.path.isdir(place) else []

    def verified(self, shop, export, *more):
        return run(["ledger", export, "--vkey", shop.vkey(), "--json", *more], name="keystall-verify")

    def count(self, report):
        [check] = [check for check in report.json["checks"] if check["name"] == "anchors"]
        return check["passed"], check["total"]

    # --- Time stamps -------------------------------------------------------------------------------------------
    def test_a_checkpoint_is_stamped_exported_and_accepted_by_us_and_by_openssl(self):
        tsa = self.open_tsa()
        shop, gateway = self.stamped_shop(tsa)
        Buyer(shop).buy(gateway)
        self.until("it is stamped without being asked", lambda: tsa.asked > 0)
        Buyer(shop).buy(gateway)
        outcome = self.anchors(shop)
        self.assertEqual(outcome["time_stamp"]["outcome"], "done")
        self.assertEqual(outcome["git"]["outcome"], "off")
        self.assertEqual(self.anchors(shop)["time_stamp"]["outcome"], "nothing_new")
        export = shop.export()
        stamps = self.files(export)
        self.assertTrue(stamps and all(name.endswith(".tsr") for name in stamps), stamps)
        # Trusted, not trusted, and trust in somebody else.
        report = self.verified(shop, export, "--tsa-cert", tsa.ca)
        self.assertEqual(report.code, 0, report.said)
        self.assertEqual(self.count(report), (len(stamps), len(stamps)))
        report = self.verified(shop, export)
        self.assertEqual(report.code, 0, report.said)
        self.assertEqual(self.count(report), (0, len(stamps)))
        self.assertIn("--tsa-cert", " ".join(report.json["not_proven"]))
        self.assertEqual(self.verified(shop, export, "--tsa-cert", self.authority.ca).code, 4)
        # OpenSSL holds the same bytes for a stamp over the note's body.
        stamp = os.path.join(export, "gen-0", "anchors", stamps[-1])
        size = int(stamps[-1].split(".")[0])
        with open(os.path.join(export, "gen-0", "marks.ndjson"), encoding="utf-8") as f:
            import json
            [note] = [mark["note"] for mark in map(json.loads, f) if mark["size"] == size]
        body = shop.file(note.split("\n\n")[0] + "\n", "body")
        done = subprocess.run(["openssl", "ts", "-verify", "-data", body, "-in", stamp, "-CAfile", tsa.ca], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        # The stamp of one size under the name of another is tampering; without its mark it is incomplete.
        moved = os.path.join(os.path.dirname(stamp), "1.tsr")
        if len(stamps) > 1:
            shutil.copy(stamp, os.path.join(os.path.dirname(stamp), stamps[0]))
            self.assertEqual(self.verified(shop, export).code, 1)
            shutil.copy(stamp, moved)
            os.remove(os.path.join(os.path.dirname(stamp), stamps[0]))
            self.assertIn(self.verified(shop, export).code, (1, 4))

    def test_an_archive_holds_the_stamps_too(self):
        tsa = self.open_tsa()
        shop, gateway = self.stamped_shop(tsa)
        Buyer(shop).buy(gateway)
        self.anchors(shop)
        archive = os.path.join(shop.home, "export.tar.zst")
        shop.must("ledger", "export", "--out", archive)
        report = self.verified(shop, archive, "--tsa-cert", tsa.ca)
        self.assertEqual(report.code, 0, report.said)
        passed, total = self.count(report)
        self.assertTrue(passed == total > 0, report.said)

    def test_a_wrong_answer_is_not_kept_and_is_said(self):
        tsa = self.open_tsa()
        tsa.spoil = "flip"
        shop, gateway = self.stamped_shop(tsa)
        Buyer(shop).buy(gateway)
        for spoil, words in [("flip", "signature"), ("cut", "malformed"), ("replay", "other bytes|another request")]:
            tsa.spoil = spoil
            Buyer(shop).buy(gateway)
            self.assertRegex(self.anchors(shop, good=False), words)
        self.assertEqual(self.files(shop.export()), [])
        doctor = shop.cli("doctor", "--json").said
        self.assertRegex(doctor, r"time_stamp: none yet")
        tsa.spoil = None
        self.assertEqual(self.anchors(shop)["time_stamp"]["outcome"], "done")
        self.assertRegex(shop.cli("doctor", "--json").said, r"time_stamp: \d+ entries, 0 h ago")

    def test_an_authority_outside_the_allowed_places_is_not_asked(self):
        tsa = self.open_tsa()
        shop, gateway = self.stamped_shop(tsa, LEDGER__TSA=tsa.url.replace("localhost", "127.0.0.1"))
        Buyer(shop).buy(gateway)
        self.assertIn("allow_private", self.anchors(shop, good=False))
        self.assertEqual(tsa.asked, 0)

    # --- Mail --------------------------------------------------------------------------------------------------
    def mailing_shop(self, port, **settings):
        mail = {"MAIL__HOST": "localhost", "MAIL__PORT": str(port), "MAIL__TLS": "starttls", "MAIL__FROM": "shop@merchant.test",
                "MAIL__MERCHANT": OWNER, "MAIL__CA_FILE": self.authority.ca, "MAIL__TIMEOUT": "5s", "LEDGER__AUDITOR": AUDITOR}
        return self.open_shop(**{**mail, **settings})

    def test_a_checkpoint_reaches_merchant_and_auditor_and_what_they_keep_holds_against_the_export(self):
        port = free_port()
        shop, gateway = self.mailing_shop(port)
        Buyer(shop).buy(gateway)
        outcome = self.anchors(shop)
        self.assertEqual(outcome["mail"]["outcome"], "promised")
        self.assertEqual(self.anchors(shop)["mail"]["outcome"], "nothing_new")
        self.assertEqual(self.files(shop.export()), [], "the server is down: nothing is anchored yet")
        server = Server(authority=self.authority, port=port)
        self.addCleanup(server.close)
        shop.must("outbox", "retry")
        [mail] = server.wait(1, to=AUDITOR)
        [note] = [content for name, content in mail.attachments.items() if name == "checkpoint.txt"]
        self.assertTrue(server.wait(1, to=OWNER))
        self.until("the mail is kept", lambda: self.files(shop.export()))
        export = shop.export()
        [kept] = self.files(export)
        self.assertTrue(kept.endswith(".eml"))
        self.until("it is the auditor's", lambda: b"To: " + AUDITOR.encode() in self.kept(shop, kept))
        report = self.verified(shop, shop.export(), "--known", shop.file(note, "kept.txt"))
        self.assertEqual(report.code, 0, report.said)
        self.assertEqual(self.count(report), (1, 1))

    def kept(self, shop, name):
        with open(os.path.join(shop.export(), "gen-0", "anchors", name), "rb") as f:
            return f.read()

    def test_mails_of_checkpoints_can_be_turned_off_and_the_first_waits_a_period(self):
        server = Server(authority=self.authority)
        self.addCleanup(server.close)
        shop, gateway = self.mailing_shop(server.port, LEDGER__ANCHOR_MAIL="false")
        Buyer(shop).buy(gateway)
        self.assertIn("no anchor is set up", self.anchors(shop, good=False))
        self.assertFalse([m for m in server.mails if "checkpoint.txt" in m.attachments])

    # --- Git ---------------------------------------------------------------------------------------------------
    def test_checkpoints_are_commits_in_the_auditors_repository(self):
        home = tempfile.mkdtemp(dir=self.folder.name)
        remote = os.path.join(home, "log.git")
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", remote], check=True)
        shop, gateway = self.open_shop(LEDGER__ANCHOR_GIT=f"file://{remote}")
        Buyer(shop).buy(gateway)
        self.anchors(shop)
        Buyer(shop).buy(gateway)
        self.assertEqual(self.anchors(shop)["git"]["outcome"], "done")
        git = lambda *a: subprocess.run(["git", "-C", remote, *a], check=True, capture_output=True).stdout.decode()
        commits = git("log", "--format=%H", "main").split()
        self.assertGreaterEqual(len(commits), 2)
        names = git("ls-tree", "-r", "--name-only", "main").split()
        [newest] = [name for name in names if name.endswith("/checkpoint.txt")]
        export = shop.export()
        report = self.verified(shop, export, "--known", shop.file(git("show", f"main:{newest}"), "kept.txt"))
        self.assertEqual(report.code, 0, report.said)
        self.assertIn(commits[0], report.said)
        pointer = self.kept(shop, self.files(export)[-1]).decode()
        self.assertRegex(pointer, r"\Aremote file:///\S+\ncommit [0-9a-f]{40}\n\Z")

    def test_a_remote_that_is_away_is_tried_again_and_settings_that_are_none_are_refused(self):
        shop, gateway = self.open_shop(LEDGER__ANCHOR_GIT="file:///nonexistent/log.git")
        Buyer(shop).buy(gateway)
        self.assertIn("git ls-remote", self.anchors(shop, good=False))
        for setting in ("--upload-pack=touch /tmp/x", "ext::sh -c x", "https://me:word@git.test/x", "/srv/log.git"):
            refused = shop.cli("config", "check", env={"KEYSTALL_LEDGER__ANCHOR_GIT": setting})
            self.assertNotEqual(refused.code, 0, setting)
            self.assertIn("anchor_git", refused.said)


if __name__ == "__main__":
    unittest.main()
