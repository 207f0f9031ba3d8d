"""No memory left in the middle of sales (R19): what was acknowledged is there after, as with kill -9; and sales need little of it.

The kernel kills in a memory cgroup where one can be made (root); else the address space is cut off under the running daemon.
KEYSTALL_MEMORY_CYCLES (5) says how often.
"""
import os, random, resource, signal, subprocess, sys, tempfile, time, unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faults import Sales, until  # noqa: E402
from keystall import Story  # noqa: E402

CYCLES = int(os.environ.get("KEYSTALL_MEMORY_CYCLES", "5"))
MEMORY_MAX = 128 * 1024 * 1024
READY_WITHIN = 5.0


class Cgroup:
    """A memory cgroup (version 1 or 2) of the test's own; `limit` is None where none can be made."""

    def __init__(self):
        self.limit = None
        for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            path = os.path.join(root, f"keystall-test-{os.getpid()}")
            try:
                os.mkdir(path)
            except OSError:
                continue
            self.path = path
            if os.path.exists(os.path.join(path, limit)):
                self.limit = os.path.join(path, limit)
                return
            os.rmdir(path)

    def write(self, path, what):
        with open(path, "w") as f:
            f.write(str(what))

    def take(self, pid, bytes_):
        self.write(self.limit, bytes_)
        self.write(os.path.join(self.path, "cgroup.procs"), pid)

    def close(self):
        if self.limit:
            os.rmdir(self.path)


class Memory(Story):
    def test_without_memory_no_acknowledged_sale_is_lost_and_sales_stay_below_128_mib(self):
        shop, gateway = self.open_shop(keys=0, start=False)
        shop.keys = shop.import_keys("card", 300 + 300 * CYCLES)
        vkey, seed = shop.vkey(), int(os.environ.get("KEYSTALL_SEED", random.randrange(2**32)))
        rng, cgroup, highest = random.Random(seed), Cgroup(), 0
        self.addCleanup(cgroup.close)
        sales = Sales(shop, gateway, buyers=3)
        how = []
        for cycle in range(CYCLES):
            with self.subTest(f"cycle {cycle} of seed {seed}"):
                self.assertLessEqual(shop.start(), READY_WITHIN)
                sales.check(self, shop.keys) if cycle % 10 < 3 else None
                sales.begin()
                time.sleep(rng.uniform(0.3, 0.8))
                highest = max(highest, self.peak(shop.process.pid))
                how.append(self.take_memory(shop.process, cgroup, rng))
                shop.process.wait(30)
                sales.end()
                self.assertIn(shop.process.returncode, (-signal.SIGKILL, -signal.SIGABRT, -signal.SIGSEGV, 101))
        shop.start()
        paid = sales.check(self, shop.keys, every_paid=True)
        export = shop.export()
        self.assert_verified("ledger", export, vkey)
        self.assertEqual(len(self.sales(export)), paid)
        self.assertLess(highest, MEMORY_MAX)
        print(f"\n{CYCLES} times without memory ({how.count('cgroup')} by the kernel's own choice), {paid} acknowledged sales, "
              f"at most {highest // 2**20} MiB before, seed {seed}", file=sys.stderr)

    def peak(self, pid):
        with open(f"/proc/{pid}/status") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))

    def take_memory(self, process, cgroup, rng):
        """Takes all memory from the process, which then dies by itself, or by the kernel."""
        if cgroup.limit:
            try:
                # Less than it has: the kernel reclaims what it can of it, and kills at the next page.
                cgroup.take(process.pid, 64 * 1024)
                until("the kernel kills", lambda: process.poll() is not None, 3)
                return "cgroup"
            except (OSError, AssertionError):
                pass
        with open(f"/proc/{process.pid}/statm") as f:
            size = int(f.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.prlimit(process.pid, resource.RLIMIT_AS, (size // 2, size // 2))
        try:
            until("it has no memory left", lambda: process.poll() is not None, rng.uniform(1, 3))
            return "address space"
        except AssertionError:
            # Nothing more was asked for: then as the kernel would.
            process.kill()
            return "kill"


if __name__ == "__main__":
    unittest.main()
