"""Run the benchmarks and put what they print into README.md, under the command that printed it.

    .venv/bin/python benchmarks/write.py               # all of them, which takes long
    .venv/bin/python benchmarks/write.py attention     # that command, or those with this word in them

A block of README.md that begins with `<!-- run: COMMAND -->` and ends with `<!-- end -->` is replaced by COMMAND's
output. CIFAR-10 is looked for where PLENARY_DATA says.
"""

import datetime as dt
import re
import shlex
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent / "README.md"
BLOCK = re.compile(r"<!-- run: (.+?) -->\n.*?<!-- end -->", re.DOTALL)


def main() -> None:
    words = sys.argv[1:]
    text = README.read_text(encoding="utf-8")
    commands = [command for command in BLOCK.findall(text) if not words or any(w in command for w in words)]
    commands = [command for command in commands if command in words] or commands
    if not commands:
        raise SystemExit(f"{README}: no command there has {' or '.join(words)} in it.")
    for command in commands:
        print(command, flush=True)
        script, *options = shlex.split(command)
        done = subprocess.run(
            [sys.executable, README.parent / script, *options], stdout=subprocess.PIPE, text=True, check=True
        )
        # Read again: it may have been edited in the hour that has passed.
        text = README.read_text(encoding="utf-8")
        start = text.index(f"<!-- run: {command} -->\n")
        end = text.index("<!-- end -->", start)
        today = dt.date.today().isoformat()
        block = f"<!-- run: {command} -->\n\n{today}, {done.stdout.strip()}\n\n"
        README.write_text(text[:start] + block + text[end:], encoding="utf-8")


if __name__ == "__main__":
    main()
