#!/usr/bin/env python3
"""How much later is a live line while others search archives?

    benches/beside_searches.py [--gigabytes 10] [--lines 400] [--searches 0,1,16,64] [--agent PATH]

A log has an archive that unpacks to so many GB. Clients search it for what is not in it, all at once and again as soon as they
are through; meanwhile lines are written to the live file, one every 10 ms, and a reader says how long each was on its way.
Exits 1 if a line is missing.
"""

import argparse
import http.client
import os
import pathlib
import random
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEMBER_BYTES = 256 << 20
PAUSE = 0.01


def archive(path, size):
    """A .gz of so many bytes of access lines: one member, as often as it takes."""
    chance = random.Random(42)
    lines = (
        f"10.0.{chance.randrange(256)}.{chance.randrange(256)} - - [22/Nov/2026:10:00:00 +0000] "
        f'"GET /api/v1/orders/{chance.randrange(10**6)} HTTP/1.1" 200 {chance.randrange(10**4)} "-" "curl/8.5.0"\n'
        for _ in range(40_000)
    )
    text = "".join(lines).encode()
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    times = max(1, min(size, MEMBER_BYTES) // len(text))
    member = b"".join(packer.compress(text) for _ in range(times)) + packer.flush()
    count = max(1, round(size / (times * len(text))))
    with open(path, "wb") as file:
        for _ in range(count):
            file.write(member)
    os.utime(path, (0, time.time() - 3600))
    return count * times * len(text), count * len(member)


class Search(threading.Thread):
    """Asks for what is not there, again and again, until it is told to stop."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.stopped, self.socket = port, False, None
        self.start()

    def run(self):
        while not self.stopped:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            try:
                connection.connect()
                self.socket = connection.sock
                connection.request("GET", "/events?from=start&follow=false&match=never+to+be+found")
                answer = connection.getresponse()
                while answer.read(1 << 16):
                    pass
            except (OSError, http.client.HTTPException):
                pass

    def stop(self):
        self.stopped = True
        if self.socket:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.join()


def delays(port, path, count):
    """How long each of so many lines was on its way, in milliseconds."""
    reader = socket.create_connection(("127.0.0.1", port))
    reader.sendall(b"GET /tail HTTP/1.1\r\nHost: localhost\r\n\r\n")
    reader.settimeout(30)
    received, seen = {}, b""
    while b"\r\n\r\n" not in seen:
        seen += reader.recv(1 << 16)
    seen = seen.split(b"\r\n\r\n", 1)[1]
    written = {}

    def write():
        with open(path, "ab", buffering=0) as file:
            for number in range(count):
                time.sleep(PAUSE)
                written[number] = time.perf_counter()
                file.write(b"live %06d\n" % number)

    writer = threading.Thread(target=write)
    # The stream has begun once it gives a line.
    open(path, "ab", buffering=0).write(b"first of all\n")
    while b"first of all" not in seen:
        seen += reader.recv(1 << 16)
    writer.start()
    while len(received) < count:
        seen += reader.recv(1 << 16)
        now = time.perf_counter()
        while (at := seen.find(b"live ")) >= 0 and len(seen) >= at + 11:
            received.setdefault(int(seen[at + 5 : at + 11]), now)
            seen = seen[at + 11 :]
    writer.join()
    reader.close()
    return [(received[number] - written[number]) * 1e3 for number in range(count)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--lines", type=int, default=400)
    parser.add_argument("--searches", default="0,1,16,64")
    parser.add_argument("--agent", type=pathlib.Path)
    args = parser.parse_args()
    if not args.agent:
        subprocess.run(["cargo", "build", "--release"], cwd=ROOT, check=True)
        args.agent = ROOT / "target/release/sidetail"
    with tempfile.TemporaryDirectory(prefix="sidetail-searches-") as folder:
        live = os.path.join(folder, "app.log")
        open(live, "wb").close()
        unpacked, packed = archive(f"{live}.1.gz", int(args.gigabytes * 1e9))
        command = [args.agent, "--listen", "127.0.0.1:0", "--log-level", "warn", f"app={live}"]
        agent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            port = int(agent.stdout.readline().rstrip("/\n").rsplit(":", 1)[1])
            print(f"an archive of {unpacked / 1e9:.1f} GB, {packed / 1e6:.0f} MB of gzip; {args.lines} live lines")
            print("searches   median     99 %    worst, ms")
            for number in map(int, args.searches.split(",")):
                searches = [Search(port) for _ in range(number)]
                # Until they unpack: the first bytes of them are in the page cache.
                time.sleep(1 if number else 0)
                found = sorted(delays(port, live, args.lines))
                for search in searches:
                    search.stop()
                at = lambda share: found[min(len(found) - 1, int(len(found) * share))]
                print(f"{number:8} {statistics.median(found):8.1f} {at(0.99):8.1f} {found[-1]:8.1f}")
        finally:
            agent.terminate()
            agent.wait()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
