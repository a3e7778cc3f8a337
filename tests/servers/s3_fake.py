#!/usr/bin/python3
"""A small, strict S3 store on loopback, in memory, for tests.

    s3_fake.py [--tls FOLDER] [--quirk NAME]...

Prints "ready PORT". Access key AKTEST, secret SKTEST, region test-1, or credentials that its own
endpoints gave out. Every signature and every hash of a body is checked; parts are at least 64 KiB.

Quirks: ignore-conditions (as old stores), no-conditions (501), ignore-complete (the condition on
the completion is ignored), racy-conditions (four who create a probe all win), no-lock (no object
lock), swift (no-conditions, no-lock, its header and its rounding of times), ceph (its header, and
times of locks in 32 bits), lying-lock (says 200 to a retention and keeps none), small-pages (10
keys or 2 parts a page), no-range, storm (a third of all requests go wrong when they come
first).

POST /_fault {"times": N, "skip": N, "method": M, "key": PART, "do": WHAT} makes the next requests
go wrong: "500", "503", "slow-down", "lose" (does it, and closes the connection), "drop" (closes it
before), "cut" (half of an answer's body), "elsewhere" (307), "expired", "damage" (400 BadDigest),
"... in words" (a 503 whose message says this). POST /_set changes
{"clock": SECONDS, "region": R, "page": N}; GET /_log has "METHOD path" of all calls.
Also: /latest/... of a machine (version 2), /container, /sts.
"""
import base64
import datetime
import hashlib
import hmac
import http.server
import json
import pathlib
import re
import socket
import sys
import threading
import time
import urllib.parse
import uuid
import zlib
from xml.sax.saxutils import escape

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import loopback  # noqa: E402

PART_MIN = 64 * 1024
ISO = "%Y-%m-%dT%H:%M:%S"


class Refusal(Exception):
    def __init__(self, status, code, message="", **more):
        super().__init__(code)
        self.status, self.code, self.message, self.more = status, code, message, more


class Store:
    """Everything that the server knows. One lock, because requests are small."""

    def __init__(self, quirks):
        self.lock = threading.RLock()
        self.quirks = set(quirks)
        if "swift" in self.quirks:
            self.quirks |= {"no-conditions", "no-lock"}
        self.buckets, self.uploads, self.log, self.faults = {}, {}, [], []
        self.racers, self.stormed = 0, set()
        self.keys = {"AKTEST": ("SKTEST", None)}
        self.clock, self.region = 0, "test-1"
        self.page = 10 if "small-pages" in self.quirks else 1000

    def now(self):
        return time.time() + self.clock

    def has(self, quirk):
        return quirk in self.quirks

    def new_credentials(self, seconds=3600):
        access, secret, token = f"AK{uuid.uuid4().hex[:12]}", uuid.uuid4().hex, uuid.uuid4().hex
        self.keys[access] = (secret, token)
        until = datetime.datetime.utcfromtimestamp(time.time() + seconds).strftime(ISO) + "Z"
        return access, secret, token, until

    def storm_over(self, method, path):
        """The first time that a third of all requests come, they go wrong in one way or another."""
        request = f"{method} {path}"
        if not self.has("storm") or "/probe-" in path or request in self.stormed:
            return None
        self.stormed.add(request)
        # Only what was sent can be damaged.
        ways = ("500", "503", "slow-down", "drop", "lose", "cut",
                "damage" if method in ("PUT", "POST") else "503")
        drawn = zlib.crc32(request.encode())
        return ways[drawn // 3 % len(ways)] if drawn % 3 == 0 else None

    def fault_of(self, method, path):
        for fault in self.faults:
            if fault.get("method", method) != method or fault.get("key", "") not in path:
                continue
            if fault.get("skip", 0) > 0:
                fault["skip"] -= 1
                continue
            if fault.get("times", 1) > 0:
                fault["times"] = fault.get("times", 1) - 1
                return fault["do"]
        return None


def iso(moment):
    return datetime.datetime.utcfromtimestamp(moment).strftime(ISO) + ".000Z"


def quoted(text):
    return urllib.parse.quote(text, safe="-_.~")


def hmac256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Fake", ""
    disable_nagle_algorithm = True
    timeout = 60
    store = None

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(self.store.now() if timestamp is None else timestamp)

    # ---- answers
    def answer(self, status, content=b"", headers=(), cut=False):
        content = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        if self.store.has("swift"):
            self.send_header("X-Openstack-Request-Id", "tx1")
        if self.store.has("ceph"):
            self.send_header("x-amz-request-id", "tx01")
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            self.send_header(name, value)
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:len(content) // 2] if cut else content)
            self.wfile.flush()
        if cut:
            self.hang_up()

    def refuse(self, refusal):
        more = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in refusal.more.items())
        headers = [("x-amz-bucket-region", refusal.more["Region"])] if "Region" in refusal.more \
            else []
        text = (f'<?xml version="1.0"?><Error><Code>{refusal.code}</Code><Message>'
                f"{escape(refusal.message)}</Message>{more}</Error>")
        self.answer(refusal.status, text, headers)

    def hang_up(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    # ---- what comes in
    def do_any(self):
        parts = urllib.parse.urlsplit(self.path)
        self.raw_path = parts.path
        self.query = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
        self.parameters = dict(self.query)
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        if len(self.body) != length:
            return self.hang_up()
        if self.raw_path.startswith("/_"):
            return self.control()
        if self.raw_path.startswith(("/latest/", "/container", "/sts")):
            return self.metadata()
        with self.store.lock:
            self.store.log.append(f"{self.command} {self.path}")
            fault = self.store.fault_of(self.command, self.path) or \
                self.store.storm_over(self.command, self.path)
        if fault == "drop":
            return self.hang_up()
        if fault == "lose":
            self.answer = lambda *_, **__: None
        try:
            self.wrong_on_purpose(fault)
            self.check_signature()
            with self.store.lock:
                result = self.perform()
            if result is not None:
                self.answer(*result, cut=fault == "cut")
        except Refusal as refusal:
            self.refuse(refusal)
        if fault == "lose":
            self.hang_up()
        return None

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any

    def wrong_on_purpose(self, fault):
        said = {"500": (500, "InternalError"), "503": (503, "ServiceUnavailable"),
                "slow-down": (503, "SlowDown"), "expired": (400, "ExpiredToken"),
                "damage": (400, "BadDigest"), "denied": (403, "AccessDenied"),
                "full": (403, "QuotaExceeded")}.get(fault)
        if said:
            raise Refusal(*said, "as the test wishes")
        if fault == "elsewhere":
            raise Refusal(307, "TemporaryRedirect", "go there", Endpoint="elsewhere.example")
        if fault and fault.endswith(" in words"):
            raise Refusal(503, "ServiceUnavailable", fault)

    def control(self):
        with self.store.lock:
            if self.raw_path == "/_log":
                return self.answer(200, json.dumps(self.store.log))
            wish = json.loads(self.body)
            if self.raw_path == "/_fault":
                self.store.faults.append(wish)
            for name in ("clock", "region", "page"):
                if self.raw_path == "/_set" and name in wish:
                    setattr(self.store, name, wish[name])
        return self.answer(200)

    def metadata(self):
        """Credentials for who asks as the documents say."""
        path, header = self.raw_path, self.headers.get
        seconds = int(self.parameters.get("seconds", 3600))
        with self.store.lock:
            self.store.log.append(f"{self.command} {path}")
            access, secret, token, until = self.store.new_credentials(seconds)
        keys = json.dumps({"Code": "Success", "AccessKeyId": access, "SecretAccessKey": secret,
                           "Token": token, "Expiration": until, "More": {"a": [1, None]}})
        if path == "/latest/api/token":
            good = self.command == "PUT" and header("X-aws-ec2-metadata-token-ttl-seconds")
            return self.answer(200, "TOKEN") if good else self.answer(400)
        if path.startswith("/latest/") and header("X-aws-ec2-metadata-token") != "TOKEN":
            return self.answer(401)
        if path == "/latest/meta-data/iam/security-credentials/":
            return self.answer(200, "the-role")
        if path == "/latest/meta-data/iam/security-credentials/the-role":
            return self.answer(200, keys)
        if path == "/container":
            good = header("Authorization") in ("container token", None)
            return self.answer(200, keys) if good else self.answer(401)
        form = dict(urllib.parse.parse_qsl(self.body.decode()))
        if path.startswith("/sts") and self.may_take_role(form):
            action = form["Action"]
            return self.answer(200, f"""<{action}Response xmlns="urn:x">
                <{action}Result><Credentials><AccessKeyId>{access}</AccessKeyId>
                <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>
                <Expiration>{until}</Expiration></Credentials></{action}Result>
                </{action}Response>""")
        return self.answer(403, "<ErrorResponse><Error><Code>InvalidIdentityToken</Code>"
                                "<Message>not you</Message></Error></ErrorResponse>")

    def may_take_role(self, form):
        if form.get("Version") != "2011-06-15" or not form.get("RoleSessionName"):
            return False
        if form.get("Action") == "AssumeRoleWithWebIdentity":
            return form.get("WebIdentityToken") == "web token"
        if form.get("Action") != "AssumeRole" or not 900 <= int(form.get("DurationSeconds", 900)):
            return False
        if form.get("RoleArn", "").endswith("/guarded") and form.get("ExternalId") != "ours":
            return False
        try:
            self.check_signature("sts")
        except Refusal:
            return False
        return True

    def check_signature(self, service="s3"):
        """docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, to the letter."""
        match = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([a-z0-9]+)/aws4_request, "
            r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
            self.headers.get("Authorization") or "")
        if not match:
            raise Refusal(403, "AccessDenied", "no signature")
        access, day, region, named, names, signature = match.groups()
        if named != service:
            raise Refusal(403, "SignatureDoesNotMatch", "of another service")
        if access not in self.store.keys:
            raise Refusal(403, "InvalidAccessKeyId", "nobody has this key")
        secret, token = self.store.keys[access]
        if token != self.headers.get("x-amz-security-token"):
            raise Refusal(400, "InvalidToken", "another token")
        signed = names.split(";")
        needed = {"host"} | {name.lower() for name in self.headers if
                             name.lower().startswith("x-amz-")}
        if signed != sorted(signed) or not needed <= set(signed):
            raise Refusal(403, "AccessDenied", "headers that must be signed are not")
        date = self.headers.get("x-amz-date", "")
        payload = self.headers.get("x-amz-content-sha256", "") if service == "s3" else \
            hashlib.sha256(self.body).hexdigest()
        canonical = "\n".join([
            self.command, self.raw_path,
            "&".join(f"{quoted(name)}={quoted(value)}" for name, value in sorted(self.query)),
            *(f"{name}:{' '.join((self.headers.get(name) or '').split())}" for name in signed),
            "", names, payload])
        scope = f"{day}/{region}/{service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", date, scope,
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{secret}".encode()
        for part in (day, region, service, "aws4_request"):
            key = hmac256(key, part)
        if hmac256(key, text).hex() != signature or not date.startswith(day):
            raise Refusal(403, "SignatureDoesNotMatch", "the signature is another")
        sent = datetime.datetime.strptime(date + "+0000", "%Y%m%dT%H%M%SZ%z").timestamp()
        if abs(sent - self.store.now()) > 900:
            raise Refusal(403, "RequestTimeTooSkewed", "your clock is wrong")
        if region != self.store.region and service == "s3":
            raise Refusal(400, "AuthorizationHeaderMalformed", "another region",
                          Region=self.store.region)
        if hashlib.sha256(self.body).hexdigest() != payload:
            raise Refusal(400, "XAmzContentSHA256Mismatch", "the body is another")
        checksum = self.headers.get("x-amz-checksum-sha256")
        if checksum and base64.b64decode(checksum) != hashlib.sha256(self.body).digest():
            raise Refusal(400, "BadDigest", "the checksum is another")
        md5 = self.headers.get("Content-MD5")
        if md5 and base64.b64decode(md5) != hashlib.md5(self.body).digest():
            raise Refusal(400, "BadDigest", "the MD5 is another")

    def perform(self):
        import s3_objects
        bucket, _, key = urllib.parse.unquote(self.raw_path).lstrip("/").partition("/")
        return s3_objects.perform(self, self.store, bucket, key)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


def main():
    words = sys.argv[1:]
    quirks = [words[i + 1] for i, word in enumerate(words) if word == "--quirk"]
    # The request handler and s3_objects share the names of this module.
    sys.modules["s3_fake"] = sys.modules["__main__"]
    Answers.store = Store(quirks)
    server = Server(("127.0.0.1", 0), Answers)
    if "--tls" in words:
        context = loopback.tls_context(pathlib.Path(words[words.index("--tls") + 1]))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    loopback.ready(server.server_address[1])


if __name__ == "__main__":
    main()
