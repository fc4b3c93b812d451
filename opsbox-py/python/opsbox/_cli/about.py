"""``detect`` and ``formats``."""

from __future__ import annotations

import argparse

from .. import _opsbox as native
from .source import Source


def detect(args: argparse.Namespace) -> int:
    from . import FITS

    source = Source(args.file)
    try:
        found = native.detect(source.sample())
    except Exception as error:
        import opsbox

        if isinstance(error, opsbox.DetectionError):
            raise opsbox.DetectionError(f"{source.name}: {error}") from None
        raise
    fitting = dict(found.candidates)
    print(
        f"{found.format}  confidence {found.confidence:.3f}, fits {fitting[found.format]} of {found.lines} lines"
    )
    if args.all:
        for name, lines in found.candidates:
            if name != found.format:
                print(f"{name}  fits {lines} of {found.lines} lines")
    return FITS


def formats(args: argparse.Namespace) -> int:
    from . import FITS
    from .parse import Wrong

    known = native.formats()
    if args.name is None:
        width = max(len(it.name) for it in known)
        for it in known:
            print(f"{it.name:<{width}}  {it.summary}")
        return FITS
    preset = next((it for it in known if it.name == args.name), None)
    if preset is None:
        raise Wrong(f'there is no format "{args.name}"; `python -m opsbox formats` lists them')
    table = native.Parser(preset.name).parse(preset.example.encode())
    print(f"{preset.name}: {preset.summary}\n")
    print(f"example:\n  {preset.example.replace(chr(10), chr(10) + '  ')}\n")
    print("columns" + (" of the example" if preset.regex is None else "") + ":")
    for name, kind in table.schema.items():
        print(f"  {name}  {kind}")
    if preset.regex is not None:
        print(f"\npattern:\n  {preset.regex}")
    return FITS
