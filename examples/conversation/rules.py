"""What the scripted model of ``stargazer inference`` owes to a message: the contract that the checker holds it to."""

from dataclasses import dataclass

# The number of a turn's first action of its type.
FIRST = 0


@dataclass(frozen=True)
class Owed:
    """One answer, known by its ``message_key``. ``file`` is the number of the attachment that comes back."""

    key: str
    file: int | None = None


def owed(trace_id: str, attachments: int) -> list[Owed]:
    """All answers to an addressed message, in their order: one text, then every file."""
    texts = [Owed(f"{trace_id}:message:{FIRST}")]
    return texts + [Owed(f"{trace_id}:file:{FIRST + n}", n) for n in range(attachments)]


def complaint(asked: str, answer: str) -> str | None:
    """What is wrong with the text of an answer; ``None`` when nothing is."""
    if asked.startswith("echo "):
        return None if answer == asked[5:] else "an echo says something else"
    if asked not in answer:
        return "the answer does not hold the text"
    if asked == "" and answer == "":
        return "the answer to an empty text is empty"
    if "weather in " in asked:
        # The tool's result stands before the text; what the weather is, is up to the tool.
        place, result = asked.partition("weather in ")[2], answer.replace(asked, "")
        return None if f"{place}:" in result and "°C" in result else "the answer lacks the result of the tool"
    if asked.startswith("long") and len(answer.encode()) <= 4096:
        return "a long answer is not over 4 kB"
    return None
