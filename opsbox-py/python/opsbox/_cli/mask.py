"""``mask``: a log as NDJSON without personal data and secrets."""

from __future__ import annotations

import argparse

import opsbox

from .._output import Output

from .parse import format_of
from .progress import Progress
from .source import Source

DEFAULT = """
keep_unmatched = "message"
[mask]
[output]
format = "ndjson"
"""
"""The pipeline if no file says one: all detectors, on all columns, and lines that do not fit, too."""


def run(args: argparse.Namespace) -> int:
    from . import FITS, SOME_DO_NOT_FIT, say

    source = Source(args.file)
    pipeline = _pipeline(args, source)
    progress = Progress(wanted=not args.quiet)
    with Output(args.output) as output:
        try:
            report = pipeline.run(
                source.path or source.reader(), output.file, progress=progress.set
            )
        finally:
            progress.clear()
    if not args.quiet:
        for line in str(report).splitlines():
            say(line)
    return SOME_DO_NOT_FIT if report.unmatched_lines else FITS


def _pipeline(args: argparse.Namespace, source: Source) -> opsbox.Pipeline:
    if args.config is None:
        format = format_of(args.format, source)
        return opsbox.Pipeline.from_text(DEFAULT, format=format, variables={})
    if args.format != "auto":
        return opsbox.Pipeline.from_file(args.config, format=args.format)
    try:
        return opsbox.Pipeline.from_file(args.config)
    except opsbox.ConfigError as error:
        # The file need not say what the lines look like.
        if error.field != "input":
            raise
    return opsbox.Pipeline.from_file(args.config, format=format_of("auto", source))
