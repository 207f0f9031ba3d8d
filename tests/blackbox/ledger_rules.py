"""What entries of the receipt ledger, format 1, say of stock and money must fit together (format.md, section 5)."""
from ledger_format import MAX, expand, need, parse_slots

class Rules:
    """Stock over all generations, and the sales of the present one."""
    def __init__(self):
        self.batches, self.stock, self.used, self.replaced, self.missing, self.partial = {}, {}, set(), set(), [], False
    def begin(self, start):
        """A generation, of which the entries from seq `start` on are there."""
        self.start, self.sales, self.sale, self.before, self.partial = start, {}, None, None, self.partial or start > 0
    def lack(self, bad, text):
        """Something needed is not there."""
        self.missing += [text] * bool(bad)
    def end_sale(self):
        need(not self.sale or len(self.sale["held"]) == self.sale["qty"], "a sale whose slots do not number qty")
        self.sale = None
    def take(self, e, sku, column):
        """Slots handed out: each of a batch imported before, within it, of this sku, and never before."""
        slots = expand(e["slots"])
        for batch, first, last in parse_slots(e["slots"]):
            stock = self.batches.get(batch)
            need(stock or self.partial, f"batch {batch} was not imported before")
            self.lack(not stock, f"the import of batch {batch} is not in this range")
            good = not stock or last < stock["count"] and sku in (None, stock["sku"])
            need(good, f"a slot outside batch {batch}, or of another sku")
            self.stock.setdefault(stock["sku"] if stock else "?", [0, 0, 0, 0])[column] += last - first + 1
        need(not slots & self.used, f"a slot is handed out twice: {slots & self.used}")
        self.used |= slots
        return slots
    def rules(self, e):
        kind, ref = e["type"], e.get("ref", MAX)
        kind == "slots" or self.end_sale()
        sale = self.sales.get(ref)  # what lies before a range cannot be judged
        need(sale or ref < self.start or "ref" not in e, f"{ref} is no sale before this entry")
        if kind == "stock":
            due = max(self.batches, default=-1) + 1
            need(e["batch"] == due or self.partial and e["batch"] > due, f"batch {e['batch']} where {due} is due")
            self.batches[e["batch"]] = e
            self.stock.setdefault(e["sku"], [0, 0, 0, 0])[0] += e["count"] * (e["seq"] >= self.start)
        elif kind == "sale":
            pool = e["kind"] == "pool"
            e["left"], e["held"] = e["amt"], self.take(e, e["sku"], 1) if pool else set()
            self.sales[e["seq"]], self.sale = e, e if pool else None
        elif kind == "slots":
            at_once = sale is self.sale and (sale or self.before in (None, "slots"))
            need(at_once, "slots that do not follow their sale at once")
            slots = self.take(e, sale and sale["sku"], 1)
        elif kind == "refund" and sale:
            sale["left"] -= e["amt"]
            need(sale["left"] >= 0 and sale["cur"] == e["cur"], "refunds above the sale, or in another currency")
        elif kind == "replace":
            out, slots = expand(e["out"]), self.take(e, sale and sale["sku"], 2)
            ours = not sale or out <= sale["held"]
            need(ours and not out & self.replaced, "a slot replaced twice, or not of this sale")
            need(len(slots) == len(out), "not as many slots as were replaced")
            self.replaced |= out
        elif kind == "void":
            self.take(e, None, 3)
        sale and kind in ("slots", "replace") and sale["held"].update(slots)
        self.before = kind if e["seq"] >= self.start else None
