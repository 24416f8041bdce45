"""A bad network between two network namespaces, in user space; needs root and /dev/net/tun.

    with lossy_network(Weather(delay_ms=50, jitter_ms=20, loss=0.02)) as network:
        subprocess.Popen([*network.near, "python", ...])

Inside, 10.78.0.1 (near) and 10.78.0.2 (far) reach each other through one TUN device each.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x0001 | 0x1000
CLONE_NEWNET = 0x40000000
MTU_BYTES = 1500
TUN = Path("/dev/net/tun")
NEAR_ADDRESS, FAR_ADDRESS = "10.78.0.1", "10.78.0.2"


@dataclass(frozen=True, slots=True)
class Weather:
    """What the network does to packets, in each direction."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    """Probability that a packet is lost."""
    blackout_at_s: float = 0.0
    """Seconds after the start of the link, 0 for never."""
    blackout_s: float = 0.0
    """How long nothing gets through then."""


@dataclass(frozen=True, slots=True)
class LossyNetwork:
    """Two namespaces; commands are run in them by putting these words in front."""

    near: list[str]
    far: list[str]


def why_not() -> str:
    """Why there can be no such network here; empty when there can."""
    if os.geteuid() != 0 or not os.access(TUN, os.R_OK | os.W_OK):
        return "network namespaces need root and /dev/net/tun"
    if shutil.which("ip") is None:
        return "iproute2 is not installed"
    name = f"omnicall-{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode:
        return "network namespaces cannot be made here"
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return ""


@contextlib.contextmanager
def lossy_network(weather: Weather) -> Iterator[LossyNetwork]:
    """A network of this weather until the block ends."""
    near, far = (f"omnicall-{os.getpid()}-{end}" for end in ("near", "far"))
    with contextlib.ExitStack() as stack:
        for name in (near, far):
            subprocess.run(["ip", "netns", "add", name], check=True)
            stack.callback(subprocess.run, ["ip", "netns", "delete", name], check=True)
            subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        command = [sys.executable, "-m", "tests.fakes.lossy_link", near, far]
        link = subprocess.Popen(
            [*command, *map(str, astuple(weather))], stdout=subprocess.PIPE, text=True
        )
        stack.callback(link.wait)
        stack.callback(link.terminate)
        assert link.stdout is not None
        stack.callback(link.stdout.close)
        if link.stdout.readline() != "up\n":
            raise RuntimeError("the link did not come up")
        yield LossyNetwork(["ip", "netns", "exec", near], ["ip", "netns", "exec", far])


def open_tun(namespace: str, name: str) -> int:
    """Create a TUN device inside a namespace and return its file descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    target = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(target, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns({namespace})")
        descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(
            descriptor, TUNSETIFF, struct.pack("16sH14s", name.encode(), IFF_TUN_NO_PI, b"")
        )
        if libc.setns(home, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns(home)")
    finally:
        os.close(target)
        os.close(home)
    return descriptor


def carry(near: int, far: int, weather: Weather) -> None:
    """Carry packets between two devices until the process is ended."""
    rng = random.Random(1)
    in_flight: list[tuple[float, int, int, bytes]] = []
    started_at_s = time.monotonic()
    n_carried = 0
    while True:
        now_s = time.monotonic()
        while in_flight and in_flight[0][0] <= now_s:
            _, _, descriptor, packet = heapq.heappop(in_flight)
            os.write(descriptor, packet)
        wait_s = min(0.5, max(0.0, in_flight[0][0] - now_s)) if in_flight else 0.5
        for descriptor in select.select([near, far], [], [], wait_s)[0]:
            with contextlib.suppress(BlockingIOError):
                while True:
                    packet = os.read(descriptor, MTU_BYTES + 100)
                    n_carried += 1
                    now_s = time.monotonic()
                    dark_s = now_s - started_at_s - weather.blackout_at_s
                    is_dark = weather.blackout_at_s > 0 and 0 <= dark_s < weather.blackout_s
                    if is_dark or rng.random() < weather.loss:
                        continue
                    delay_ms = weather.delay_ms + rng.random() * weather.jitter_ms
                    other = far if descriptor == near else near
                    heapq.heappush(in_flight, (now_s + delay_ms / 1000, n_carried, other, packet))


def main() -> None:
    """The link's own process."""
    near, far, *numbers = sys.argv[1:]
    ends = []
    for namespace, address in ((near, NEAR_ADDRESS), (far, FAR_ADDRESS)):
        ends.append(open_tun(namespace, "tun0"))
        ip = ["ip", "-n", namespace]
        subprocess.run([*ip, "addr", "add", f"{address}/24", "dev", "tun0"], check=True)
        subprocess.run([*ip, "link", "set", "tun0", "up", "mtu", str(MTU_BYTES)], check=True)
    sys.stdout.write("up\n")
    sys.stdout.flush()
    carry(*ends, Weather(*map(float, numbers)))


if __name__ == "__main__":
    main()
