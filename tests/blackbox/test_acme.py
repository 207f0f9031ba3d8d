"""The certificate: fetched from an authority that really looks, renewed, kept, told about.

Where pebble is missing and cannot be installed, its stories are skipped; those against the double of a directory are not.
"""
import http.client, os, socket, ssl, sys, threading, time, unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from acme_servers import Pebble, pebble_binary  # noqa: E402
from keystall import HOST, Browser, Shop, Story  # noqa: E402


def until(happens, seconds=30.0, what="it"):
    """What `happens` gives, once it is true."""
    began = time.monotonic()
    while True:
        found = happens()
        if found:
            return found
        assert time.monotonic() - began < seconds, f"{what} did not happen within {seconds} s"
        time.sleep(0.1)


def shake(port, name=HOST, root=None, alpn=None, version=None):
    """A handshake: (certificate as DER, ALPN). With `root` the chain and the name are verified as a browser does."""
    context = ssl.create_default_context(cadata=root) if root else ssl._create_unverified_context()
    if alpn:
        context.set_alpn_protocols(alpn)
    if version:
        context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=name) as tls:
            return tls.getpeercert(True), tls.selected_alpn_protocol()


def trusts(port, root, name=HOST):
    try:
        return shake(port, name, root)[0]
    except (ssl.SSLError, OSError):
        return None


class Acme(Story):
    def open_pebble(self, **how):
        if not pebble_binary():
            self.skipTest("pebble is not installed and cannot be: apt-get install pebble")
        home = self.folder()
        pebble = Pebble(home, **how)
        self.addCleanup(pebble.close)
        return pebble

    def folder(self):
        import shutil, tempfile
        home = tempfile.mkdtemp(prefix="keystall-acme-")
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        return home

    def open(self, pebble, start=True, http=True, **settings):
        shop = Shop(**pebble.settings(http=http, **settings))
        shop.port = pebble.tls_port
        self.addCleanup(shop.close)
        if start:
            shop.start()
        return shop

    def certified(self, shop, root, name=HOST, seconds=40):
        try:
            return until(lambda: trusts(shop.port, root, name), seconds, "a trusted certificate")
        except AssertionError as late:
            raise AssertionError(f"{late}: {shop.log_tail()}") from None


class Pebbles(Acme):
    def test_a_shop_gets_a_certificate_for_its_name_and_keeps_it_over_a_restart(self):
        pebble = self.open_pebble()
        pebble.lead(HOST, "127.0.0.1")
        shop = self.open(pebble)
        root = pebble.root()
        first = self.certified(shop, root)
        self.assertIn("attempting to validate w/ HTTP", pebble.said())
        shop.stop()
        shop.start()
        self.assertEqual(trusts(shop.port, root), first, "the first handshake after a start has it already")


if __name__ == "__main__":
    unittest.main()
