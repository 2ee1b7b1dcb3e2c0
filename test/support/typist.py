"""Types into a shell on a terminal of its own, as a person would.

typist.py SHELL ARGS...   stdin: JSON, {"setup": lines for the shell, "typed": words to complete}

For each of `typed` it types `bygone`, the words and a Tab, waits until the shell has asked the program, and
presses Return; `bygone` itself then shows the arguments that it was given. Prints JSON: for each what it was given.
"""

import json
import os
import pty
import re
import select
import signal
import sys
import time

DEADLINE_SECONDS = 20


class Terminal:
    def __init__(self, command):
        self.output = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, pattern, start=0):
        """The first match in what has been shown since `start`."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            match = re.search(pattern, self.output[start:], re.DOTALL)
            if match:
                return match
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.fd], [], [], max(left, 0))
            if not ready:
                raise TimeoutError(f"no {pattern!r} in:\n{self.output[start:]}")
            self.output += os.read(self.fd, 65536).decode(errors="replace")

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def main():
    order = json.load(sys.stdin)
    terminal = Terminal(sys.argv[1:])
    given = []
    try:
        terminal.type(order["setup"] + "\nprintf '%s\\n' read''y\n")
        terminal.wait_for("ready")
        for number, typed in enumerate(order["typed"]):
            start = len(terminal.output)
            terminal.type(f"bygone {typed}\t")
            # The program that the shell asks counts its calls in the title of the terminal.
            terminal.wait_for("\x1b]2;asked\x07", start)
            terminal.type("\n")
            match = terminal.wait_for(r"<given(?: (\[.*?\]))?>", start)
            given.append(match.group(1) or "")
    finally:
        terminal.end()
    json.dump(given, sys.stdout)


main()
