"""
Makes the root file system of a small image: this interpreter under /usr/local, with the packages that are named and
those that they need. No registry and no package index is asked.

    python python-root.py <folder> <package>…
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

root = Path(sys.argv[1])
version = f"python{sys.version_info.major}.{sys.version_info.minor}"
library = root / "usr/local/lib" / version
packages = library / "site-packages"
left_out = shutil.ignore_patterns(
    "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "_tkinter*", "lib2to3", "ensurepip", "config-*"
)


def main():
    for name in ("usr/local/bin", "tmp", "etc", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    interpreter = root / "usr/local/bin/python"
    shutil.copy2(os.path.realpath(sys.executable), interpreter)
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=left_out, symlinks=False)
    for name in needed(sys.argv[2:]):
        for file in importlib.metadata.files(name) or ():
            if ".." not in file.parts:
                copy(Path(file.locate()), packages / file)
    for library_file in libraries([interpreter, *library.rglob("*.so")]):
        copy(library_file, root / library_file.relative_to("/"))


def needed(names):
    """These packages and, as far as they are installed, all that they require."""
    found = []
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.append(name)
        for line in importlib.metadata.requires(name) or ():
            required = re.match(r"[\w.-]+", line)[0]
            if "extra ==" not in line and installed(required):
                waiting.append(required)
    return found


def installed(name):
    try:
        return importlib.metadata.version(name) is not None
    except importlib.metadata.PackageNotFoundError:
        return False


def libraries(programs):
    """The shared libraries that they load, the loader among them."""
    printed = subprocess.run(["ldd", *programs], capture_output=True, text=True).stdout
    return {Path(path) for path in re.findall(r"(/\S+) \(0x", printed)}


def copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


main()
