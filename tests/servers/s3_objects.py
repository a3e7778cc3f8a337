"""What s3_fake.py does with buckets and objects, once it knows who asks."""
import base64
import datetime
import hashlib
import re
import uuid
import xml.etree.ElementTree
from xml.sax.saxutils import escape

from s3_fake import ISO, PART_MIN, Refusal, iso

NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class Version:
    def __init__(self, data, modified, etag=None):
        self.id, self.data, self.modified = uuid.uuid4().hex, data, modified
        self.etag = etag or hashlib.md5(data).hexdigest()
        self.retention = None  # (mode, seconds since 1970)
        self.legal_hold = None  # "ON" or "OFF"
        self.marker = data is None


class Bucket:
    def __init__(self, lock):
        self.lock = lock
        self.keys = {}  # versions, the newest last

    def current(self, key):
        versions = self.keys.get(key)
        return versions[-1] if versions and not versions[-1].marker else None

    def store(self, key, version):
        if self.lock:
            self.keys.setdefault(key, []).append(version)
        else:
            self.keys[key] = [version]


def moment(store):
    """To the second; Swift gives the one after."""
    return int(store.now()) + (1 if store.has("swift") else 0)


def perform(request, store, name, key):
    method, query = request.command, request.parameters
    if not key and method == "PUT" and not query:
        locked = request.headers.get("x-amz-bucket-object-lock-enabled") == "true"
        store.buckets.setdefault(name, Bucket(locked and not store.has("no-lock")))
        return 200, b"", [("Location", "/" + name)]
    bucket = store.buckets.get(name)
    if bucket is None:
        raise Refusal(404, "NoSuchBucket", "no such bucket")
    if not key:
        return on_bucket(store, bucket, method, query)
    if "uploads" in query or "uploadId" in query:
        return on_upload(request, store, bucket, key)
    if "retention" in query:
        return on_retention(request, store, bucket, key)
    if "legal-hold" in query:
        return on_legal_hold(request, store, bucket, key)
    verb = {"PUT": put, "GET": get, "HEAD": get, "DELETE": delete}.get(method)
    if verb is None:
        raise Refusal(405, "MethodNotAllowed")
    return verb(request, store, bucket, key)


def on_bucket(store, bucket, method, query):
    if method == "HEAD":
        return 200, b"", []
    if method != "GET":
        raise Refusal(405, "MethodNotAllowed")
    if "uploads" in query:
        return list_uploads(store, query.get("prefix", ""))
    if "versioning" in query:
        status = "<Status>Enabled</Status>" if bucket.lock else ""
        return 200, f"<VersioningConfiguration{NAMESPACE}>{status}</VersioningConfiguration>", []
    if "object-lock" in query:
        if store.has("swift"):
            return 200, f"<ObjectLockConfiguration{NAMESPACE}/>", []
        if not bucket.lock:
            raise Refusal(404, "ObjectLockConfigurationNotFoundError", "there is none")
        return 200, (f"<ObjectLockConfiguration{NAMESPACE}><ObjectLockEnabled>Enabled"
                     "</ObjectLockEnabled></ObjectLockConfiguration>"), []
    if query.get("list-type") != "2":
        raise Refusal(501, "NotImplemented", "only lists of the second version")
    keys = sorted(key for key in bucket.keys
                  if key.startswith(query.get("prefix", "")) and bucket.current(key))
    after = base64.b64decode(query.get("continuation-token", "")).decode()
    keys = [key for key in keys if key > after]
    most = min(store.page, int(query.get("max-keys", 1000)))
    text = f"<ListBucketResult{NAMESPACE}>"
    for key in keys[:most]:
        version = bucket.current(key)
        text += (f"<Contents><Key>{escape(key)}</Key><LastModified>{iso(version.modified)}"
                 f"</LastModified><ETag>&quot;{version.etag}&quot;</ETag><Size>{len(version.data)}"
                 "</Size><StorageClass>STANDARD</StorageClass></Contents>")
    more = len(keys) > most
    text += f"<IsTruncated>{str(more).lower()}</IsTruncated>"
    if more:
        token = base64.b64encode(keys[most - 1].encode()).decode()
        text += f"<NextContinuationToken>{token}</NextContinuationToken>"
    return 200, text + "</ListBucketResult>", []


def check_condition(request, store, bucket, key):
    wanted = request.headers.get("If-Match")
    if wanted is not None and not store.has("ignore-conditions"):
        if store.has("no-conditions"):
            raise Refusal(501, "NotImplemented", "no conditions")
        if bucket.current(key) is None:
            raise Refusal(404, "NoSuchKey", "it is gone", Key=key)
        if wanted != f'"{bucket.current(key).etag}"':
            raise Refusal(412, "PreconditionFailed", "it is another", Condition="If-Match")
    if request.headers.get("If-None-Match") is None or store.has("ignore-conditions"):
        return
    if store.has("no-conditions"):
        raise Refusal(501, "NotImplemented", "no conditions")
    if store.has("racy-conditions") and "/probe-" in key and store.racers < 4:
        store.racers += 1
        return
    if bucket.current(key):
        raise Refusal(412, "PreconditionFailed", "it exists", Condition="If-None-Match")


def put(request, store, bucket, key):
    check_condition(request, store, bucket, key)
    version = Version(request.body, moment(store))
    bucket.store(key, version)
    headers = [("ETag", f'"{version.etag}"')]
    if bucket.lock:
        headers.append(("x-amz-version-id", version.id))
    return 200, b"", headers


def get(request, store, bucket, key):
    version = bucket.current(key)
    if version is None:
        raise Refusal(404, "NoSuchKey", "no such key", Key=key)
    headers = [("ETag", f'"{version.etag}"'), ("Accept-Ranges", "bytes"),
               ("Last-Modified", request.date_time_string(version.modified))]
    if bucket.lock:
        headers.append(("x-amz-version-id", version.id))
    data, status = version.data, 200
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range") or "")
    if match and not store.has("no-range"):
        first, last = int(match[1]), int(match[2])
        if first >= len(data):
            raise Refusal(416, "InvalidRange", "behind the end")
        status, whole = 206, len(data)
        data = data[first:last + 1]
        headers.append(("Content-Range", f"bytes {first}-{first + len(data) - 1}/{whole}"))
    if request.command == "HEAD":
        headers.append(("Content-Length", str(len(data))))
    return status, data, headers


def delete(request, store, bucket, key):
    wanted = request.parameters.get("versionId")
    versions = bucket.keys.get(key, [])
    if not bucket.lock:
        bucket.keys.pop(key, None)
        return 204, b"", []
    if wanted is None:
        if bucket.current(key):
            versions.append(Version(None, moment(store), "marker"))
        return 204, b"", []
    for version in versions:
        if version.id != wanted:
            continue
        if version.retention and version.retention[1] > store.now():
            raise Refusal(403, "AccessDenied", "the version is locked")
        if version.legal_hold == "ON":
            raise Refusal(403, "AccessDenied", "forbidden")
        versions.remove(version)
    if not versions:
        bucket.keys.pop(key, None)
    return 204, b"", []


def on_legal_hold(request, store, bucket, key):
    version = bucket.current(key)
    if version is None:
        raise Refusal(404, "NoSuchKey", "no such key")
    if not bucket.lock:
        raise Refusal(400, "InvalidRequest", "the bucket has no lock")
    if request.command == "PUT":
        if "Content-MD5" not in request.headers:
            raise Refusal(400, "InvalidRequest", "Content-MD5 is missing")
        if not store.has("lying-lock"):
            version.legal_hold = xml.etree.ElementTree.fromstring(request.body)[0].text
        return 200, b"", []
    if version.legal_hold is None:
        raise Refusal(404, "NoSuchObjectLockConfiguration", "no legal hold")
    return 200, (f"<LegalHold{NAMESPACE}><Status>{version.legal_hold}</Status>"
                 "</LegalHold>"), []


def on_retention(request, store, bucket, key):
    version = bucket.current(key)
    if version is None:
        raise Refusal(404, "NoSuchKey", "no such key")
    if store.has("swift") and request.command == "PUT":
        bucket.store(key, Version(request.body, moment(store)))  # its trap
        return 200, b"", []
    if not bucket.lock:
        raise Refusal(400, "InvalidRequest", "the bucket has no lock")
    if request.command == "PUT":
        if "Content-MD5" not in request.headers:
            raise Refusal(400, "InvalidRequest", "Content-MD5 is missing")
        text = {node.tag.split("}")[-1]: node.text
                for node in xml.etree.ElementTree.fromstring(request.body)}
        until = datetime.datetime.strptime(text["RetainUntilDate"], ISO + "Z").replace(
            tzinfo=datetime.timezone.utc).timestamp()
        if version.retention and until < version.retention[1]:
            raise Refusal(403, "AccessDenied", "a lock is not shortened")
        if not store.has("lying-lock"):
            until = until % 2**32 if store.has("ceph") else until
            version.retention = (text["Mode"], until)
        return 200, b"", []
    if version.retention is None:
        raise Refusal(404, "NoSuchObjectLockConfiguration", "no retention")
    mode, until = version.retention
    return 200, (f"<Retention{NAMESPACE}><Mode>{mode}</Mode><RetainUntilDate>{iso(until)}"
                 "</RetainUntilDate></Retention>"), []


def on_upload(request, store, bucket, key):
    method, query = request.command, request.parameters
    if method == "POST" and "uploads" in query:
        upload = uuid.uuid4().hex
        store.uploads[upload] = (key, {}, store.now())
        return 200, (f"<InitiateMultipartUploadResult{NAMESPACE}><UploadId>{upload}</UploadId>"
                     "</InitiateMultipartUploadResult>"), []
    upload = query["uploadId"]
    if store.uploads.get(upload, (None,))[0] != key:
        raise Refusal(404, "NoSuchUpload", "no such upload")
    parts = store.uploads[upload][1]
    if method == "GET":
        return list_parts(store, parts, int(query.get("part-number-marker", 0)))
    if method == "PUT":
        etag = hashlib.md5(request.body).hexdigest()
        parts[int(query["partNumber"])] = (etag, request.body)
        return 200, b"", [("ETag", f'"{etag}"')]
    if method == "DELETE":
        del store.uploads[upload]
        return 204, b"", []
    return complete(request, store, bucket, key, upload)


def list_parts(store, parts, after):
    most = 2 if store.has("small-pages") else 1000
    numbers = sorted(number for number in parts if number > after)
    text = f"<ListPartsResult{NAMESPACE}>" + "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{parts[number][0]}&quot;</ETag>"
        f"<Size>{len(parts[number][1])}</Size></Part>" for number in numbers[:most])
    text += f"<IsTruncated>{str(len(numbers) > most).lower()}</IsTruncated>"
    if len(numbers) > most:
        text += f"<NextPartNumberMarker>{numbers[most - 1]}</NextPartNumberMarker>"
    return 200, text + "</ListPartsResult>", []


def list_uploads(store, prefix):
    listed = "".join(
        f"<Upload><Key>{escape(key)}</Key><UploadId>{upload}</UploadId><Initiated>{iso(begun)}"
        "</Initiated></Upload>" for upload, (key, _, begun) in store.uploads.items()
        if key.startswith(prefix))
    return 200, (f"<ListMultipartUploadsResult{NAMESPACE}>{listed}"
                 "<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"), []


def complete(request, store, bucket, key, upload):
    parts = store.uploads[upload][1]
    if not store.has("ignore-complete"):
        check_condition(request, store, bucket, key)
    named = []
    for node in xml.etree.ElementTree.fromstring(request.body):
        one = {child.tag.split("}")[-1]: child.text for child in node}
        named.append((int(one["PartNumber"]), one["ETag"].strip('"')))
    data = b""
    for number, etag in named:
        if number not in parts or parts[number][0] != etag:
            raise Refusal(400, "InvalidPart", "another part")
        if len(parts[number][1]) < PART_MIN and (number, etag) != named[-1]:
            raise Refusal(400, "EntityTooSmall", "a part is too small")
        data += parts[number][1]
    if named != sorted(named):
        raise Refusal(400, "InvalidPartOrder", "not in order")
    bucket.store(key, Version(data, moment(store), f"{uuid.uuid4().hex}-{len(named)}"))
    del store.uploads[upload]
    return 200, (f"<CompleteMultipartUploadResult{NAMESPACE}><Key>{escape(key)}</Key>"
                 "</CompleteMultipartUploadResult>"), []
