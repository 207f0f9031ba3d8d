"""Authorities for the certificate stories: Debian's pebble with a name server of the test's own. Loopback only."""
import json, os, shutil, ssl, subprocess, time, urllib.request

from keystall import free_port
from smtp_server import Authority, Dns


def pebble_binary():
    """pebble, installed where that can be done; None where it cannot."""
    if not shutil.which("pebble") and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        if subprocess.run(["apt-get", "-qq", "update"], **quiet).returncode == 0:
            subprocess.run(["apt-get", "-qq", "install", "-y", "--no-install-recommends", "pebble"], **quiet)
    return shutil.which("pebble")


class Pebble:
    """Let's Encrypt's small test authority. It looks at names through a Dns, and at the ports of the test."""

    def __init__(self, home, life_s=None, blocked=(), environment=None):
        self.home = home
        os.makedirs(home, exist_ok=True)
        self.authority = Authority(home)
        self.ca_file = self.authority.ca
        self.names = {}
        self.dns = Dns(self.names)
        self.port, self.manage, self.http_port, self.tls_port = (free_port() for _ in range(4))
        self.directory, self.place = f"https://localhost:{self.port}/dir", f"localhost:{self.port}"
        config = {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.manage}",
            "certificate": self.authority.cert, "privateKey": self.authority.key,
            "httpPort": self.http_port, "tlsPort": self.tls_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": False, "domainBlocklist": list(blocked),
        }
        if life_s:
            config["certificateValidityPeriod"] = life_s
        self.config = os.path.join(home, "pebble.json")
        with open(self.config, "w") as f:
            json.dump({"pebble": config}, f)
        self.log = os.path.join(home, "pebble.log")
        self.environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PEBBLE_WFE_NONCEREJECT": "20", **(environment or {})}
        self.process = None
        self.start()

    def lead(self, name, *addresses):
        """Names lead to addresses; none: the name is not known."""
        for kind in ("A", "AAAA"):
            self.names.pop((name, kind), None)
            found = [a for a in addresses if (":" in a) == (kind == "AAAA")]
            if addresses:
                self.names[(name, kind)] = found

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["pebble", "-config", self.config, "-dnsserver", self.dns.at], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self.environment)
        began = time.monotonic()
        while True:
            try:
                self.fetch(self.directory)
                return
            except OSError:
                assert self.process.poll() is None, f"pebble ended: {self.said()}"
                assert time.monotonic() - began < 20, f"pebble does not answer: {self.said()}"
                time.sleep(0.05)

    def stop(self):
        """Down; a start afterwards knows no account and has other roots."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    def close(self):
        self.stop()
        self.dns.close()

    def said(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def fetch(self, url):
        context = ssl.create_default_context(cafile=self.ca_file)
        with urllib.request.urlopen(url, timeout=10, context=context) as answer:
            return answer.read()

    def root(self):
        """What browsers of this authority trust, PEM."""
        return self.fetch(f"https://localhost:{self.manage}/roots/0").decode()

    def settings(self, http=True, **more):
        """What a shop is told of this authority. The shop listens where pebble looks."""
        return {
            "TLS__MODE": "acme", "TLS__ACME_DIRECTORY": self.directory, "TLS__ACME_CA_FILE": self.ca_file,
            "LISTEN__HTTPS": f"127.0.0.1:{self.tls_port}", "LISTEN__HTTP": f"127.0.0.1:{self.http_port}" if http else "",
            "NET__ALLOW_PRIVATE": self.place, **more,
        }
