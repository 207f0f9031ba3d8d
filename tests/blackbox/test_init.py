"""`keystall init` as a person uses it: on a real terminal, without one, with a file of answers, and as a package's root."""
import glob, os, pty, re, select, shutil, signal, socket, stat, subprocess, sys, tempfile, termios, textwrap, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keystall import Shop, Story, binary, clean_environment, free_port, verify_ledger  # noqa: E402

WORDS = re.compile(r"(\d+)\. ([a-z]{3,8})\b")
SHOP_FILES = ("shop.redb", "root.key", "erase.keys", "ledger.highwater")


class Terminal:
    """A program on a terminal of its own, and a person who reads and types."""

    def __init__(self, *arguments, env=None, program=None):
        self.screen, self.code = "", None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execve(program or binary(), [program or binary(), *arguments], env or clean_environment())
            finally:
                os._exit(127)

    def read(self, seconds):
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            data = b""
        self.screen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)

    def wait_for(self, text, seconds=30):
        """Reads on until the text stands on what is not answered yet; gives everything since the last answer."""
        until = time.monotonic() + seconds
        start = getattr(self, "answered", 0)
        while text not in self.screen[start:]:
            left = until - time.monotonic()
            assert left > 0 and (self.read(min(left, 1)) or time.monotonic() < until and self.alive()), f"no {text!r} on the screen:\n{self.screen[-2500:]}"
        return self.screen[start:]

    def alive(self):
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def type(self, text):
        self.answered = len(self.screen)
        os.write(self.fd, text.encode())

    def answer(self, question, text, seconds=30):
        said = self.wait_for(question, seconds)
        self.type(text + "\n")
        return said

    def end(self, seconds=60):
        until = time.monotonic() + seconds
        while self.code is None:
            assert time.monotonic() < until, f"it does not end:\n{self.screen[-2500:]}"
            if not self.read(0.2):
                self.alive()
        while self.read(0):
            pass
        os.close(self.fd)
        return self.code


class Base(Story):
    def home(self):
        home = tempfile.mkdtemp(prefix="keystall-init-")
        self.addCleanup(shutil.rmtree, home, True)
        return home

    def env(self, **more):
        env = {k: v for k, v in clean_environment().items() if not k.startswith(("LC_", "LANG"))}
        return {**env, "LANG": "en_US.UTF-8", "TERM": "xterm", **more}

    def terminal(self, *arguments, env=None):
        return Terminal(*arguments, env=env or self.env())

    def assert_nothing(self, path):
        self.assertFalse(os.path.exists(path), os.path.exists(path) and os.listdir(path))

    def run_init(self, shop, *arguments, stdin=b"", env=None):
        done = subprocess.run([binary(), "init", "--dir", shop, *arguments], input=stdin, capture_output=True, env=env or self.env(), timeout=60)
        return done.returncode, (done.stdout + done.stderr).decode()

    def words_of(self, said):
        """The 24 words of a sheet, in the order of their numbers."""
        sheet = said[said.index("Recovery secret"):]
        words = {int(number): word for number, word in WORDS.findall(sheet[:sheet.index("Root key")])}
        self.assertEqual(sorted(words), list(range(1, 25)), sheet)
        return [words[number] for number in range(1, 25)]

    def type_back(self, terminal, wrong_first=False):
        """Types the words that are asked for, as they stand on the sheet."""
        words = self.words_of(terminal.wait_for("Is it on paper?"))
        asked = []
        for at in range(2):
            said = terminal.wait_for(" of 24: ")
            asked.append(int(re.findall(r"Word (\d+) of 24: ", said)[-1]))
            word = words[asked[-1] - 1]
            if wrong_first and at == 0:
                terminal.type(next(other for other in words if other != word) + "\n")
                terminal.wait_for("not what the sheet says")
                terminal.wait_for(" of 24: ")
            # Capitals, and four letters alone, are as good.
            terminal.type((word.upper() if at == 0 else word[:4]) + "\n")
        self.assertEqual(len(set(asked)), 2, "two different words")
        return words


class OnATerminal(Base):
    def test_a_person_answers_and_has_a_shop_that_serves(self):
        home = self.home()
        shop = os.path.join(home, "shop")
        port = free_port()
        t = self.terminal("init", "--dir", shop, "--listen-https", f"127.0.0.1:{port}")
        t.answer("Host name", "https://shop.example.com/shop")
        self.assertIn("no https://", t.wait_for("Host name"))
        t.type("HTTPS://127.0.0.1/\n")
        self.assertIn("leads to this machine", t.wait_for("The shop's name"))
        t.type("\n")
        self.assertIn("needed here", t.wait_for("The shop's name"))
        t.type("小店 \"No. 1\"\n")
        t.answer("Currency", "RMB")
        self.assertIn("CNY", t.wait_for("Currency"))
        t.type("\n")
        t.answer("Which? [3]", "")
        t.wait_for("Mail server")
        t.type("smtp.example.com:465\n")
        self.assertIn("bare host name", t.wait_for("Mail server"))
        t.type("smtp.example.com\n")
        t.answer("Its port", "99999")
        t.answer("Its port", "")
        t.answer("User there", "me@example.com")
        t.wait_for("Password")
        time.sleep(0.2)  # Until typing is hidden.
        t.type("hunter2 secret\n")
        t.answer("Sender's address [me@example.com]", "")
        t.answer("Where your own sales", "not a mail")
        t.answer("Where your own sales", "owner@example.com")
        plan = t.wait_for("Go on?")
        for part in (shop, 'host = "127.0.0.1"', f"port = {port}", "mail was not tried", "password_file", 'currency = "CNY"', f"127.0.0.1:{port} is free"):
            self.assertIn(part, plan)
        self.assert_nothing(shop)
        t.type("y\n")
        words = self.type_back(t, wrong_first=True)
        self.assertIn("\x1b[38;5;16;48;5;231m    █▀▀▀▀▀█", t.screen, "a QR code, dark on light")
        self.assertEqual(t.end(), 0, t.screen[-1500:])
        self.assertIn("The sheet is right", t.screen)
        self.assertIn(f"https://127.0.0.1:{port}", t.screen)
        self.assertNotIn("hunter2", t.screen)
        for name in SHOP_FILES + ("keystall.toml", "mail.password"):
            self.assertTrue(os.path.exists(os.path.join(shop, name)), name)
        self.assertEqual(verify_ledger.read(os.path.join(shop, "mail.password")), b"hunter2 secret")
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(shop, "mail.password")).st_mode), 0o600)
        settings = verify_ledger.read(os.path.join(shop, "keystall.toml")).decode()
        self.assertNotIn("hunter2", settings)
        for path in glob.glob(os.path.join(shop, "**"), recursive=True):
            if os.path.isfile(path):
                self.assertNotIn(" ".join(words[:3]).encode(), verify_ledger.read(path), path)
        checked = subprocess.run([binary(), "config", "check", "--dir", shop], env=self.env(), capture_output=True)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        served = subprocess.Popen([binary(), "serve", "--dir", shop], env=self.env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            until = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    self.assertIsNone(served.poll(), served.stdout.read() if served.poll() is not None else "")
                    self.assertLess(time.monotonic(), until)
                    time.sleep(0.05)
        finally:
            served.terminate()
            served.communicate(timeout=15)

    def test_a_doubt_is_told_and_may_be_passed(self):
        shop = os.path.join(self.home(), "shop")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            t = self.terminal("init", "--dir", shop, "--listen-https", f"127.0.0.1:{port}")
            t.answer("Host name", "no-such-host.invalid")
            self.assertIn("is not known: make a DNS record", t.wait_for("Go on with this host?"))
            t.type("n\n")
            t.answer("Host name", "no-such-host.invalid")
            t.answer("Go on with this host?", "perhaps")
            self.assertIn("y or n", t.wait_for("Go on with this host?"))
            t.type("yes\n")
            t.answer("The shop's name", "Shop")
            t.answer("Currency", "")
            t.answer("Which? [3]", "3")
            t.answer("Mail server", "")
            plan = t.wait_for("Go on?")
            self.assertRegex(plan, rf"127\.0\.0\.1:{port} is taken by \S+ \(pid {os.getpid()}\)")
            t.type("n\n")
            self.assertEqual(t.end(), 1)
        self.assertIn("nothing was made", t.screen)
        self.assert_nothing(shop)

    def test_ctrl_c_makes_nothing_and_leaves_the_terminal_as_it_was(self):
        home = self.home()
        for stop_at in ("Host name", "Mail server", "Password", "Go on?"):
            with self.subTest(stop_at):
                shop = os.path.join(home, "shop")
                t = self.terminal("init", "--dir", shop, "--host", "127.0.0.1", "--title", "T", "--tls", "self-signed") if stop_at != "Host name" else self.terminal("init", "--dir", shop)
                before = termios.tcgetattr(t.fd)[3]
                for question, answer in (("Currency", ""), ("Mail server", "smtp.example.com" if stop_at == "Password" else ""), ("Its port", ""), ("User there", "me")):
                    if stop_at in ("Host name", question) or stop_at == "Go on?" and question == "Its port":
                        break
                    t.answer(question, answer)
                t.wait_for(stop_at)
                time.sleep(0.2)
                t.type("\x03")
                self.assertEqual(t.wait_for("nothing was made").count("nothing was made"), 1)
                self.assertEqual(termios.tcgetattr(t.fd)[3], before, "typing is not shown any more")
                self.assertEqual(t.end(), 130)
                self.assert_nothing(shop)

    def test_the_end_of_input_makes_nothing(self):
        shop = os.path.join(self.home(), "shop")
        t = self.terminal("init", "--dir", shop)
        t.wait_for("Host name")
        t.type("\x04")
        self.assertEqual(t.end(), 2)
        self.assert_nothing(shop)

    def test_who_passes_the_sheet_is_warned_and_has_the_shop(self):
        shop = os.path.join(self.home(), "shop")
        t = self.terminal("init", "--dir", shop, "--host", "127.0.0.1", "--title", "T", "--tls", "self-signed", "--listen-https", f"127.0.0.1:{free_port()}")
        t.answer("Currency", "")
        t.answer("Mail server", "")
        t.answer("Go on?", "")
        t.answer(" of 24: ", "")
        self.assertEqual(t.end(), 0)
        self.assertIn("Not checked", t.screen)
        self.assertTrue(os.path.exists(os.path.join(shop, "shop.redb")))

    def test_ctrl_c_after_the_sheet_leaves_a_whole_shop(self):
        shop = os.path.join(self.home(), "shop")
        t = self.terminal("init", "--dir", shop, "--host", "127.0.0.1", "--title", "T", "--tls", "self-signed", "--listen-https", f"127.0.0.1:{free_port()}")
        t.answer("Currency", "")
        t.answer("Mail server", "")
        t.answer("Go on?", "")
        t.wait_for(" of 24: ")
        t.type("\x03")
        self.assertEqual(t.end(), 130)
        self.assertIn("interrupted: the shop is made", t.screen)
        for name in SHOP_FILES + ("keystall.toml",):
            self.assertTrue(os.path.exists(os.path.join(shop, name)), name)
        again = subprocess.run([binary(), "ledger", "vkey", "--dir", shop], env=self.env(), capture_output=True)
        self.assertEqual(again.returncode, 0, again.stderr)

    def test_ctrl_d_after_the_sheet_leaves_a_whole_shop_and_says_what_is_next(self):
        for typed in ("\x04", "\xff"):
            shop = os.path.join(self.home(), "shop")
            t = self.terminal("init", "--dir", shop, "--host", "127.0.0.1", "--title", "T", "--tls", "self-signed", "--listen-https", f"127.0.0.1:{free_port()}")
            t.answer("Currency", "")
            t.answer("Mail server", "")
            t.answer("Go on?", "")
            t.wait_for(" of 24: ")
            if typed == "\x04":
                t.type(typed)
            else:  # No UTF-8: of a terminal with another charset.
                os.write(t.fd, b"\xff\xfe\n")
            self.assertEqual(t.end(), 0, t.screen[-500:])
            for word in ("Not checked", "\nvkey ", "next: keystall product add"):
                self.assertIn(word, t.screen)

    def test_wrong_answers_are_asked_again_and_a_password_keeps_its_blanks(self):
        shop = os.path.join(self.home(), "shop")
        t = self.terminal("init", "--dir", shop, "--host", "127.0.0.1", "--title", "T", "--no-start", "--mail-host", "smtp.example.com", "--mail-user", "me@example.com")
        t.answer("Currency", "")
        t.answer("Which? [3]", "1")
        t.answer("Do you agree", "n")
        t.answer("Which? [3]", "1")
        t.answer("Do you agree", "y")
        t.answer("Mail address for the authority", "me at example.com")
        self.assertIn("bare mail address", t.wait_for("Mail address for the authority"))
        t.type("me@example.com\n")
        t.answer("Its port", "")
        for password in ("", " hunter2  "):
            t.wait_for("Password")
            time.sleep(0.2)  # Until typing is hidden.
            t.type(password + "\n")
            if not password:
                t.wait_for("needed here")
        t.answer("Sender's", "")
        t.answer("Where your own", "")
        t.answer("Go on?", "")
        t.answer(" of 24: ", "")
        self.assertEqual(t.end(), 0, t.screen[-1500:])
        self.assertEqual(verify_ledger.read(os.path.join(shop, "mail.password")), b" hunter2  ")
        self.assertIn('acme_contact = "me@example.com"', verify_ledger.read(os.path.join(shop, "keystall.toml")).decode())

    def test_what_a_flag_says_wrongly_is_refused_before_anything_is_asked(self):
        shop = os.path.join(self.home(), "shop")
        t = self.terminal("init", "--dir", shop, "--host", "https://shop.example.com/shop")
        self.assertEqual(t.end(), 1)
        self.assertIn("[shop] host: ", t.screen)
        self.assertNotIn("The shop's name", t.screen)
        t = self.terminal("init", "--dir", shop, "--host", "127.0.0.1", "--title", "T", "--tls", "acme", "--agree-tos", "--acme-contact", "nobody")
        t.answer("Currency", "")
        self.assertEqual(t.end(), 1)
        self.assertIn("[tls] acme_contact: ", t.screen)
        self.assertNotIn("Mail server", t.screen)

    def test_settings_that_are_there_are_shown_as_they_are_and_their_terms_are_asked_for(self):
        shop = os.path.join(self.home(), "shop")
        os.mkdir(shop)
        file, port = os.path.join(shop, "keystall.toml"), free_port()
        text = f"""[shop]
        host = "127.0.0.1"
        title = "T"
        [listen]
        https = ["127.0.0.1:{port}"]
        [tls]
        mode = "acme"
        [mail]
        host = "smtp.example.com"
        from = "me@example.com"
        user = "me@example.com"
        password = "hunter2"
        """
        with open(file, "w") as f:
            f.write(text)
        os.chmod(file, 0o644)
        t = self.terminal("init", "--dir", shop)
        t.answer("Do you agree", "n")
        self.assertEqual(t.end(), 1)
        self.assertEqual(os.listdir(shop), ["keystall.toml"])
        t = self.terminal("init", "--dir", shop, "--agree-tos")
        plan = t.answer("Go on?", "")
        for word in ("stay as they are", 'password = "[redacted]"', f"others can read {file}", "[mail] password"):
            self.assertIn(word, plan)
        for word in (":80", "password_file", "currency", "Do you agree", "hunter2"):
            self.assertNotIn(word, plan)
        t.answer(" of 24: ", "")
        self.assertEqual(t.end(), 0, t.screen[-500:])
        self.assertEqual(verify_ledger.read(file).decode(), text)
        self.assertFalse(os.path.exists(os.path.join(shop, "mail.password")))

    def test_the_dialogue_speaks_the_language_of_the_terminal(self):
        shop = os.path.join(self.home(), "shop")
        for locale, word in (("zh_CN.UTF-8", "店名"), ("en_GB.UTF-8", "The shop's name"), ("zh_CN.GB18030", "The shop's name")):
            t = self.terminal("init", "--dir", shop, "--host", "127.0.0.1", env=self.env(LC_ALL=locale))
            t.wait_for(word)
            t.type("\x03")
            self.assertEqual(t.end(), 130)
            self.assertIn("已中断" if locale == "zh_CN.UTF-8" else "interrupted", t.screen)

    def test_a_mistake_is_told_in_the_language_of_the_dialogue(self):
        t = self.terminal("init", "--dir", os.path.join(self.home(), "shop"), env=self.env(LC_ALL="zh_CN.UTF-8"))
        t.answer("域名", "https://shop.example.com/shop")
        said = t.wait_for("xn-- 形式")
        self.assertNotIn("is needed", said)
        t.type("\x03")
        self.assertEqual(t.end(), 130)

    def test_with_yes_only_what_has_no_default_is_asked(self):
        shop = os.path.join(self.home(), "shop")
        t = self.terminal("init", "--dir", shop, "--yes", "--host", "127.0.0.1", "--listen-https", f"127.0.0.1:{free_port()}")
        t.answer("The shop's name", "T")
        self.assertEqual(t.end(), 0, t.screen)
        self.assertNotIn("Currency", t.screen)
        self.assertIn("Recovery secret", t.screen)

    def test_the_sheet_can_be_a_page_for_printing_and_the_words_sign(self):
        home = self.home()
        shop, page = os.path.join(home, "shop"), os.path.join(home, "sheet.html")
        arguments = ("--host", "127.0.0.1", "--title", "T", "--listen-https", f"127.0.0.1:{free_port()}")
        for place, why in ((os.path.join(shop, "sheet.html"), "in the shop's folder"), (os.path.join(home, "no", "sheet.html"), "no folder")):
            code, said = self.run_init(shop, *arguments, "--sheet", place)
            self.assertNotEqual(code, 0)
            self.assertIn(why, said)
            self.assert_nothing(shop)
        t = self.terminal("init", "--dir", shop, "--yes", *arguments, "--sheet", page)
        self.assertEqual(t.end(), 0, t.screen)
        words = self.words_of(t.screen)
        self.assertIn("then delete the file", t.screen)
        self.assertEqual(stat.S_IMODE(os.stat(page).st_mode), 0o600)
        text = verify_ledger.read(page).decode()
        self.assertEqual([word for _, word in re.findall(r"<small>(\d+)\.</small> ([a-z]+)", text)], words)
        self.assertIn("<svg ", text)
        for outside in ("http://", "https://", "<script", "<link", "src="):
            self.assertNotIn(outside, text.replace("http://www.w3.org/2000/svg", ""), "it holds all that it needs")
        other = os.path.join(home, "other")
        code, said = self.run_init(other, *arguments, "--sheet", page)
        self.assertEqual(code, 1, said)
        self.assertIn("there already", said)
        self.assert_nothing(other)
        self.assertEqual(verify_ledger.read(page).decode(), text, "it is not written over")
        self.sign_on_a_terminal(home, shop, words)

    def sign_on_a_terminal(self, home, shop, words):
        """A new log key, signed by a person who types the words over several lines, with a mistake first."""
        rotate = subprocess.run([binary(), "ledger", "rotate", "--dir", shop], env=self.env(), capture_output=True, check=True)
        message = os.path.join(home, "message")
        with open(message, "wb") as f:
            f.write(rotate.stdout)
        signed = []
        for typed in ([*words[:11], words[11] + "q", *words[12:]], words):
            t = Terminal("sign", message, env=self.env(), program=binary("keystall-verify"))
            t.wait_for("not shown): ")
            for at in range(0, 24, 8):
                t.type(" ".join(typed[at:at + 8]) + "\n")
                if at < 16:
                    t.wait_for("go on")
            signed.append((t.end(), t.screen))
        self.assertEqual(signed[0][0], 2, signed[0][1])
        self.assertIn("word 12 ", signed[0][1])
        self.assertIn(words[11], signed[0][1], "the nearest word")
        self.assertEqual(signed[1][0], 0, signed[1][1])
        self.assertNotIn(words[0] + " ", signed[1][1].replace(rotate.stdout.decode(), ""), "nothing typed is shown")
        signature = signed[1][1].split()[-1]
        self.assertRegex(signature, r"^[0-9a-f]{128}$")
        done = subprocess.run([binary(), "ledger", "rotate", "--dir", shop, "--signature", signature], env=self.env(), capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_certificates_of_files_are_looked_at_when_they_are_named(self):
        home = self.home()
        shop = os.path.join(home, "shop")
        cert, key = os.path.join(home, "cert.pem"), os.path.join(home, "key.pem")
        make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=shop.test", "-addext", "subjectAltName=DNS:shop.test"]
        subprocess.run([*make, "-keyout", key, "-out", cert], check=True, capture_output=True)
        t = self.terminal("init", "--dir", shop, "--host", "127.0.0.1", "--title", "T", "--no-start")
        t.answer("Currency", "")
        t.answer("Which? [3]", "9")
        t.answer("Which? [3]", "2")
        t.answer("File with the certificate", os.path.join(home, "none.pem"))
        t.answer("File with its private key", key)
        self.assertIn("cannot read", t.wait_for("File with the certificate"))
        t.type(cert + "\n")
        t.answer("File with its private key", key)
        said = t.answer("Take it all the same?", "")
        self.assertIn("is not for 127.0.0.1 but for shop.test", said)
        t.answer("File with the certificate", cert)
        t.answer("File with its private key", key)
        t.answer("Take it all the same?", "y")
        t.answer("Mail server", "")
        self.assertIn(":80 ", t.answer("Go on?", ""))
        self.type_back(t)
        self.assertEqual(t.end(), 0, t.screen[-1000:])
        settings = verify_ledger.read(os.path.join(shop, "keystall.toml")).decode()
        self.assertIn(f'cert = "{cert}"', settings)
        self.assertIn('mode = "files"', settings)


class WithoutATerminal(Base):
    def test_nothing_is_asked_and_what_is_missing_is_named(self):
        shop = os.path.join(self.home(), "shop")
        for arguments, words in ((("--host", "shop.test"), ["--title is needed"]), ((), ["--host and --title are needed"]),
                                 (("--host", "shop.test", "--title", "T", "--tls", "acme"), ["--agree-tos is needed"]),
                                 (("--host", "shop.test", "--title", "T", "--start"), ["--start", "no service here"])):
            code, said = self.run_init(shop, *arguments, stdin=b"y\ny\n")
            self.assertEqual(code, 2, said)
            for word in words:
                self.assertIn(word, said)
            self.assert_nothing(shop)

    def test_a_file_of_answers_is_a_file_of_settings_whose_secrets_move_out(self):
        home = self.home()
        shop, answers = os.path.join(home, "shop"), os.path.join(home, "answers.toml")
        with open(answers, "w") as f:
            f.write('[shop]\nhost = "shop.test"\ntitle = "Of a file"\nicp = "京ICP备1号"\n[mail]\nhost = "smtp.example.com"\nport = 465\ntls = "tls"\nuser = "me@example.com"\npassword = "hunter2"\n'
                    '[limits]\nopen_orders_per_address = 9\n[webhook]\nurl = "https://example.com/hook"\nsecret = "whsec_' + "A" * 40 + '"\n')
        code, said = self.run_init(shop, "--answers", answers, "--title", "Of a flag")
        self.assertEqual(code, 0, said)
        settings = verify_ledger.read(os.path.join(shop, "keystall.toml")).decode()
        for part in ('title = "Of a flag"', 'host = "shop.test"', 'password_file = "mail.password"', 'secret_file = "webhook.secret"', "open_orders_per_address = 9", 'from = "me@example.com"'):
            self.assertIn(part, settings)
        for secret in ("hunter2", "whsec_"):
            self.assertNotIn(secret, settings + said)
        for name in ("mail.password", "webhook.secret"):
            self.assertEqual(stat.S_IMODE(os.stat(os.path.join(shop, name)).st_mode), 0o600)
        checked = subprocess.run([binary(), "config", "check", "--dir", shop], env=self.env(), capture_output=True)
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_answers_that_cannot_be_are_named_and_nothing_is_made(self):
        home = self.home()
        shop, answers = os.path.join(home, "shop"), os.path.join(home, "answers.toml")
        for text, words in (("[shop]\nhots = 'a.test'\n", ["[shop] hots", "did you mean host?", "line 2"]), ("start = true\n", ["start"]), ("[shop\n", ["line 1"]),
                            ("[shop]\nhost = 'shop.test'\ntitle = 'T'\n[mail]\nhost = 'smtp.test'\n", ["[mail] from"]),
                            ("[shop]\nhost = 'shop.test'\ntitle = 'T'\n[tls]\nmode = 'files'\n", ["[tls] cert"])):
            with open(answers, "w") as f:
                f.write(text)
            code, said = self.run_init(shop, "--answers", answers)
            self.assertEqual(code, 1, said)
            for word in words:
                self.assertIn(word, said)
            self.assert_nothing(shop)
        code, said = self.run_init(shop, "--answers", os.path.join(home, "none.toml"))
        self.assertEqual(code, 1)
        self.assertIn("there is no", said)

    def test_a_try_that_failed_leaves_nothing_behind(self):
        home = self.home()
        shop, cert = os.path.join(home, "shop"), os.path.join(home, "cert.pem")
        with open(cert, "w") as f:
            f.write("nothing\n")
        arguments = ("--host", "shop.test", "--title", "T", "--tls", "files", "--cert", cert, "--key", cert)
        code, said = self.run_init(shop, *arguments)
        self.assertEqual(code, 1, said)
        self.assertIn("in PEM form", said)
        self.assert_nothing(shop)
        os.mkdir(shop)
        with open(os.path.join(shop, "mine.txt"), "w") as f:
            f.write("mine")
        code, said = self.run_init(shop, *arguments)
        self.assertEqual((code, os.listdir(shop)), (1, ["mine.txt"]), said)
        code, said = self.run_init(shop, "--host", "shop.test", "--title", "T")
        self.assertEqual(code, 0, said)

    def test_settings_that_are_there_are_kept_and_must_not_say_otherwise(self):
        home = self.home()
        shop = os.path.join(home, "shop")
        os.mkdir(shop)
        file = os.path.join(shop, "keystall.toml")
        text = "# mine\n[shop]\nhost = 'shop.test'\ntitle = 'Mine'\n"
        with open(file, "w") as f:
            f.write(text)
        code, said = self.run_init(shop, "--host", "other.test", "--title", "Mine")
        self.assertEqual(code, 1)
        self.assertIn("[shop] host", said)
        self.assertEqual(os.listdir(shop), ["keystall.toml"])
        code, said = self.run_init(shop)
        self.assertEqual(code, 0, said)
        self.assertEqual(verify_ledger.read(file).decode(), text)
        self.assertIn("a shop for shop.test", said)

    MAIL = ("--host", "shop.test", "--title", "T", "--mail-host", "smtp.example.com", "--mail-user", "me@example.com", "--mail-password-file", "-")

    def test_a_try_that_ended_half_way_is_repeated_with_the_same_flags(self):
        """What lies there after a kill -9 at each point: a part of the secret, the secret, the settings too."""
        home = self.home()
        shop = os.path.join(home, "shop")
        code, said = self.run_init(shop, *self.MAIL, stdin=b"hunter2\n")
        self.assertEqual(code, 0, said)
        whole = verify_ledger.read(os.path.join(shop, "keystall.toml"))
        for left in ({"mail.password": b"hunt"}, {"mail.password": b"hunter2"}, {"mail.password": b"", "keystall.toml.unfinished": b"[sho"},
                     {"mail.password": b"hunter2", "keystall.toml": whole}, {"keystall.toml": whole}):
            with self.subTest(list(left)):
                shop = os.path.join(self.home(), "shop")
                os.mkdir(shop)
                for name, content in left.items():
                    with open(os.path.join(shop, name), "wb") as f:
                        f.write(content)
                code, said = self.run_init(shop, *self.MAIL, stdin=b"hunter2\n")
                self.assertEqual(code, 0, said)
                self.assertEqual(verify_ledger.read(os.path.join(shop, "mail.password")), b"hunter2")
                self.assertEqual(stat.S_IMODE(os.stat(os.path.join(shop, "mail.password")).st_mode), 0o600)
                self.assertEqual(verify_ledger.read(os.path.join(shop, "keystall.toml")), whole)
                self.assertFalse(os.path.exists(os.path.join(shop, "keystall.toml.unfinished")))

    def test_a_part_of_a_shop_is_not_called_a_shop_and_what_to_delete_is_said(self):
        shop = os.path.join(self.home(), "shop")
        arguments = ("--host", "shop.test", "--title", "T")
        code, said = self.run_init(shop, *arguments)
        self.assertEqual(code, 0, said)
        code, said = self.run_init(shop, *arguments)
        self.assertEqual(code, 1)
        self.assertIn("holds a shop already", said)
        for gone in ("ledger.highwater", "shop.redb", "erase.keys"):
            os.remove(os.path.join(shop, gone))
            code, said = self.run_init(shop, *arguments)
            self.assertEqual(code, 1)
            self.assertNotIn("holds a shop already", said)
            self.assertIn(gone, said[:said.index("nothing was changed")])
        told = re.search(r"delete (.*?) there and init again", said)[1].split(", ")
        self.assertEqual(told, ["root.key"])
        for name in told:
            os.remove(os.path.join(shop, name))
        code, said = self.run_init(shop, *arguments)
        self.assertEqual(code, 0, said)

    def test_no_shop_stays_whose_sheet_nobody_saw(self):
        """A dropped connection: the sheet has nowhere to go, or a signal comes while the shop is made."""
        arguments = ("--host", "shop.test", "--title", "T")
        shop = os.path.join(self.home(), "shop")
        ours, theirs = os.pipe()
        os.close(ours)
        done = subprocess.run([binary(), "init", "--dir", shop, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs, env=self.env(), timeout=60)
        os.close(theirs)
        self.assertEqual(done.returncode, 1)
        self.assert_nothing(shop)
        outcomes = set()
        for kind in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            for file in ("root.key", "erase.keys", "shop.redb"):
                shop = os.path.join(self.home(), "shop")
                made = subprocess.Popen([binary(), "init", "--dir", shop, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.env())
                while made.poll() is None and not os.path.exists(os.path.join(shop, file)):
                    time.sleep(0.0005)
                made.send_signal(kind)
                said = made.communicate(timeout=60)[0].decode()
                outcomes.add(made.returncode)
                self.assertEqual(os.path.exists(shop), "Recovery secret" in said, said)
                if "Recovery secret" not in said:
                    self.assertEqual(made.returncode, 130, said)
                    self.assertIn("nothing was made", said)
        self.assertIn(130, outcomes, "no signal came in time")

    def test_terms_of_settings_that_are_there_need_an_agreement_too(self):
        shop = os.path.join(self.home(), "shop")
        os.mkdir(shop)
        with open(os.path.join(shop, "keystall.toml"), "w") as f:
            f.write("[shop]\nhost = 'shop.test'\ntitle = 'T'\n[tls]\nmode = 'acme'\n")
        code, said = self.run_init(shop)
        self.assertEqual(code, 2, said)
        self.assertIn("--agree-tos is needed", said)
        self.assertEqual(os.listdir(shop), ["keystall.toml"])
        code, said = self.run_init(shop, "--agree-tos")
        self.assertEqual(code, 0, said)

    def test_behind_a_proxy_the_shop_listens_to_this_machine_alone(self):
        shop = os.path.join(self.home(), "shop")
        code, said = self.run_init(shop, "--host", "shop.test", "--title", "T", "--tls", "proxy", "--listen-http", "127.0.0.1:9999")
        self.assertEqual(code, 0, said)
        settings = verify_ledger.read(os.path.join(shop, "keystall.toml")).decode()
        for part in ("https = []", 'http = ["127.0.0.1:9999"]', 'trusted_proxies = ["127.0.0.1", "::1"]'):
            self.assertIn(part, settings)

    def test_a_certificate_of_an_authority_takes_port_80_too_and_says_what_stands_in_the_way(self):
        shop = os.path.join(self.home(), "shop")
        code, said = self.run_init(shop, "--host", "no-such-host.invalid", "--title", "T", "--tls", "acme", "--agree-tos", "--acme-contact", "owner@example.com")
        self.assertEqual(code, 0, said)
        self.assertIn("no-such-host.invalid is not known", said)
        settings = verify_ledger.read(os.path.join(shop, "keystall.toml")).decode()
        for part in ('mode = "acme"', 'acme_contact = "owner@example.com"', 'http = ["0.0.0.0:80"', 'https = ["0.0.0.0:443"'):
            self.assertIn(part, settings)

    def test_a_password_comes_from_a_file_or_standard_input(self):
        shop = os.path.join(self.home(), "shop")
        code, said = self.run_init(shop, "--host", "shop.test", "--title", "T", "--mail-host", "smtp.example.com", "--mail-user", "me@example.com", "--mail-password-file", "-", stdin=b"hunter2\n")
        self.assertEqual(code, 0, said)
        self.assertEqual(verify_ledger.read(os.path.join(shop, "mail.password")), b"hunter2")


def can_play_machine():
    if os.geteuid() != 0:
        return "only root can play a machine with a package on it"
    tried = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True)
    return None if tried.returncode == 0 else "mount namespaces cannot be had here"


class AsAPackage(Base):
    """A machine with a package's user, folders and service, in a mount namespace of its own; systemctl is a double."""

    SYSTEMCTL = textwrap.dedent("""\
        #!/bin/sh
        echo "$@" >> /run/systemctl.said
        [ -e /run/systemctl.fails ] && { echo "Job for keystall.service failed." >&2; exit 1; }
        setpriv --reuid 4711 --regid 4712 --clear-groups /usr/local/lib/keystall serve </dev/null >/run/serve.log 2>&1 &
        echo $! > /run/serve.pid
        """)

    def machine(self, script, *more):
        """Runs a script as root of such a machine; what it said. /out of the script is the folder that is given back."""
        why = can_play_machine()
        if why:
            self.skipTest(why)
        home = self.home()
        out = os.path.join(home, "out")
        os.mkdir(out)
        os.chmod(home, 0o755)
        program = os.path.join(home, "keystall")
        shutil.copyfile(binary(), program)
        os.chmod(program, 0o755)
        with open(os.path.join(home, "systemctl"), "w") as f:
            f.write(self.SYSTEMCTL)
        os.chmod(os.path.join(home, "systemctl"), 0o755)
        setup = textwrap.dedent(f"""\
            set -e
            cp -a /etc {home}/etc && mount --bind {home}/etc /etc
            echo 'keystall:x:4711:4712::/var/lib/keystall:/usr/sbin/nologin' >> /etc/passwd
            rm -rf /etc/keystall; mkdir -p /etc/systemd/system; touch /etc/systemd/system/keystall.service
            mount -t tmpfs -o mode=755 tmpfs /var/lib
            mount -t tmpfs -o mode=755 tmpfs /run; mkdir -p /run/systemd/system
            mount -t tmpfs -o mode=755 tmpfs /usr/local/lib; cp {program} /usr/local/lib/keystall
            mkdir -p /usr/local/bin; mount -t tmpfs -o mode=755 tmpfs /usr/local/bin; cp {home}/systemctl /usr/local/bin/systemctl
            export PATH=/usr/local/bin:$PATH out={out}
            set +e
            """)
        t = Terminal("--mount", "sh", "-c", setup + script, env=self.env(), program="/usr/bin/unshare")
        return t, out

    FLAGS = "--host 127.0.0.1 --title T --currency CNY --tls self-signed --listen-https 127.0.0.1:{port}"

    def test_root_makes_a_shop_that_belongs_to_the_service_and_starts_it(self):
        port = free_port()
        t, out = self.machine(f"""
            umask 077
            /usr/local/lib/keystall init {self.FLAGS.format(port=port)}; echo "ended $?"
            stat -c '%n %U %u:%g %a' /var/lib/keystall /var/lib/keystall/* /etc/keystall /etc/keystall/* > $out/stat
            cat /run/systemctl.said > $out/systemctl; cat /etc/keystall/keystall.toml > $out/toml
            /usr/local/lib/keystall doctor > $out/doctor 2>&1
            cat /run/serve.log
            kill "$(cat /run/serve.pid)"
            """)
        t.answer("Mail server", "smtp.example.com")
        t.answer("Its port", "")
        t.answer("User there", "me@example.com")
        t.wait_for("Password")
        time.sleep(0.2)
        t.type("hunter2\n")
        t.answer("Sender's", "")
        t.answer("Where your own", "")
        self.assertIn("of user keystall", t.wait_for("Go on?"))
        t.type("\n")
        self.type_back(t)
        t.answer("Start the shop now", "")
        t.wait_for("ended ", 90)
        self.assertEqual(t.end(), 0, t.screen[-3000:])
        self.assertIn("ended 0", t.screen, t.screen[-2000:])
        self.assertIn(f"the shop is open: https://127.0.0.1", t.screen)
        read = lambda name: verify_ledger.read(os.path.join(out, name)).decode()
        owners = {line.split()[0]: line.split()[-2:] for line in read("stat").splitlines()}
        self.assertEqual(owners["/var/lib/keystall"], ["4711:4712", "700"])
        self.assertEqual(owners["/var/lib/keystall/root.key"], ["4711:4712", "400"])
        self.assertEqual(owners["/var/lib/keystall/mail.password"], ["4711:4712", "600"])
        self.assertEqual(owners["/etc/keystall/keystall.toml"], ["0:0", "644"])
        self.assertEqual(owners["/etc/keystall"], ["0:0", "755"])
        self.assertNotIn("/var/lib/keystall/keystall.toml", owners)
        for path, (owner, _) in owners.items():
            if path.startswith("/var/lib"):
                self.assertEqual(owner, "4711:4712", path)
        self.assertNotIn("hunter2", read("toml") + t.screen)
        self.assertEqual(read("systemctl"), "enable --now keystall.service\n")
        self.assertIn("only for its owner", read("doctor"))

    def test_a_service_that_does_not_start_leaves_a_shop_and_says_so(self):
        t, _ = self.machine(f"""
            touch /run/systemctl.fails
            /usr/local/lib/keystall init --yes --start {self.FLAGS.format(port=free_port())}; echo "ended $?"
            ls /var/lib/keystall
            """)
        self.assertEqual(t.end(), 0)
        self.assertIn("ended 1", t.screen)
        for word in ("the shop is made, but its service did not start", "Job for keystall.service failed", "journalctl", "shop.redb"):
            self.assertIn(word, t.screen)

    def test_what_fails_for_the_service_leaves_nothing_of_root_either(self):
        t, _ = self.machine(f"""
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=shop.test -keyout /run/key.pem -out /run/cert.pem 2>/dev/null
            chmod 600 /run/key.pem
            /usr/local/lib/keystall init --yes --host 127.0.0.1 --title T --tls files --cert /run/cert.pem --key /run/key.pem </dev/null; echo "ended $?"
            ls -d /etc/keystall /var/lib/keystall
            """)
        self.assertEqual(t.end(), 2)  # that of ls
        self.assertIn("ended 1", t.screen)
        for word in ("the shop's own user must be able to read both files", "install -D -o keystall -m 0400"):
            self.assertIn(word, t.screen)
        self.assertNotIn("\n/etc/keystall\n", t.screen)
        self.assertNotIn("\n/var/lib/keystall\n", t.screen)

    def test_files_that_the_service_cannot_read_are_asked_for_again_with_what_to_do(self):
        t, _ = self.machine(f"""
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout /run/key.pem -out /run/cert.pem 2>/dev/null
            chmod 600 /run/key.pem
            /usr/local/lib/keystall init --host 127.0.0.1 --title T --currency CNY --no-start; echo "ended $?"
            ls /etc/keystall
            """)
        t.answer("Which? [3]", "2")
        t.answer("File with the certificate", "/run/cert.pem")
        t.answer("File with its private key", "/run/key.pem")
        said = t.wait_for("File with the certificate")
        for word in ("cannot read /run/key.pem", "as user keystall", "install -D -o keystall -m 0400"):
            self.assertIn(word, said)
        subprocess.run(["nsenter", "--mount", "--target", str(t.pid), "install", "-D", "-o", "4711", "-m", "0400", "-t", "/etc/keystall/tls", "/run/cert.pem", "/run/key.pem"], check=True)
        t.type("/etc/keystall/tls/cert.pem\n")
        t.answer("File with its private key", "/etc/keystall/tls/key.pem")
        t.answer("Mail server", "")
        t.answer("Go on?", "")
        t.answer(" of 24: ", "")
        self.assertEqual(t.end(), 0, t.screen[-2000:])
        self.assertIn("ended 0", t.screen)
        self.assertIn("keystall.toml", t.screen)

    def test_a_shop_elsewhere_is_its_folders_owners_or_roots(self):
        t, out = self.machine(f"""
            mkdir /run/a; chown 4711:4712 /run/a
            for dir in /run/a /run/b; do
              /usr/local/lib/keystall init --dir $dir --yes {self.FLAGS.format(port=free_port())} >/dev/null 2>&1; echo "ended $?"
            done
            stat -c '%u %n' /run/a/* /run/b/* > $out/stat; ls -d /etc/keystall
            """)
        self.assertEqual(t.end(), 2)
        self.assertEqual(t.screen.count("ended 0"), 2, t.screen)
        lines = verify_ledger.read(os.path.join(out, "stat")).decode().splitlines()
        self.assertIn("4711 /run/a/keystall.toml", lines)
        self.assertIn("0 /run/b/root.key", lines)
        self.assertEqual({l.split()[0] for l in lines if "/run/a/" in l}, {"4711"})

    def test_a_relative_folder_is_the_same_for_the_process_that_makes_the_shop(self):
        t, _ = self.machine(f"""
            mkdir /run/shop /run/other; chown 4711:4712 /run/shop; cd /run/other
            /usr/local/lib/keystall init --dir ../shop --yes {self.FLAGS.format(port=free_port())}; echo "ended $?"
            ls -d /shop /run/shop/shop.redb; stat -c 'of %u' /run/shop/shop.redb
            """)
        t.end()
        self.assertIn("ended 0", t.screen, t.screen[-2000:])
        self.assertIn("\n/run/shop/shop.redb\n", t.screen)
        self.assertIn("of 4711", t.screen)

    def test_a_process_that_is_killed_in_the_services_folder_leaves_nothing_there(self):
        """The one that makes the shop as the service's user: its database is larger than files may be, a signal ends it."""
        t, _ = self.machine(f"""
            (ulimit -c 0; ulimit -f 64; env --default-signal=XFSZ /usr/local/lib/keystall init --yes {self.FLAGS.format(port=free_port())}; echo "ended $?")
            ls -d /etc/keystall /var/lib/keystall
            /usr/local/lib/keystall init --yes {self.FLAGS.format(port=free_port())}; echo "again $?"
            """)
        t.end()
        self.assertIn("ended 1", t.screen)
        first = t.screen[:t.screen.index("ended 1")]
        self.assertIn("the shop was not made: signal", first)
        self.assertNotIn("delete ", first)
        for path in ("/etc/keystall", "/var/lib/keystall"):
            self.assertNotIn(f"\n{path}\n", t.screen)
        self.assertIn("again 0", t.screen)


if __name__ == "__main__":
    unittest.main()
