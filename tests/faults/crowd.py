"""Be one process of a site: many visitors post forms to it at once, and it tells what they got."""

from __future__ import annotations

import json
import sys
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any

import django


def main() -> None:
    """Read what to do from the standard input, wait for "go", and write the answers."""
    django.setup()
    from django.db import connections

    from tests.races.wire import Site

    task = json.loads(sys.stdin.readline())
    jobs: SimpleQueue[Any] = SimpleQueue()
    for job in task["jobs"]:
        jobs.put(job)
    site, answers = Site(), []

    def visit() -> None:
        while True:
            try:
                path, form, cookies = jobs.get_nowait()
            except Empty:
                break
            began = time.monotonic()
            try:
                answer = site.post(path, form, cookies)
                got = [answer.status, answer.location, ""]
            except AssertionError as error:
                got = [500, "", str(error)[-2000:]]
            answers.append([path, *got, time.monotonic() - began])
        connections.close_all()

    site.get("/accounts/login/")  # what a process does once
    connections.close_all()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    visitors = [threading.Thread(target=visit) for _ in range(task["threads"])]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    sys.stdout.write(json.dumps(answers) + "\n")


if __name__ == "__main__":
    main()
