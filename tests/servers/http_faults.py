#!/usr/bin/python3
"""Stands before a server on loopback, and makes go wrong what a test wishes.

    http_faults.py --to PORT

Prints "ready PORT". POST /_fault {"do": WHAT, "times": N, "skip": N, "method": M, "path": PART} for
the next requests: "500", "503", "507" and other numbers (an answer of that status, nothing done),
"lose" (does it and closes the connection), "drop" (closes it before), "cut" (half of the answer's
body), "short" (an answer that is shorter than was asked for, and says so), "elsewhere" (sends to
another host). GET /_log has "METHOD path" of all requests.
"""
import argparse
import http.client
import http.server
import json
import pathlib
import socket
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import loopback  # noqa: E402

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Faults:
    def __init__(self, target):
        self.target, self.lock, self.log, self.wishes = target, threading.Lock(), [], []

    def of(self, method, path):
        with self.lock:
            self.log.append(f"{method} {path}")
            for wish in self.wishes:
                if wish.get("method", method) != method or wish.get("path", "") not in path:
                    continue
                if wish.get("skip", 0) > 0:
                    wish["skip"] -= 1
                elif wish.setdefault("times", 1) > 0:
                    wish["times"] -= 1
                    return wish["do"]
        return None


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    faults = None

    def log_message(self, *_):
        pass

    def hang_up(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def answer(self, status, content=b"", headers=(), sent=None, length=None):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if sent is None else content[:sent])
            self.wfile.flush()

    def forwarded(self, body):
        headers = {name: value for name, value in self.headers.items()
                   if name.lower() not in HOP_BY_HOP}
        host = f"127.0.0.1:{self.faults.target}"
        if "Destination" in headers:
            headers["Destination"] = headers["Destination"].replace(self.headers["Host"], host)
        behind = http.client.HTTPConnection(host, timeout=60)
        behind.request(self.command, self.path, body, headers)
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        kept = [(name, value) for name, value in answer.getheaders()
                if name.lower() not in HOP_BY_HOP]
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        return answer.status, content, kept, length

    def do_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/_fault":
            with self.faults.lock:
                self.faults.wishes.append(json.loads(body))
            self.answer(200)
            return
        if self.path == "/_log":
            with self.faults.lock:
                log = json.dumps(self.faults.log).encode()
            self.answer(200, log)
            return
        fault = self.faults.of(self.command, self.path)
        if fault == "drop":
            self.hang_up()
        elif fault == "elsewhere":
            self.answer(307, b"", [("Location", "http://other.example/dav/")])
        elif fault and fault.isdigit():
            self.answer(int(fault), b"no")
        else:
            self.pass_on(fault, body)

    def pass_on(self, fault, body):
        status, content, headers, length = self.forwarded(body)
        if fault == "lose":
            self.hang_up()
        elif fault == "cut":
            self.answer(status, content, headers, sent=len(content) // 2)
            self.hang_up()
        else:
            whole = len(content) // 2 if fault == "short" else len(content)
            self.answer(status, content[:whole], headers, length=length)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.do_any
        raise AttributeError(name)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=int, required=True)
    Answers.faults = Faults(parser.parse_args().to)
    server = Server(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    loopback.ready(server.server_address[1])


if __name__ == "__main__":
    main()
