"""What the kernel knows of a process and its children: CPU time and memory."""

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += tree(int(child))
    return found


def cpu(pid: int) -> float:
    """CPU seconds that the process and all below it have taken."""
    ticks = 0
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICK


def memory(pid: int) -> tuple[int, int]:
    """Bytes resident now, and at most since `forget_peak`."""
    now = peak = 0
    for each in tree(pid):
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{each}/status").read_text().splitlines())
        now += int(lines["VmRSS"].split()[0]) * 1024
        peak += int(lines["VmHWM"].split()[0]) * 1024
    return now, peak


def forget_peak(pid: int) -> None:
    """Let the peak begin at what is resident now."""
    for each in tree(pid):
        Path(f"/proc/{each}/clear_refs").write_text("5")
