"""Servers for the mail stories: SMTP by aiosmtpd, Debian's postfix, and a small DNS. Everything listens on loopback only.

aiosmtpd is installed into a folder of its own under the target folder, once; postfix must be installed already.
"""
import asyncio, email, email.policy, logging, os, shutil, socket, struct, subprocess, sys, tempfile, threading, time, warnings

from keystall import free_port

HERE = os.path.dirname(os.path.abspath(__file__))
AIOSMTPD = "aiosmtpd==1.4.6"


def load_aiosmtpd():
    """Makes aiosmtpd importable."""
    target = os.environ.get("CARGO_TARGET_DIR") or os.path.join(HERE, "..", "..", "target")
    place = os.path.abspath(os.path.join(target, f"python-{AIOSMTPD.replace('==', '-')}-{sys.version_info.major}.{sys.version_info.minor}"))
    if not os.path.isdir(place):
        early = f"{place}.{os.getpid()}.part"
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", early, AIOSMTPD], capture_output=True)
        assert done.returncode == 0, f"{AIOSMTPD} cannot be installed: {done.stderr.decode()[-600:]}"
        try:
            os.rename(early, place)
        except OSError:
            shutil.rmtree(early)
    if place not in sys.path:
        sys.path.insert(0, place)
    # What it says of refused clients and of its own future is not what is tested.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"aiosmtpd\..*")


class Authority:
    """A certificate authority of the test's own, with a certificate for localhost."""

    def __init__(self, home):
        self.ca, self.cert, self.key = (os.path.join(home, n) for n in ("ca.pem", "mail.pem", "mail.key"))
        ca_key, request, extra = (os.path.join(home, n) for n in ("ca.key", "mail.csr", "mail.ext"))
        with open(extra, "w") as f:
            f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self.openssl("req", "-x509", *ec, "-keyout", ca_key, "-out", self.ca, "-days", "30", "-subj", "/CN=Test authority")
        self.openssl("req", *ec, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost")
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial", "-out", self.cert, "-days", "30", "-extfile", extra)

    @staticmethod
    def openssl(*arguments):
        done = subprocess.run(["openssl", *arguments], capture_output=True)
        assert done.returncode == 0, done.stderr.decode()[-400:]


class Mail:
    """A mail that was taken."""

    def __init__(self, sender, recipients, content):
        self.sender, self.recipients, self.raw = sender, recipients, content
        self.message = email.message_from_bytes(content, policy=email.policy.default)
        self.id = self.message["Message-ID"]

    def part(self, kind):
        return next(p for p in self.message.walk() if p.get_content_type() == kind and not p.get_filename()).get_content()

    @property
    def text(self):
        return self.part("text/plain")

    @property
    def html(self):
        return self.part("text/html")

    @property
    def attachments(self):
        return {p.get_filename(): p.get_payload(decode=True) for p in self.message.iter_attachments() if p.get_filename()}


class Server:
    """SMTP with STARTTLS and auth. `refuse[stage]` is a list of answers to give next, or one function of the address;
    stages are MAIL, RCPT and DATA. `hold` keeps the answer to DATA back while it is set; the mail is taken before. `hold_quit` does so for QUIT."""

    def __init__(self, authority=None, user=None, password=None, port=None, wrapped=False):
        load_aiosmtpd()
        import ssl
        from aiosmtpd.controller import Controller
        from aiosmtpd.smtp import AuthResult, SMTP
        self.port, self.mails, self.refuse, self.tried = port or free_port(), [], {}, 0
        self.hold, self.hold_quit = threading.Event(), threading.Event()
        server, context = self, None
        if authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.cert, authority.key)

        def authenticate(_smtp, _session, _envelope, _mechanism, data):
            good = (data.login, data.password) == (user.encode(), password.encode()) if user else False
            return AuthResult(success=good, handled=good)

        class Handler:
            async def handle_MAIL(self, _smtp, session, envelope, address, options):
                server.tried += 1
                server.encrypted = session.ssl is not None or wrapped
                return server.answer("MAIL", address) or self.note(envelope, address, options)

            @staticmethod
            def note(envelope, address, options):
                envelope.mail_from = address
                envelope.mail_options.extend(options)
                return "250 OK"

            async def handle_RCPT(self, _smtp, _session, envelope, address, _options):
                refused = server.answer("RCPT", address)
                if not refused:
                    envelope.rcpt_tos.append(address)
                return refused or "250 OK"

            async def handle_DATA(self, _smtp, _session, envelope):
                refused = server.answer("DATA", envelope.rcpt_tos[0])
                if refused:
                    return refused
                server.mails.append(Mail(envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
                while server.hold.is_set():
                    await asyncio.sleep(0.02)
                return "250 taken as 1"

            async def handle_QUIT(self, _smtp, _session, _envelope):
                while server.hold_quit.is_set():
                    await asyncio.sleep(0.02)
                return "221 Bye"

        class Wrapped(Controller):
            def factory(self):
                return SMTP(self.handler, **self.SMTP_kwargs)

        login = {"authenticator": authenticate, "auth_required": True} if user else {}
        options = {"hostname": "127.0.0.1", "port": self.port, "ready_timeout": 10, **login}
        if wrapped:
            self.controller = Wrapped(Handler(), ssl_context=context, auth_require_tls=False, **options)
        elif context:
            self.controller = Wrapped(Handler(), tls_context=context, require_starttls=True, **options)
        else:
            self.controller = Wrapped(Handler(), auth_require_tls=False, **options)
        self.controller.start()

    def answer(self, stage, address):
        rule = self.refuse.get(stage)
        return rule(address) if callable(rule) else rule.pop(0) if rule else None

    def to(self, address):
        return [m for m in list(self.mails) if m.recipients == [address]]

    def wait(self, count, to=None, seconds=20):
        """The mails, once there are so many."""
        until = time.monotonic() + seconds
        while True:
            mails = self.to(to) if to else list(self.mails)
            if len(mails) >= count:
                return mails
            assert time.monotonic() < until, f"{len(mails)} of {count} mails after {seconds} s"
            time.sleep(0.03)

    def close(self):
        self.hold.clear(), self.hold_quit.clear()
        if self.controller:
            self.controller.stop(no_assert=True)
        self.controller = None

class Injector:
    """A man in the middle of STARTTLS: answers the command himself with what a willing server would say in the clear, then
    lets only the handshake through to the real server. Whoever keeps his words believes that a mail was taken."""

    WORDS = (b"220 go\r\n250-hi\r\n250 AUTH PLAIN LOGIN\r\n235 ok\r\n250 sender\r\n250 recipient\r\n354 go on\r\n250 taken\r\n221 bye\r\n")

    def __init__(self, server_port):
        self.server_port, self.upgrades = server_port, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        try:
            with client, socket.create_connection(("127.0.0.1", self.server_port)) as server:
                client.sendall(self.line(server))
                while True:
                    command = self.line(client)
                    server.sendall(command)
                    answer = self.line(server)
                    while answer.splitlines()[-1][3:4] == b"-":
                        answer += self.line(server)
                    if command.upper().startswith(b"STARTTLS"):
                        self.upgrades += 1
                        client.sendall(self.WORDS)
                        break
                    client.sendall(answer)
                other = threading.Thread(target=self.pass_on, args=(server, client), daemon=True)
                other.start()
                self.pass_on(client, server)
                other.join(5)
        except (OSError, EOFError):
            pass

    @staticmethod
    def line(stream):
        line = b""
        while not line.endswith(b"\n"):
            byte = stream.recv(1)
            if not byte:
                raise EOFError
            line += byte
        return line

    @staticmethod
    def pass_on(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.socket.close()


class Postfix:
    """Debian's postfix with its own configuration and queue, passing mail for @buyer.test on to `sink`.

    Only the addresses `known` exist there; TLS is required."""

    PROGRAM = "/usr/sbin/postfix"

    def __init__(self, authority, sink, known):
        self.home, self.port = tempfile.mkdtemp(prefix="keystall-postfix-"), free_port()
        os.chmod(self.home, 0o755)
        self.config, queue, data = (os.path.join(self.home, n) for n in ("etc", "queue", "data"))
        for folder in (self.config, queue, data):
            os.mkdir(folder)
        shutil.chown(data, "postfix")
        key, cert = os.path.join(self.home, "mail.key"), os.path.join(self.home, "mail.pem")
        shutil.copy(authority.key, key), shutil.copy(authority.cert, cert)
        os.chmod(key, 0o600)
        listed = ", ".join("{" + f"{address}=x" + "}" for address in known)
        main = {
            "compatibility_level": "3.6", "queue_directory": queue, "data_directory": data, "mail_owner": "postfix", "setgid_group": "postdrop",
            "daemon_directory": "/usr/lib/postfix/sbin", "command_directory": "/usr/sbin", "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4",
            "myhostname": "mail.test", "mydestination": "", "mynetworks": "127.0.0.0/8", "maillog_file": os.path.join(self.home, "mail.log"),
            "maillog_file_prefixes": self.home, "virtual_mailbox_domains": "buyer.test", "virtual_mailbox_maps": "inline:{" + listed + "}",
            "virtual_transport": f"smtp:[127.0.0.1]:{sink}", "relay_domains": "", "smtpd_tls_cert_file": cert, "smtpd_tls_key_file": key,
            "smtpd_tls_security_level": "encrypt", "smtpd_recipient_restrictions": "reject_unlisted_recipient, reject_unauth_destination",
            "alias_maps": "", "alias_database": "", "local_recipient_maps": "", "smtp_dns_support_level": "disabled", "smtp_host_lookup": "native",
        }
        with open(os.path.join(self.config, "main.cf"), "w") as f:
            f.writelines(f"{k} = {v}\n" for k, v in main.items())
        services = [f"127.0.0.1:{self.port} inet n - n - - smtpd", "postlog unix-dgram n - n - 1 postlogd", "pickup unix n - n 60 1 pickup",
                    "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr", "tlsmgr unix - - n 1000? 1 tlsmgr", "rewrite unix - - n - - trivial-rewrite",
                    "bounce unix - - n - 0 bounce", "defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce", "verify unix - - n - 1 verify",
                    "flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap", "smtp unix - - n - - smtp", "error unix - - n - - error",
                    "retry unix - - n - - error", "discard unix - - n - - discard", "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache"]
        with open(os.path.join(self.config, "master.cf"), "w") as f:
            f.writelines(line + "\n" for line in services)
        done = self.command("start")
        assert done.returncode == 0, (done.stdout + done.stderr).decode()[-600:]
        until = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < until, "postfix does not listen: " + self.log()
                time.sleep(0.05)

    @classmethod
    def is_there(cls):
        return os.path.exists(cls.PROGRAM) and os.geteuid() == 0

    def command(self, word):
        return subprocess.run([self.PROGRAM, "-c", self.config, word], capture_output=True, timeout=30)

    def log(self):
        try:
            with open(os.path.join(self.home, "mail.log"), errors="replace") as f:
                return f.read()[-800:]
        except OSError:
            return "no log"

    def close(self):
        self.command("stop")
        shutil.rmtree(self.home, ignore_errors=True)


class Dns:
    """Answers TXT, A, AAAA and MX from a table {(name, type): [value]}; names that are not in it do not exist."""

    TYPES = {1: "A", 15: "MX", 16: "TXT", 28: "AAAA"}

    def __init__(self, table):
        self.table, self.asked = table, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.at = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(4096)
                self.socket.sendto(self.answer(query), peer)
            except OSError:
                return

    def answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, kind = ".".join(labels).lower(), self.TYPES.get(struct.unpack(">H", query[at + 1:at + 3])[0])
        self.asked.append((name, kind))
        values = self.table.get((name, kind), [])
        known = any(n == name for n, _ in self.table)
        head = query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, len(values), 0, 0)
        return head + query[12:at + 5] + b"".join(self.record(query[at + 1:at + 3], kind, v) for v in values)

    @staticmethod
    def record(number, kind, value):
        if kind == "TXT":
            raw = value.encode()
            data = b"".join(bytes([len(raw[i:i + 255])]) + raw[i:i + 255] for i in range(0, len(raw), 255))
        elif kind == "MX":
            data = b"\0\x0a" + b"".join(bytes([len(p)]) + p.encode() for p in value.split(".")) + b"\0"
        else:
            data = socket.inet_pton(socket.AF_INET if kind == "A" else socket.AF_INET6, value)
        return b"\xc0\x0c" + number + b"\0\x01" + struct.pack(">IH", 60, len(data)) + data

    def close(self):
        self.socket.close()
