"""Python runs this as it starts where `build.py` measures: at its end the process writes down its processor time.

Starting is what the interpreter takes until this, and every import of the main thread, whenever it happens.
"""

import atexit
import builtins
import importlib
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

starting = {"seconds": time.process_time(), "inside": False}
MAIN = threading.get_ident()


def metered(import_: Callable[..., Any]) -> Callable[..., Any]:
    """An import whose time counts as starting; that of imports within it is a part of it."""

    def measured(*arguments: Any, **named: Any) -> Any:
        if starting["inside"] or threading.get_ident() != MAIN:
            return import_(*arguments, **named)
        starting["inside"], before = True, time.process_time()
        try:
            return import_(*arguments, **named)
        finally:
            starting["inside"] = False
            starting["seconds"] += time.process_time() - before

    return measured


def write_down() -> None:
    """One file a process: its words, seconds of the processor, those of starting, and those of its children."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    record = {
        "words": sys.argv,
        "seconds": time.process_time(),
        "starting": starting["seconds"],
        "children": ended.ru_utime + ended.ru_stime,
    }
    Path(os.environ["METER"], f"{os.getpid()}-{time.time_ns()}.json").write_text(json.dumps(record), encoding="utf-8")


builtins.__import__ = metered(builtins.__import__)
importlib.import_module = metered(importlib.import_module)
atexit.register(write_down)
