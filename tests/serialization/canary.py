"""Watches what a load does: code run, processes, files written, Python's own unpickler.

Loaded by path from the tests, and by the fuzzer when it runs as a script.
"""

import contextlib
import sys

#: Audit events of Python (https://docs.python.org/3/library/audit_events.html) that no load of data raises.
FORBIDDEN = frozenset(
    {
        "compile", "ctypes.dlopen", "exec", "marshal.loads", "os.chmod", "os.exec", "os.fork", "os.forkpty",
        "os.kill", "os.link", "os.mkdir", "os.posix_spawn", "os.putenv", "os.remove", "os.rename", "os.rmdir",
        "os.spawn", "os.symlink", "os.system", "os.truncate", "pickle.find_class", "pty.spawn",
        "shutil.copyfile", "shutil.move", "shutil.rmtree", "shutil.unpack_archive", "socket.bind",
        "socket.connect", "subprocess.Popen", "urllib.Request", "webbrowser.open", "import",
    }
)  # fmt: skip

_active = False
_seen: list[str] = []


def _hook(event, args):
    if not _active:
        return
    if event in FORBIDDEN:
        _seen.append(f"{event} {str(args)[:200]}")
    elif event == "open" and len(args) > 1 and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        _seen.append(f"open {args[0]!r} {args[1]!r}")


_installed = False


@contextlib.contextmanager
def watched():
    """Collects forbidden events of the block into the list that it yields."""
    global _active, _installed
    if not _installed:
        sys.addaudithook(_hook)  # cannot be taken back, so it is one for all
        _installed = True
    _seen.clear()
    _active = True
    try:
        yield _seen
    finally:
        _active = False
