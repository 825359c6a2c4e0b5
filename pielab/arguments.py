"""The parser of a command of `pielab`."""

import argparse
import textwrap


def parser_for(program: str, description: str, examples: str) -> argparse.ArgumentParser:
    """A parser whose help ends with examples, their lines as they are written."""
    return argparse.ArgumentParser(
        prog=program,
        description=textwrap.fill(description, 78),
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
