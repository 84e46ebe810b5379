"""The conversation: who says what where, the same for the same seed.

It holds every rule of the scripted model, every kind of file, empty and huge texts, replies, reactions and messages
that are not meant for the bot. Channels are busy to different degrees, as they are in life.
"""

import hashlib
import random
from dataclasses import dataclass, field

import files
import texts
from files import File

PLATFORM = "web"
CHANNELS = 24
USERS = 60
MESSAGES = 600

# Of a thousand messages, how many follow which pattern; what is left is plain talk.
ECHO, WEATHER, LONG, FAIL = 150, 90, 25, 15


@dataclass(frozen=True)
class Message:
    """One message as a platform's adapter would hand it in."""

    message_id: str
    trace_id: str
    channel_id: str
    user_id: str
    username: str
    content: str
    timestamp: float
    is_addressed: bool = True
    reply_to: str | None = None
    reactions: str = ""
    attachments: tuple[File, ...] = field(default=())


def converse(seed: int, messages: int = MESSAGES, channels: int = CHANNELS, users: int = USERS) -> list[Message]:
    """The whole conversation in the order in which it is said."""
    rng = random.Random(seed)
    names = [f"{rng.choice(texts.NAMES)} {n}" for n in range(users)]
    rooms = [f"room-{n:02}" for n in range(channels)]
    # The busiest channel gets about three times what the quietest gets, and everybody and every channel has a turn.
    weights = [1 + 2 * n / channels for n in range(channels)]
    where = rooms + rng.choices(rooms, weights, k=messages - channels)
    who = [*range(users), *(rng.randrange(users) for _ in range(messages - users))]
    rng.shuffle(where)
    rng.shuffle(who)
    contents = _contents(rng, messages)

    said: list[Message] = []
    last: dict[str, list[str]] = {room: [] for room in rooms}
    for n, (room, user, (text, attached, fixed)) in enumerate(zip(where, who, contents, strict=True)):
        earlier = last[room]
        message = Message(
            message_id=f"msg-{seed}-{n:04}",
            trace_id=hashlib.md5(f"{seed}/{n}".encode(), usedforsecurity=False).hexdigest(),
            channel_id=room,
            user_id=f"user-{user:02}",
            username=names[user],
            content=text,
            timestamp=1_700_000_000 + n * 0.25,
            is_addressed=fixed or rng.random() >= 0.15,
            reply_to=rng.choice(earlier[-5:]) if earlier and rng.random() < 0.25 else None,
            reactions=rng.choice(texts.REACTIONS),
            attachments=attached,
        )
        earlier.append(message.message_id)
        said.append(message)
    return said


def _contents(rng: random.Random, messages: int) -> list[tuple[str, tuple[File, ...], bool]]:
    """Texts with their files, in no order: those that must be there and be answered, the rest as the dice fall."""
    fixed: list[tuple[str, tuple[File, ...]]] = [
        ("", ()),
        ("", (files.pick(rng),)),
        ("echo ", ()),
        ("echo " + texts.huge(rng), ()),
        ("echo " + texts.huge(rng), ()),
        (texts.huge(rng), ()),
        (texts.huge(rng), (files.pick(rng),)),
        ("the recording", (files.megabyte(rng),)),
        ("three at once", tuple(files.pick(rng) for _ in range(3))),
        *((f"look: {name}", (File(name, mimetype, make(rng)),)) for name, mimetype, make in files.KINDS),
        *(("echo " + odd, ()) for odd in texts.ODD),
        *((odd, ()) for odd in texts.ODD),
        *((f"weather in {place}", ()) for place in texts.PLACES),
        *(("long", ()) for _ in range(3)),
        *((f"fail twice, {texts.say(rng)}", ()) for _ in range(3)),
    ]
    drawn = [_draw(rng) for _ in range(messages - len(fixed))]
    contents = [(*content, True) for content in fixed] + [(*content, False) for content in drawn]
    rng.shuffle(contents)
    return contents


def _draw(rng: random.Random) -> tuple[str, tuple[File, ...]]:
    dice = rng.randrange(1000)
    if dice < ECHO:
        return "echo " + texts.say(rng), ()
    if (dice := dice - ECHO) < WEATHER:
        return "weather in " + rng.choice(texts.PLACES), ()
    if (dice := dice - WEATHER) < LONG:
        return "long", ()
    if dice - LONG < FAIL:
        return "fail twice, " + texts.say(rng), ()
    return texts.say(rng), tuple(files.pick(rng) for _ in range(rng.choice((0, 0, 0, 0, 0, 0, 1, 2))))
