"""S3-compatible storage for stories: npm's s3rver, which checks AWS signatures (version 4). Loopback only.

As a program it starts one, prints `ready PORT`, and ends with its standard input: for tests in other languages.
"""
import os, shutil, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

VERSION = "3.7.1"
ACCESS_KEY = SECRET_KEY = "S3RVER"  # Its only account.


def s3_program():
    """s3rver's main file, installed where that can be done; None where it cannot (no node, no npm, no registry)."""
    if not shutil.which("node"):
        return None
    home = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(tempfile.gettempdir(), f"keystall-tests-{os.getuid()}"), f"s3rver-{VERSION}")
    program = os.path.join(home, "node_modules", "s3rver", "bin", "s3rver.js")
    if not os.path.exists(program) and shutil.which("npm"):
        parent = os.path.dirname(home)
        os.makedirs(parent, mode=0o700, exist_ok=True)
        # Whole or not at all: stories that run beside this one look for the same folder.
        fresh = tempfile.mkdtemp(dir=parent)
        done = subprocess.run(["npm", "install", "--prefix", fresh, "--no-audit", "--no-fund", "--ignore-scripts", f"s3rver@{VERSION}"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=180)
        if done.returncode == 0:
            try:
                os.rename(fresh, home)
            except OSError:
                pass  # Another was first.
        shutil.rmtree(fresh, ignore_errors=True)
    return program if os.path.exists(program) else None


class S3Server:
    """One bucket on a port of its own. `files()` is what lies in it."""

    def __init__(self, bucket="shop"):
        self.bucket = bucket
        self.home = tempfile.mkdtemp(prefix="keystall-s3-")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.place, self.endpoint = f"127.0.0.1:{self.port}", f"http://127.0.0.1:{self.port}"
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(["node", s3_program(), "-d", self.home, "-a", "127.0.0.1", "-p", str(self.port), "-s", "--configure-bucket", self.bucket],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        began = time.monotonic()
        while True:
            try:
                urllib.request.urlopen(self.endpoint, timeout=5).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                assert self.process.poll() is None, "s3rver ended"
                assert time.monotonic() - began < 20, "s3rver does not answer"
                time.sleep(0.05)

    def settings(self, **more):
        """What a shop is told of it."""
        return {"BACKUP__S3_ENDPOINT": self.endpoint, "BACKUP__S3_BUCKET": self.bucket, "BACKUP__S3_ACCESS_KEY": ACCESS_KEY,
                "BACKUP__S3_SECRET_KEY": SECRET_KEY, "NET__ALLOW_PRIVATE": self.place, **more}

    def files(self):
        """Names of the objects, with their lengths."""
        root, found, end = os.path.join(self.home, self.bucket), {}, "._S3rver_object"
        for folder, _, names in os.walk(root):
            for name in names:
                if name.endswith(end):
                    path = os.path.join(folder, name)
                    found[os.path.relpath(path, root)[: -len(end)]] = os.path.getsize(path)
        return found

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    def close(self):
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


if __name__ == "__main__":
    if not s3_program():
        print("skip", flush=True)
        sys.exit()
    server = S3Server()
    try:
        print("ready", server.port, flush=True)
        sys.stdin.read()
    finally:
        server.close()
