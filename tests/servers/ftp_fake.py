#!/usr/bin/python3
"""A small FTP server on loopback that goes wrong as a test wishes; what it has lies in a folder.

    ftp_fake.py FOLDER [--no-mlsd]

Prints "ready PORT". User backup, password test. SITE FAULT COMMAND WHAT [SKIP] makes the next
COMMAND go wrong: a number (that answer, nothing done), "drop" (closes the connection before),
"lose" (does it, and closes the connection), "cut N" (the data connection ends after N bytes, and
the other one too), "short N" (it ends after N bytes, and the answer is 226), "slow N" (cut, and
the file grows by what was on its way when it is looked at). SITE LOG answers with all commands.
"""
import argparse
import os
import pathlib
import socket
import socketserver
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import loopback  # noqa: E402


class Gone(Exception):
    pass


class State:
    lock = threading.Lock()
    faults, log, growing = [], [], {}
    folder, mlsd = None, True


def moment(status):
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(status.st_mtime))


def facts(path, name):
    status = os.stat(path)
    if os.path.isdir(path):
        return f"type=dir;modify={moment(status)}; {name}"
    return f"type=file;size={status.st_size};modify={moment(status)}; {name}"


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        self.passive, self.offset, self.source, self.user = None, 0, None, False
        self.silent = False
        try:
            self.say(220, "fake")
            while True:
                line = self.rfile.readline()
                if not line.endswith(b"\r\n"):
                    return
                command, _, argument = line[:-2].decode().partition(" ")
                self.obey(command.upper(), argument)
        except (Gone, OSError):
            pass
        finally:
            if self.passive:
                self.passive.close()

    def say(self, code, text):
        # Of an answer that is lost only the beginning is said, so that nobody waits for it.
        if not self.silent or code == 150:
            self.wfile.write(f"{code} {text}\r\n".encode())

    def hang_up(self):
        raise Gone

    def path(self, argument):
        return State.folder + argument

    def fault_of(self, command):
        with State.lock:
            if command != "SITE":
                State.log.append(command)
            for fault in State.faults:
                if fault["command"] != command:
                    continue
                if fault["skip"] == 0:
                    State.faults.remove(fault)
                    return fault["what"]
                fault["skip"] -= 1
        return None

    def obey(self, command, argument):
        fault = self.fault_of(command)
        if fault and fault.isdigit():
            self.say(int(fault), "as was wished")
            return
        if fault == "drop":
            self.hang_up()
        if not self.user and command not in ("USER", "PASS", "QUIT", "FEAT"):
            self.say(530, "log in first")
            return
        method = getattr(self, "do_" + command.lower(), None)
        if method is None:
            self.say(502, "unknown")
            return
        self.silent = fault == "lose"
        try:
            if command in ("STOR", "APPE", "RETR", "MLSD", "NLST"):
                method(argument, fault)
            else:
                method(argument)
        except OSError as error:
            self.say(550, error.strerror or "no")
        if fault == "lose":
            self.hang_up()

    # ---- the connection
    def do_user(self, argument):
        self.name = argument
        self.say(331, "and the word?")

    def do_pass(self, argument):
        self.user = (self.name, argument) == ("backup", "test")
        self.say(230 if self.user else 530, "so be it" if self.user else "no")

    def do_quit(self, _):
        self.say(221, "bye")
        self.hang_up()

    def do_pwd(self, _):
        self.say(257, '"/" it is')

    def do_type(self, _):
        self.say(200, "good")

    def do_rest(self, argument):
        self.offset = int(argument)
        self.say(350, "from there")

    def do_feat(self, _):
        more = " MLST size*;modify*;type*;\r\n" if State.mlsd else ""
        if not self.silent:
            self.wfile.write(f"211-Features:\r\n{more} REST STREAM\r\n211 End\r\n".encode())

    def do_site(self, argument):
        verb, *words = argument.split(" ")
        with State.lock:
            if verb == "FAULT":
                command, what, *skip = words
                State.faults.append({"command": command, "what": what.replace("_", " "),
                                     "skip": int(skip[0]) if skip else 0})
            text = " ".join(State.log)
        self.say(200, text)

    # ---- data
    def do_epsv(self, _):
        self.passive = socket.create_server(("127.0.0.1", 0))
        self.say(229, f"({'|' * 3}{self.passive.getsockname()[1]}|)")

    def data(self):
        self.say(150, "here it comes")
        connection, _ = self.passive.accept()
        self.passive.close()
        return connection

    def send(self, content, fault):
        kind, _, number = (fault or "").partition(" ")
        with self.data() as connection:
            connection.sendall(content[:int(number)] if number else content)
        if kind == "cut":
            self.hang_up()
        self.say(226, "that was it")

    def receive(self, path, mode, fault):
        kind, _, number = (fault or "").partition(" ")
        room = int(number) if number else None
        with open(path, mode) as file, self.data() as connection:
            while room is None or room > 0:
                piece = connection.recv(65536 if room is None else min(room, 65536))
                if not piece:
                    break
                file.write(piece)
                room = None if room is None else room - len(piece)
            late = connection.recv(65536, socket.MSG_WAITALL) if kind == "slow" else b""
            if kind == "short":
                while connection.recv(65536):
                    pass
        if kind == "slow":
            State.growing[path] = late
        if kind in ("cut", "slow"):
            self.hang_up()
        self.say(226, "have it")

    def do_retr(self, argument, fault):
        with open(self.path(argument), "rb") as file:
            content = file.read()
        offset, self.offset = self.offset, 0
        if offset > len(content):
            self.say(554, "beyond the end")
            return
        self.send(content[offset:], fault)

    def do_stor(self, argument, fault):
        self.receive(self.path(argument), "wb", fault)

    def do_appe(self, argument, fault):
        path = self.path(argument)
        late = State.growing.pop(path, b"")
        with open(path, "ab") as file:
            file.write(late)
        self.receive(path, "ab", fault)

    def do_mlsd(self, argument, fault):
        if not State.mlsd:
            self.say(500, "unknown")
            return
        folder = self.path(argument)
        names = sorted(os.listdir(folder))
        text = "".join(facts(os.path.join(folder, name), name) + "\r\n" for name in names)
        self.send(text.encode(), fault)

    def do_nlst(self, argument, fault):
        names = [".", "..", *os.listdir(self.path(argument.removeprefix("-a").strip()))]
        self.send("".join(name + "\r\n" for name in names).encode(), fault)

    # ---- files
    def do_mlst(self, argument):
        line = facts(self.path(argument), argument)
        if not self.silent:
            self.wfile.write(f"250-Facts\r\n {line}\r\n250 End\r\n".encode())

    def do_size(self, argument):
        if os.path.isdir(self.path(argument)):
            raise IsADirectoryError(21, "a folder")
        self.say(213, str(os.stat(self.path(argument)).st_size))

    def do_mdtm(self, argument):
        self.say(213, moment(os.stat(self.path(argument))))

    def do_cwd(self, argument):
        os.listdir(self.path(argument))
        self.say(250, "there")

    def do_mkd(self, argument):
        os.mkdir(self.path(argument))
        self.say(257, "made")

    def do_dele(self, argument):
        os.unlink(self.path(argument))
        self.say(250, "gone")

    def do_rnfr(self, argument):
        os.stat(self.path(argument))
        self.source = self.path(argument)
        self.say(350, "and to?")

    def do_rnto(self, argument):
        if self.source is None:
            self.say(503, "RNFR first")
            return
        os.rename(self.source, self.path(argument))
        self.say(250, "renamed")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--no-mlsd", action="store_true")
    arguments = parser.parse_args()
    State.folder, State.mlsd = arguments.folder, not arguments.no_mlsd
    server = Server(("127.0.0.1", 0), Session)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    loopback.ready(server.server_address[1])


if __name__ == "__main__":
    main()
