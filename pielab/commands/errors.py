"""What an error message means: its cause and its cure by its id."""

from pielab.arguments import parser_for
from pielab.errors import PielabError, near_miss


def main(arguments: list[str], program: str = "pielab errors") -> int:
    """Print the cause and the cure of an error, or the ids of all."""
    parser = parser_for(
        program,
        "Print what was given and the cure of an error message, by its id or by words of it; all without.",
        "for example: pielab errors control-of-another-pruner, or: pielab errors GPU memory",
    )
    parser.add_argument("words", nargs="*", metavar="WORD", help="an id, such as out-of-memory, or words of a message")
    given = parser.parse_args(arguments)
    from pielab.report.messages import messages

    known = messages()
    words = [word.lower() for word in given.words]
    found = [each for each in known if [each.id] == words] or [
        each for each in known if all(word in " ".join(each).lower() for word in words)
    ]
    if not found:
        guess = near_miss(" ".join(words), [each.id for each in known])
        raise PielabError(
            "unknown-error", f"no message has {' '.join(given.words)}", f"{guess}pielab errors alone lists all"
        )
    if not words:
        print("\n".join(each.id for each in known))
        return 0
    print("\n\n".join(f"{each.id}\n  given: {each.problem}\n  cure:  {each.cure}" for each in found))
    return 0
