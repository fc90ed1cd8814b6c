"""Parsers that do what a damaged file can make real ones do, for tests of `core.files.isolated`."""

import os
import time

from core.errors import ImageError


def shout(file, times):
    text = file.read().upper()
    return {"length": len(text)}, lambda out: out.write(text * times)


def refuse(file):
    raise ImageError(f"{file.read().decode()} is refused.")


def fail(file):
    raise ValueError(file)


def abort(_file):
    os.abort()


def abort_later(_file):
    def write(out):
        out.write(b"a half")
        out.flush()
        os.abort()

    return None, write


def spin(_file):
    while True:
        pass


def sleep(_file):
    time.sleep(1000)


def fill(_file):
    return len(bytearray(1 << 30)), lambda _: None


def without_end(_file):
    def write(out):
        while True:
            out.write(bytes(1 << 16))

    return None, write
