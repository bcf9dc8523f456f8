"""New PostgreSQL clusters for the cost of a copy.

A daemon makes its cluster with the `initdb` of its PATH. Here that is a script which has the real one work once for each
set of arguments, and copies what it made. What tests lose is durability: nothing of theirs has to outlive the machine.
"""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

SCRIPT = """#!/bin/sh
# initdb -D DIRECTORY ARGUMENTS
set -eu
[ "$1" = -D ]
directory=$2
shift 2
made={place}/$(printf %s "$*" | cksum | tr ' ' -)
if [ ! -d "$made" ]; then
    {initdb} -D "$made.$$" --no-sync "$@"
    printf 'fsync = off\\nfull_page_writes = off\\n' >> "$made.$$/postgresql.conf"
    mv -T "$made.$$" "$made" || rm -rf "$made.$$"
fi
cp -a "$made" "$directory"
"""


@functools.cache
def folder_of_initdb():
    """A folder whose `initdb` copies; nil where there is none to copy from."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    real = shutil.which("initdb") or (versions and versions[-1])
    if not real:
        return None
    place = Path(tempfile.mkdtemp(prefix="aigw-initdb-", dir="/tmp"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    # The user that PostgreSQL runs as when the tests run as root writes there.
    place.chmod(0o1777)
    script = place / "initdb"
    script.write_text(SCRIPT.format(place=place, initdb=real))
    script.chmod(0o755)
    return place
