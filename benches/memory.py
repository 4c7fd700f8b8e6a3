#!/usr/bin/env python3
"""One busy log, ten readers, little memory: does every line arrive, and what was the most that was taken?

    benches/memory.py [--limit 16] [--seconds 20] [--rate 20000] [--readers 10] [--crowd 40] [--agent PATH] [-- OPTION...]

The agent runs in a memory cgroup of its own (v2, else v1), which counts its page cache, sockets' buffers and all; where none
can be made, under RLIMIT_DATA, which counts private memory only. Which one it was is said. Options behind -- are given to the
agent. Then a crowd comes that asks for everything and reads nothing, which costs memory for each: those that do not fit must
be sent away, and the ten must go on. Exits 1 if the agent dies or a line is missing, doubled or out of order for any reader.
"""

import argparse
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MIB = 1 << 20
FILES_KEPT = 2
ROTATE_BYTES = 8 * MIB


class Cgroup:
    """A memory limit, and what was taken under it."""

    def __init__(self, limit):
        self.limit, self.folder, self.kind = limit, None, "RLIMIT_DATA (private memory only)"
        name = f"sidetail-memory-{os.getpid()}"
        v2 = pathlib.Path("/sys/fs/cgroup")
        v1 = pathlib.Path("/sys/fs/cgroup/memory")
        for folder, limits, kind in [
            (v2 / name, ["memory.max"], "cgroup v2"),
            (v1 / name, ["memory.limit_in_bytes"], "cgroup v1"),
        ]:
            controlled = folder.parent / ("cgroup.controllers" if kind.endswith("2") else limits[0])
            if not controlled.exists() or (kind.endswith("2") and "memory" not in controlled.read_text()):
                continue
            try:
                folder.mkdir()
                for file in limits:
                    (folder / file).write_text(str(limit))
                for swap in ["memory.swap.max", "memory.memsw.limit_in_bytes"]:
                    if (folder / swap).exists():
                        (folder / swap).write_text("0" if "max" in swap.split(".")[-1] else str(limit))
            except OSError:
                folder.rmdir() if folder.exists() else None
                continue
            self.folder, self.kind = folder, kind
            return

    def enter(self):
        """In the child, before it becomes the agent."""
        if self.folder:
            (self.folder / "cgroup.procs").write_text(str(os.getpid()))
        else:
            resource.setrlimit(resource.RLIMIT_DATA, (self.limit, self.limit))

    def peak(self):
        for file in ["memory.peak", "memory.max_usage_in_bytes"]:
            if self.folder and (self.folder / file).exists():
                return int((self.folder / file).read_text())
        return None

    def remove(self):
        if self.folder:
            self.folder.rmdir()


class Reader(threading.Thread):
    """Reads a stream and checks that the numbers in its lines follow each other."""

    def __init__(self, port, target):
        super().__init__(daemon=True)
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self.target, self.next, self.wrong, self.ended = target, 0, None, False
        # Open once its hello is here: what is written from then on is for it.
        self.rest = b""
        while b"hello" not in self.rest:
            self.rest += self.socket.recv(1 << 16)
        self.start()

    def run(self):
        number = re.compile(rb"N(\d{9})E(?=[^\n]*\n)")
        rest = self.rest
        while not self.wrong:
            piece = self.socket.recv(1 << 18)
            if not piece:
                self.ended = True
                return
            # Frames of chunked transfer may stand anywhere: a number that one of them tears is put together again.
            rest += piece
            text = re.sub(rb"\r\n[0-9a-fA-F]+\r\n", b"", rest)
            cut = text.rfind(b"\n\n") + 1
            if cut <= 0:
                rest = text
                continue
            for found in number.finditer(text[:cut]):
                if int(found[1]) != self.next:
                    self.wrong = f"{self.target}: line {self.next} expected, {int(found[1])} came"
                    return
                self.next += 1
            rest = text[cut:]


def write(path, rate, seconds, seen, first=0):
    """Writes lines at a rate, numbered from the first on, rotates by renaming; the number behind the last."""
    file, size, count = open(path, "ab", buffering=0), 0, 0
    began = time.monotonic()
    while time.monotonic() - began < seconds and not seen():
        want = min(int((time.monotonic() - began) * rate), count + 2000)
        if want <= count:
            time.sleep(0.002)
            continue
        lines = b"".join(
            b"2026-11-22T10:00:00.000Z INFO N%09dE request served in 12 ms by worker 7, 200, 5123 bytes, GET /api/v1/orders/%d?full=1\n"
            % (first + number, number)
            for number in range(count, want)
        )
        file.write(lines)
        count, size = want, size + len(lines)
        if size > ROTATE_BYTES:
            for number in range(FILES_KEPT, 1, -1):
                older = pathlib.Path(f"{path}.{number - 1}")
                older.rename(f"{path}.{number}") if older.exists() else None
            os.rename(path, f"{path}.1")
            file.close()
            file, size = open(path, "ab", buffering=0), 0
    return first + count


def crowd(port, count):
    """Clients that ask and do not read; the open ones, and how many were sent away."""
    taken, refused = [], 0
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(5)
        client.sendall(b"GET /tail?from=start HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if client.recv(12).endswith(b"503"):
            refused += 1
        taken.append(client)
    return taken, refused


def status(pid, key):
    """A figure of /proc, in bytes; nothing of a process that has ended."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{key}:\s+(\d+) kB", text)
    return found and int(found[1]) * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=16, help="MiB")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=int, default=20000, help="lines a second")
    parser.add_argument("--readers", type=int, default=10)
    parser.add_argument("--crowd", type=int, default=40)
    parser.add_argument("--agent", type=pathlib.Path)
    parser.add_argument("options", nargs="*")
    args = parser.parse_args()
    if not args.agent:
        subprocess.run(["cargo", "build", "--release"], cwd=ROOT, check=True)
        args.agent = ROOT / "target/release/sidetail"
    group = Cgroup(int(args.limit * MIB))
    with tempfile.TemporaryDirectory(prefix="sidetail-memory-") as folder:
        path = os.path.join(folder, "app.log")
        open(path, "wb").close()
        command = [args.agent, "--listen", "127.0.0.1:0", "--log-level", "warn", f"app={path}", *args.options]
        agent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=group.enter)
        try:
            port = int(agent.stdout.readline().split(":")[2].split("/")[0])
            idle = status(agent.pid, "VmRSS")
            targets = ["/events", "/events?match=INFO", "/events?data=json"]
            readers = [Reader(port, targets[number % 3]) for number in range(args.readers)]
            wrong = lambda: agent.poll() is not None or any(reader.wrong or reader.ended for reader in readers)
            def arrive(count):
                deadline = time.monotonic() + 30
                while not wrong() and any(reader.next < count for reader in readers) and time.monotonic() < deadline:
                    time.sleep(0.05)

            count = write(path, args.rate, args.seconds, wrong)
            arrive(count)
            before = status(agent.pid, "VmHWM"), group.peak()
            taken, refused = crowd(port, args.crowd) if not wrong() else ([], 0)
            count = write(path, args.rate, args.seconds / 4, wrong, count)
            arrive(count)
            failed = [reader.wrong or f"{reader.target}: {reader.next} of {count}" for reader in readers if reader.next != count]
            if failed:
                failed.append(f"the agent: {agent.poll()}")
            else:
                rss, peak = status(agent.pid, "VmHWM"), group.peak()
            [client.close() for client in taken]
        finally:
            if agent.poll() is None:
                agent.send_signal(signal.SIGTERM)
            agent.wait()
            group.remove()
    mib = lambda size: "not counted" if size is None else f"{size / MIB:.1f} MiB"
    print(f"limit               {args.limit:g} MiB by {group.kind}")
    print(f"lines               {count} at {args.rate}/s in {args.seconds:g} s, to each of {args.readers} readers")
    if failed:
        print("\n".join(["failed:", *failed]))
        sys.exit(1)
    print(f"lost, doubled       0")
    print(f"resident, idle      {mib(idle)}")
    print(f"resident, most      {mib(before[0])}, with the crowd {mib(rss)}")
    print(f"counted by cgroup   {mib(before[1])} at most, with the crowd {mib(peak)}; what the kernel can take back is in it")
    print(f"the crowd           {args.crowd} clients that read nothing: {refused} sent away")


main()
