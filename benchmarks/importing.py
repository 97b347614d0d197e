"""What `import plenary` adds to `import torch`, in seconds and megabytes.

    .venv/bin/python benchmarks/importing.py

Each of several fresh interpreters imports torch, then plenary; the medians are printed. The second row asks for a
model as well, which is when its module is loaded.
"""

import statistics
import subprocess
import sys

from harness import machine, table

CODE = """
import time, torch
def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096 / 2**20
memory, start = resident(), time.perf_counter()
{imports}
print(time.perf_counter() - start, resident() - memory)
"""


def measure(imports: str, times: int = 7) -> tuple[str, str, str]:
    runs = [
        subprocess.run(
            [sys.executable, "-c", CODE.format(imports=imports)], capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(times)
    ]
    seconds, megabytes = (statistics.median(float(run[i]) for run in runs) for i in (0, 1))
    return imports, f"{seconds:.3f}", f"{megabytes:.1f}"


if __name__ == "__main__":
    print(machine(), end="\n\n")
    rows = [measure("import plenary"), measure("import plenary; plenary.VisionTransformer")]
    print(table(("after import torch", "seconds more", "MiB more"), rows))
