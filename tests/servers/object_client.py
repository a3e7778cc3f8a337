"""What a test does behind the program's back in stores that are not folders: requests that are
signed by nothing but what the documents say."""
import base64
import datetime
import email.utils
import hashlib
import hmac
import http.client
import urllib.parse
import xml.etree.ElementTree


def texts(xml_bytes, name):
    """Of all elements of that name, whatever their namespace."""
    return [node.text or "" for node in xml.etree.ElementTree.fromstring(xml_bytes).iter()
            if node.tag.split("}")[-1] == name]


def ask(port, method, target, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, target, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status >= 300:
        raise OSError(f"{method} {target}: {answer.status} {content[:500]}")
    return content


class S3:
    """docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html"""

    def __init__(self, port, bucket, login):
        self.port, self.bucket, self.login = port, bucket, login

    def call(self, method, key="", query=(), **headers):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        empty = hashlib.sha256(b"").hexdigest()
        headers = {"host": f"127.0.0.1:{self.port}", "x-amz-content-sha256": empty,
                   "x-amz-date": now, **{name.replace("_", "-"): value
                                         for name, value in headers.items()}}
        path = urllib.parse.quote(f"/{self.bucket}" + (f"/{key}" if key else ""), safe="/-_.~")
        asked = urllib.parse.urlencode(sorted(query), quote_via=urllib.parse.quote, safe="-_.~")
        names = ";".join(sorted(headers))
        canonical = "\n".join([method, path, asked, *(f"{name}:{headers[name]}"
                                                      for name in sorted(headers)), "", names,
                               empty])
        scope = f"{now[:8]}/{self.login['AWS_REGION']}/s3/aws4_request"
        signed = "\n".join(["AWS4-HMAC-SHA256", now, scope,
                            hashlib.sha256(canonical.encode()).hexdigest()])
        key_bytes = f"AWS4{self.login['AWS_SECRET_ACCESS_KEY']}".encode()
        for part in (*scope.split("/"), signed):
            key_bytes = hmac.new(key_bytes, part.encode(), hashlib.sha256).digest()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.login['AWS_ACCESS_KEY_ID']}/{scope}, "
            f"SignedHeaders={names}, Signature={key_bytes.hex()}")
        del headers["host"]
        return ask(self.port, method, path + (f"?{asked}" if asked else ""), headers)

    def list(self, prefix):
        """Keys and sizes of a page."""
        page = self.call("GET", query=[("list-type", "2"), ("prefix", prefix)])
        return dict(zip(texts(page, "Key"), map(int, texts(page, "Size"))))

    def uploads(self, prefix):
        """Keys of uploads in parts that nobody has ended."""
        return texts(self.call("GET", query=[("prefix", prefix), ("uploads", "")]), "Key")

    def remove(self, key):
        self.call("DELETE", key)


class Azure:
    """learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""

    def __init__(self, port, account, container, key):
        self.port, self.account, self.container = port, account, container
        self.key = base64.b64decode(key)

    def call(self, method, name="", query=()):
        headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        path = urllib.parse.quote(f"/{self.account}/{self.container}" + (f"/{name}" if name else
                                                                         ""))
        signed = "\n".join([method, *[""] * 11, *(f"{name}:{value}"
                                                  for name, value in headers.items()),
                            f"/{self.account}{path}",
                            *(f"{name}:{value}" for name, value in sorted(query))])
        mac = hmac.new(self.key, signed.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {self.account}:{base64.b64encode(mac).decode()}"
        asked = urllib.parse.urlencode(query)
        return ask(self.port, method, path + (f"?{asked}" if asked else ""), headers)

    def list(self, prefix):
        page = self.call("GET", query=[("restype", "container"), ("comp", "list"),
                                       ("prefix", prefix)])
        return dict(zip(texts(page, "Name"), map(int, texts(page, "Content-Length"))))

    def remove(self, name):
        self.call("DELETE", name)
