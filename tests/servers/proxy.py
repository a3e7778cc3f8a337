#!/usr/bin/python3
"""A TCP proxy on loopback that makes a good line a bad one, for tests of whatever speaks TCP.

    proxy.py --to PORT [--delay MS] [--rate BYTES] [--cut-after BYTES] [--cuts N]
             [--reset-share SHARE] [--hold-after BYTES] [--ftp] [--report FILE]

Each way, bytes arrive `--delay` milliseconds late (twice that makes a round trip) and at most
`--rate` bytes a second pass through over all connections. A connection is reset after `--cut-after`
bytes of both ways, and what is on its way then, about half a MiB, is lost; with `--cuts` only the
first N that come so far. With `--reset-share` each MiB that passes has that chance to reset its
connection, always by the same draws. After `--hold-after` bytes of all connections towards PORT
nothing passes any more, and nothing is closed: the moment for a test to kill one end. With `--ftp`
it stands in the way of transfers as well, by putting ports of its own into the answers to EPSV.

FILE is written over and over with the sums of all bytes and connections so far, as one JSON object:
a test that wants to know whether data was sent twice looks there.

Prints "ready PORT" when it listens, and runs until it is ended. Bytes in flight are bounded by the
bandwidth-delay product of the line, and by 8 MiB for a connection where `--rate` sets none.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import socket
import struct

CHUNK = 64 * 1024
IN_FLIGHT_MAX = 128  # chunks
LOST_AT_CUT = 2  # chunks, and as much in the system's buffers


class Line:
    """What all connections share."""

    def __init__(self, options):
        self.options = options
        self.cuts_left = options.cuts
        self.draws = random.Random(1)
        self.free_at = {"up": 0.0, "down": 0.0}
        self.never = asyncio.Event()
        self.tasks = set()  # the loop alone does not keep them alive
        self.sums = {"up": 0, "down": 0, "connections": 0, "cuts": 0, "held": False}
        self.report()

    def due(self, way, size):
        """When bytes that come now arrive."""
        now = asyncio.get_running_loop().time()
        if self.options.rate:
            self.free_at[way] = max(self.free_at[way], now) + size / self.options.rate
            now = self.free_at[way]
        return now + self.options.delay / 1000

    async def passive(self, data):
        """An answer to EPSV (RFC 2428) with a port of ours; anything else as it is. It is small and
        comes by itself, because the client waits for it."""
        match = re.match(rb"229 [^\r\n]*\(\|\|\|(\d+)\|\)", data)
        if not match:
            return data
        _, port = await listen(self, int(match[1]), once=True)
        return data[:match.start(1)] + str(port).encode() + data[match.end(1):]

    def report(self):
        if not self.options.report:
            return
        with open(self.options.report + ".new", "w", encoding="utf-8") as file:
            json.dump(self.sums, file)
        os.replace(self.options.report + ".new", self.options.report)


class Connection:
    def __init__(self, line, near, far):
        self.line, self.near, self.far = line, near, far
        self.bytes = 0

    def reset(self):
        for _, writer in (self.near, self.far):
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def count(self, way, size):
        line = self.line
        self.bytes += size
        line.sums[way] += size
        if self.is_to_end(size):
            line.cuts_left -= 1
            line.sums["cuts"] += 1
            line.report()
            self.reset()
            raise ConnectionResetError
        line.report()

    def is_to_end(self, size):
        line = self.line
        after, share = line.options.cut_after, line.options.reset_share
        if line.cuts_left == 0:
            return False
        if after and self.bytes >= after:
            return True
        return bool(share) and line.draws.random() < share * size / 2**20

    async def hold(self):
        """Never returns once enough has passed."""
        line = self.line
        if 0 < line.options.hold_after <= line.sums["up"]:
            line.sums["held"] = True
            line.report()
            await line.never.wait()

    async def take(self, way, reader, queue):
        try:
            while data := await reader.read(CHUNK):
                self.count(way, len(data))
                await self.hold()
                if way == "down" and self.line.options.ftp:
                    data = await self.line.passive(data)
                await queue.put((self.line.due(way, len(data)), data))
        except OSError:
            pass
        await queue.put((self.line.due(way, 0), b""))

    @staticmethod
    async def give(queue, writer):
        loop = asyncio.get_running_loop()
        data = b"?"
        try:
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0, due - loop.time()))
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            pass
        while data:  # else who fills the queue would wait for ever
            _, data = await queue.get()

    async def run(self):
        most = LOST_AT_CUT if self.line.options.cut_after else IN_FLIGHT_MAX
        up, down = asyncio.Queue(most), asyncio.Queue(most)
        if self.line.options.cut_after:
            self.far[1].transport.set_write_buffer_limits(0)
            self.far[1].get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF,
                                                            LOST_AT_CUT * CHUNK)
        await asyncio.gather(
            self.take("up", self.near[0], up), self.give(up, self.far[1]),
            self.take("down", self.far[0], down), self.give(down, self.near[1]),
            return_exceptions=True)
        for _, writer in (self.near, self.far):
            writer.close()


async def listen(line, to, once=False):
    """The server that passes on to this port, and its own port."""
    async def accept(reader, writer):
        if once:
            server.close()
        try:
            far = await asyncio.open_connection("127.0.0.1", to)
        except OSError:
            writer.transport.abort()
            return
        line.sums["connections"] += 1
        line.report()
        line.tasks.add(asyncio.current_task())
        await Connection(line, (reader, writer), far).run()
        line.tasks.discard(asyncio.current_task())

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def serve(options):
    line = Line(options)
    server, port = await listen(line, options.to)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: os._exit(0))
    parent = os.getppid()
    print(f"ready {port}", flush=True)
    while os.getppid() == parent:
        await asyncio.sleep(0.5)
    server.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--cut-after", type=int, default=0)
    parser.add_argument("--cuts", type=int, default=-1)
    parser.add_argument("--reset-share", type=float, default=0)
    parser.add_argument("--hold-after", type=int, default=0)
    parser.add_argument("--ftp", action="store_true")
    parser.add_argument("--report", default="")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
