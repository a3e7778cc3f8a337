#!/usr/bin/python3
"""An HTTP server on loopback that answers what a test asks for in the path, well or badly.

    http_fake.py [--tls FOLDER]

Prints "ready PORT" when it answers. With --tls it makes an authority and a certificate of its own
in FOLDER (ca.crt) and speaks TLS. Ends with the process that started it, or on SIGTERM.

/echo gives back the body; /status/N, /bytes/N, /header/NAME; /cut/N promises N bytes and sends
half; /redirect leads elsewhere; /silent never answers; /once closes the connection after its
answer without saying so; /close closes it without an answer, and /closed says how often it did;
/refuse/N reads N bytes of the body and answers 403; /connections says how many there were.
"""
import http.server
import pathlib
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import loopback  # noqa: E402


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    connections = closed = 0
    timeout = 60
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        Answers.connections += 1

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        self.close_silently = False
        super().handle_one_request()
        if self.close_silently:
            self.close_connection = True

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status, content=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
            self.wfile.flush()

    def hang_up(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def do_any(self):
        verb, _, argument = self.path.strip("/").partition("/")
        if verb == "refuse":
            self.rfile.read(int(argument))
            self.close_connection = True
            self.answer(403, b"no", [("Connection", "close")])
            return
        body = self.body()
        if verb == "echo":
            self.answer(200, body)
        elif verb == "status":
            self.answer(int(argument), b"said why", [("X-Why", "  asked for ")])
        elif verb == "bytes":
            self.answer(200, (bytes(range(251)) * (int(argument) // 251 + 1))[:int(argument)])
        elif verb == "header":
            self.answer(200, (self.headers.get(argument) or "").encode())
        elif verb == "cut":
            self.send_response(200)
            self.send_header("Content-Length", argument)
            self.end_headers()
            self.wfile.write(bytes(int(argument) // 2))
            self.wfile.flush()
            self.hang_up()
        elif verb == "redirect":
            self.answer(302, b"", [("Location", "/echo")])
        elif verb == "silent":
            time.sleep(60)
        elif verb == "once":
            self.close_silently = True
            self.answer(200, body)
        elif verb == "close":
            Answers.closed += 1
            self.hang_up()
        elif verb == "closed":
            self.answer(200, str(Answers.closed).encode())
        elif verb == "connections":
            self.answer(200, str(Answers.connections).encode())
        else:
            self.answer(404)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def main():
    server = Server(("127.0.0.1", 0), Answers)
    if "--tls" in sys.argv:
        folder = pathlib.Path(sys.argv[sys.argv.index("--tls") + 1])
        context = loopback.tls_context(folder)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    loopback.ready(server.server_address[1])


if __name__ == "__main__":
    main()
