"""What the service and systemd say to each other: readiness, watchdog, sockets, reload, credentials."""
import os, signal, socket, subprocess, tempfile, time, unittest

from keystall import Browser, Shop, Story, binary


class Supervised:
    """A shop's daemon as systemd would run it: with a notify socket, a watchdog, and sockets that were bound before."""

    def __init__(self, shop, sockets=(), **environment):
        self.place = os.path.join(shop.home, f"notify-{shop.serial}")
        shop.serial += 1
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(self.place)
        self.notices.settimeout(30)
        self.shop = shop
        env = {**shop.env, "NOTIFY_SOCKET": self.place, "WATCHDOG_USEC": "2000000", **environment}
        passed = []
        if sockets:
            # One after the other, as systemd passes them.
            passed = [os.dup2(one.fileno(), 60 + at) for at, (_, one) in enumerate(sockets)]
            env |= {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDS_FIRST_FD": "60", "LISTEN_FDNAMES": ":".join(name for name, _ in sockets)}
        with open(shop.log, "ab") as log:
            self.process = subprocess.Popen([binary(), "serve", "--dir", shop.dir], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=env, pass_fds=passed)
        for fd in passed:
            os.close(fd)

    def until(self, said):
        while said not in self.notices.recv(4096).decode().split("\n"):
            pass

    def quiet_for(self, seconds):
        """Whether nothing is said for so long."""
        self.notices.settimeout(seconds)
        try:
            self.notices.recv(4096)
            return False
        except TimeoutError:
            return True
        finally:
            self.notices.settimeout(30)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        self.notices.close()

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(30)
        self.notices.close()
        return code


class TheService(Story):
    def shop(self, **settings):
        shop = Shop(**settings)
        self.addCleanup(shop.close)
        return shop

    def supervised(self, shop, *sockets, **environment):
        service = Supervised(shop, sockets, **environment)
        self.addCleanup(service.close)
        return service

    def test_it_says_when_it_is_ready_that_it_lives_and_when_it_ends(self):
        shop = self.shop()
        service = self.supervised(shop)
        service.until("READY=1")
        self.assertEqual(Browser(shop).get("/readyz").status, 200)
        service.until("WATCHDOG=1")
        service.until("WATCHDOG=1")
        service.process.send_signal(signal.SIGTERM)
        service.until("STOPPING=1")
        self.assertEqual(service.process.wait(30), 0)

    def test_a_daemon_that_hangs_is_silent_and_its_successor_serves_at_once(self):
        shop = self.shop()
        service = self.supervised(shop)
        service.until("WATCHDOG=1")
        service.process.send_signal(signal.SIGSTOP)
        while not service.quiet_for(2.0):
            pass
        # What systemd does after WatchdogSec, and after RestartSec.
        service.end(signal.SIGKILL)
        began = time.monotonic()
        self.supervised(shop).until("READY=1")
        self.assertLess(time.monotonic() - began, 20)

    def test_connections_wait_in_systemds_socket_while_the_shop_restarts(self):
        with socket.create_server(("127.0.0.1", 0)) as https, socket.create_server(("127.0.0.1", 0)) as http:
            # What the settings say is neither bound nor believed then.
            shop = self.shop(LISTEN__HTTPS=",", LISTEN__HTTP="192.0.2.1:80")
            shop.port = https.getsockname()[1]
            service = self.supervised(shop, ("https", https), ("http", http))
            service.until("READY=1")
            self.assertEqual(Browser(shop).get("/readyz").status, 200)
            self.assertEqual(service.end(), 0)
            waiting = socket.create_connection(https.getsockname(), timeout=20)
            service = self.supervised(shop, ("https", https), ("http", http))
            service.until("READY=1")
            with Browser.CONTEXT.wrap_socket(waiting, server_hostname="shop.test") as tls:
                tls.sendall(b"GET /readyz HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
                self.assertTrue(tls.recv(4096).startswith(b"HTTP/1.1 200"))
            plain = Browser(address=http.getsockname(), host="shop.test")
            plain.connection = plain.connect(https=False)
            self.assertEqual(plain.get("/").status, 308)
            service.end()

    def test_a_socket_without_a_known_name_is_refused_with_what_to_do(self):
        with socket.create_server(("127.0.0.1", 0)) as given:
            shop = self.shop()
            service = self.supervised(shop, ("keystall.socket", given))
            self.assertEqual(service.process.wait(30), 1)
            self.assertIn("FileDescriptorName=https or http", shop.log_tail())

    def test_the_root_key_comes_as_a_credential(self):
        shop = self.shop()
        with tempfile.TemporaryDirectory() as credentials:
            os.rename(os.path.join(shop.dir, "root.key"), os.path.join(credentials, "root.key"))
            without = self.supervised(shop)
            self.assertEqual(without.process.wait(30), 1)
            service = self.supervised(shop, CREDENTIALS_DIRECTORY=credentials)
            service.until("READY=1")
            self.assertEqual(service.end(), 0)

    def test_sighup_changes_the_logs_level_without_a_restart(self):
        shop = self.shop()
        service = self.supervised(shop)
        service.until("READY=1")
        with open(os.path.join(shop.dir, "keystall.toml"), "a") as settings:
            settings.write('\n[log]\nlevel = "debug"\n')
        waiting = lambda: shop.must("config", "check", "--json").json["restart_for"]  # noqa: E731
        self.assertEqual(waiting(), ["[log] level"])
        service.process.send_signal(signal.SIGHUP)
        for _ in range(100):
            if not waiting():
                break
        self.assertEqual(waiting(), [])
        service.end()


if __name__ == "__main__":
    unittest.main()
