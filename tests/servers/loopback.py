"""What the servers of tests have alike: they listen on 127.0.0.1 alone, say "ready PORT", and end
with the test that started them."""
import datetime
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import time
import warnings


def ready(port):
    """Says so, and returns when nobody needs the server any more."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    parent = os.getppid()
    print(f"ready {port}", flush=True)
    while os.getppid() == parent:
        signal.sigtimedwait([], 0.5)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def private_file(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(text)


def hashed(word):
    """As a file of users has it."""
    with warnings.catch_warnings():
        # The module goes with Python 3.13, and this is for Debian 12.
        warnings.simplefilter("ignore")
        import crypt
    # The quickest: each connection begins with it.
    return crypt.crypt(word, crypt.METHOD_MD5)


def answers(port, greeting=b""):
    """Whether somebody takes connections there, and says at once what the server says first."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(len(greeting)) == greeting if greeting else True
    except OSError:
        return False


def started(command, port, greeting=b"", **options):
    """The program, which leads a group of its own, when it answers; None when it ends before."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              start_new_session=True, **options)
    while server.poll() is None:
        if answers(port, greeting):
            return server
        time.sleep(0.02)
    return None


def serve(name, start, port=None):
    """Runs what start(PORT) starts until nobody needs it, on a port that is free unless one is
    given, and returns the exit code. start() returns None where the server does not come up."""
    for _ in range(1 if port else 20):
        # Somebody else may take the port in between.
        chosen = port or free_port()
        server = start(chosen)
        if server:
            run_until_nobody_needs(server, chosen)
            return 0
    print(f"missing {name}: it does not start", flush=True)
    return 1


def run_until_nobody_needs(server, port):
    """Says that the program `server`, which leads a group of its own, is ready, and ends it with
    all its children when the test is over."""
    ended = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.append(True))
    parent = os.getppid()
    print(f"ready {port}", flush=True)
    while not ended and os.getppid() == parent and server.poll() is None:
        time.sleep(0.05)
    try:
        os.killpg(server.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    server.wait()


def tls_context(folder):
    """A server's context whose authority is in folder/ca.crt, for 127.0.0.1 and localhost."""
    # Here, because most servers do without and these take a while to load.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name_of(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def certificate(subject, key, issuer_key, extensions):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(name_of(subject))
                   .issuer_name(name_of("test authority")).public_key(key.public_key())
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=2)))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(issuer_key, hashes.SHA256())

    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = certificate("test authority", authority_key, authority_key,
                            [(x509.BasicConstraints(ca=True, path_length=None), True)])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server = certificate("localhost", key, authority_key,
                         [(x509.SubjectAlternativeName(names), False),
                          (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)])
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(authority.public_bytes(pem))
    (folder / "server.crt").write_bytes(server.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    with open(os.open(folder / "server.key", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
              "wb") as file:
        file.write(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context
