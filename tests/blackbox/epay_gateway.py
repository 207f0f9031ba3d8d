#!/usr/bin/env python3
"""An epay V1 (易支付) gateway for tests, written from the providers' wire formats alone (payments page, section 1).

It behaves as real ones do: it signs over raw values, prints money as PHP prints a float ("1", "0.1", "19.9"), sends a
GET notice and reads `success` anywhere in the body. `mapi` says how `mapi.php` answers. Time is the test's: a notice that was refused waits in `unanswered`
until the test calls `retry()`; a real gateway would come back at once, then after 1 min, 3 min, 20 min, 1 h and 2 h.

Standard library only. It never decides whether the shop is right: it sends and records.
"""
import gzip, hashlib, html, http.client, http.server, json, re, secrets, ssl, threading, urllib.parse
from collections import namedtuple
from decimal import Decimal

Answer = namedtuple("Answer", "status body headers")
SUBMIT_FIELDS = ("pid", "out_trade_no", "notify_url", "return_url", "name", "money", "sign")


def sign_text(params):
    """The text under the signature, without the key: non-empty, sorted by bytes, raw values."""
    kept = [(k, v) for k, v in params.items() if k not in ("sign", "sign_type") and v.strip() != ""]
    return "&".join(f"{k}={v}" for k, v in sorted(kept, key=lambda kv: kv[0].encode()))


def sign(params, key):
    return hashlib.md5((sign_text(params) + key).encode()).hexdigest()


def php_money(text):
    """What PHP prints for (float) of it."""
    return format(Decimal(text).normalize(), "f")


def check_vectors():
    key = "89unJUB8HZ54Hj7x4nUj56HN4nUzUJ8i"
    submit = dict(pid="1001", type="alipay", out_trade_no="20160806151343349", notify_url="http://127.0.0.1:8080/n",
                  return_url="http://127.0.0.1:8080/r", name="VIP会员", money="1.00", sign_type="MD5", param="")
    notice = dict(pid="1001", trade_no="2016080622555342651", out_trade_no="20160806151343349", type="alipay",
                  name="VIP会员", money="1", trade_status="TRADE_SUCCESS", sign_type="MD5")
    assert sign(submit, key) == "035aea469f949b4fa5966be2e13dfa29"
    assert sign(notice, key) == "88efc7e7a064a2921e200a02847b7a09"
    assert [php_money(m) for m in ("1.00", "0.10", "19.90", "100.00")] == ["1", "0.1", "19.9", "100"]


check_vectors()


class Order:
    def __init__(self, params, trade_no):
        self.params, self.trade_no, self.paid, self.money = params, trade_no, False, params["money"]
        self.answers = []  # of every notice, in order


class Pool(dict):
    """The kept-alive connections of one thread; they end with it."""

    def __del__(self):
        for connection in self.values():
            connection.close()


class Gateway:
    """`with Gateway() as gateway:` serves on 127.0.0.1; `gateway.connect_to = (host, port)` is where the shop listens,
    whatever host its notify_url names (as a name server would say)."""

    def __init__(self, pid="1001", key=None, type="alipay"):
        self.pid, self.key, self.type = pid, key or secrets.token_hex(16), type
        self.orders, self.unanswered, self.refused = {}, [], []
        self.mapi, self.qrcode, self.mapi_calls, self.released = "qrcode", None, [], threading.Event()
        self.connect_to, self.lock, self.local, self.count = None, threading.Lock(), threading.local(), 0
        self.context = ssl._create_unverified_context()
        gateway = self
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type_handler(gateway))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # What the shop and the buyer see ---------------------------------------------------------------------------
    def submit(self, params):
        """An order arrives, signed by the shop; a real gateway answers anything wrong with a page of words."""
        missing = [f for f in SUBMIT_FIELDS if not params.get(f)]
        if missing:
            return self.refuse(f"missing {missing}")
        if params["pid"] != self.pid or params["sign"] != sign(params, self.key) or params.get("sign_type") != "MD5":
            return self.refuse("wrong pid, sign or sign_type")
        if not re.fullmatch(r"[a-zA-Z0-9._\-|]+", params["out_trade_no"]):
            return self.refuse("out_trade_no")
        if not re.fullmatch(r"[0-9]+(\.[0-9]{1,2})?", params["money"]) or Decimal(params["money"]) <= 0:
            return self.refuse("money")
        with self.lock:
            known = self.orders.get(params["out_trade_no"])
            if known is None:
                self.count += 1
                known = Order(params, f"2026112100{self.count:09}")
                self.orders[params["out_trade_no"]] = known
        return known

    def refuse(self, why):
        self.refused.append(why)
        return None

    def open(self, url):
        """The buyer's browser follows the shop's redirect; in-process, for speed. The order's number, or an error."""
        parts = urllib.parse.urlsplit(url)
        assert url.startswith(self.url) and parts.path == "/submit.php", "not a redirect to this gateway's submit.php"
        pairs = urllib.parse.parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
        assert len(pairs) == len(dict(pairs)), "a parameter twice"
        order = self.submit(dict(pairs))
        assert order, f"the gateway refuses the order: {self.refused[-1]}"
        return order.params["out_trade_no"]

    def create(self, params):
        """`mapi.php`: (status, body, content type, Location). `mapi` is what it gives: qrcode | payurl | urlscheme | html-form, each
        in plain JSON; double (the JSON again as a JSON string), error, off, broken, html, redirect, silent. `qrcode` replaces the
        text of the code."""
        self.mapi_calls.append(params)
        if self.mapi == "silent":
            self.released.wait(20)
        other = {"off": (404, "no such page", "text/html", None), "broken": (500, "Fatal error", "text/html", None),
                 "html": (200, "<html><title>404</title></html>", "text/html", None),
                 "redirect": (302, "", "text/html", self.url + "redirected")}
        if self.mapi in other:
            return other[self.mapi]
        say = lambda document: (200, json.dumps(document, ensure_ascii=False), "application/json", None)
        if self.mapi == "error":
            return say({"code": -1, "msg": "商户未开通此支付方式"})
        if not params.get("clientip"):
            return say({"code": -1, "msg": "clientip"})
        order = self.submit(params)
        if order is None:
            return say({"code": -1, "msg": self.refused[-1]})
        page = self.qrcode or f"{self.url}pay?no={order.trade_no}"
        given = {"urlscheme": {"urlscheme": "weixin://dl/business/?t=a"}, "payurl": {"payurl": page},
                 "html-form": {"html": f'<form action="{page}"></form>'}}.get(self.mapi, {"qrcode": page})
        document = {"code": 1, "trade_no": order.trade_no, **given}
        return say(json.dumps(document) if self.mapi == "double" else document)

    def query(self, params):
        order = self.orders.get(params.get("out_trade_no"))
        if params.get("pid") != self.pid or params.get("key") != self.key:
            return {"code": -3, "msg": "商户密钥错误"}
        if params.get("act") != "order" or not order:
            return {"code": -1, "msg": "no such order"}
        return {"code": 1, "msg": "ok", "trade_no": order.trade_no, "out_trade_no": order.params["out_trade_no"],
                "api_trade_no": "", "type": self.type, "pid": int(self.pid), "name": order.params["name"],
                "money": order.money, "status": int(order.paid), "param": order.params.get("param", ""), "buyer": ""}

    # What the provider sends -----------------------------------------------------------------------------------
    def notice(self, out_trade_no, /, key=None, **changes):
        """The parameters of a notice, signed after the changes unless they name `sign`; None removes one."""
        order = self.orders[out_trade_no]
        params = dict(pid=self.pid, trade_no=order.trade_no, out_trade_no=out_trade_no, type=order.params.get("type") or self.type,
                      name="product", money=php_money(order.money), trade_status="TRADE_SUCCESS")
        if order.params.get("param"):
            params["param"] = order.params["param"]
        params |= {k: v for k, v in changes.items() if v is not None}
        params = {k: v for k, v in params.items() if k not in changes or changes[k] is not None}
        params.setdefault("sign", sign(params, key or self.key))
        params.setdefault("sign_type", "MD5")
        return {k: v for k, v in params.items() if k not in changes or changes[k] is not None}

    def pay(self, out_trade_no, /, money=None, method="GET", **tamper):
        """The buyer pays, and the notice goes out; its answer. `money` is the text in the notice, if not the order's."""
        self.orders[out_trade_no].paid = True
        if money is not None:
            tamper["money"] = money
        return self.send(out_trade_no, self.notice(out_trade_no, **tamper), method)

    def pay_as_form(self, out_trade_no, /, **tamper):
        """As gateways of the epusdt family do: POST, money with four decimals, the answer not looked at."""
        return self.pay(out_trade_no, f"{Decimal(self.orders[out_trade_no].money):.4f}", "POST", **tamper)

    def send(self, out_trade_no, params, method="GET"):
        order = self.orders[out_trade_no]
        answer = self.send_raw(order.params["notify_url"], urllib.parse.urlencode(params), method)
        with self.lock:
            order.answers.append(answer)
            if "success" not in answer.body.lower():
                self.unanswered.append((out_trade_no, params, method))
        return answer

    def retry(self):
        """Every notice that was not answered with `success` goes out again, now."""
        with self.lock:
            again, self.unanswered = self.unanswered, []
        return [self.send(*notice) for notice in again]

    def send_raw(self, notify_url, query="", method="GET", body=None, headers=()):
        """Any bytes to the notify address: `query` is appended as gateways do; a POST without `body` carries it."""
        headers = dict(headers)
        parts = urllib.parse.urlsplit(notify_url)
        target = parts.path + ("?" + parts.query if parts.query else "")
        if method == "POST" and body is None:
            body, query = query.encode() if isinstance(query, str) else query, ""
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        if query:
            target += ("&" if "?" in target else "?") + query
        address = self.connect_to or (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        for attempt in (0, 1):
            connection = self.connection(parts.scheme, address)
            try:
                connection.request(method, target, body, {"Host": parts.netloc, **headers})
                response = connection.getresponse()
                return Answer(response.status, response.read().decode("utf-8", "replace"), dict(response.getheaders()))
            except (http.client.HTTPException, OSError):
                connection.close()
                self.local.pool.pop((parts.scheme, address))
                if attempt:
                    raise

    def connection(self, scheme, address):
        """One kept-alive connection for each thread and address."""
        pool = self.local.__dict__.setdefault("pool", Pool())
        if (scheme, address) not in pool:
            https = http.client.HTTPSConnection(*address, timeout=20, context=self.context)
            pool[scheme, address] = https if scheme == "https" else http.client.HTTPConnection(*address, timeout=20)
        return pool[scheme, address]


def gzipped(body):
    return gzip.compress(body.encode())


def type_handler(gateway):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            self.route({})

        def do_POST(self):
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            self.route(dict(urllib.parse.parse_qsl(raw, keep_blank_values=True)))

        def route(self, form):
            path, _, query = self.path.partition("?")
            params = dict(urllib.parse.parse_qsl(query, keep_blank_values=True)) | form
            if path == "/submit.php":
                return self.submit_page(params)
            if path == "/redirected":
                return gateway.refuse("a redirect was followed")
            if path == "/mapi.php" and self.command == "POST" and not query:
                answer = gateway.create(params)
                try:
                    return self.answer(*answer)
                except (BrokenPipeError, ConnectionResetError):
                    return None  # the shop has given up waiting
            if path == "/api.php":
                return self.answer(200, json.dumps(gateway.query(params)), "application/json")
            if path == "/pay" and self.command == "GET":
                found = [o for o in gateway.orders.values() if o.trade_no == params.get("no")]
                return self.pay_page(found[0]) if found else self.answer(404, "no such order")
            if path == "/pay" and self.command == "POST" and params.get("out_trade_no") in gateway.orders:
                return self.pay(params["out_trade_no"])
            self.answer(404, "no such page")

        def submit_page(self, params):
            order = gateway.submit(params)
            if order is None:
                return self.answer(200, f"<p>{html.escape(gateway.refused[-1])}</p>")
            self.pay_page(order)

        def pay_page(self, order):
            number = html.escape(order.params["out_trade_no"])
            self.answer(200, f'<form method="post" action="/pay"><input type="hidden" name="out_trade_no" value="{number}">'
                             f"<button>Pay {html.escape(order.money)}</button></form>")

        def pay(self, number):
            gateway.pay(number)
            target = gateway.orders[number].params["return_url"]
            query = urllib.parse.urlencode(gateway.notice(number))
            self.answer(303, "", location=target + ("&" if "?" in target else "?") + query)

        def answer(self, status, body, kind="text/html", location=None):
            raw = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind + "; charset=utf-8")
            self.send_header("Content-Length", str(len(raw)))
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(raw)

    return Handler
