"""The exception that a user's mistake raises, and the one of a fault that may pass."""


class PielabError(ValueError):
    """One sentence with what was given, what is accepted and the cure.

    In a notebook it is shown as that sentence alone, for a traceback through helpers tells the user nothing.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class PassingFault(PielabError):
    """A fault that may be over when the same is tried again: a full disk, too little memory, no network."""
